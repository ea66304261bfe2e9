"""Ready-made PUBLISH packets of the load generator: only packet id, time and sequence number are filled in."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dataflow_simulator.mqtt_wire import Protocol, text, variable_integer

IdKind = Literal["a", "b", "c", "d"]
"""Where the message id comes from: identity fields, the sender, a hash of the payload, the bridge."""

FIRST_SEQUENCE: Final = 1_000_000_000
"""Sequence numbers have ten digits from the first on, so that every packet of a device has the same length."""
LANE_STRIDE: Final = 10_000_000
"""Sequence numbers between two lanes of one device."""
_TAILS: Final = 509
_SEED: Final = 7
_DIGITS: Final = 10
_SEQUENCE: Final = b'","seq":'
STAMP_LENGTH: Final = 27
"""Bytes of a time as `Stamp` writes it."""

PACKET_IDS: Final = tuple(number.to_bytes(2) for number in range(65536))


@dataclass(frozen=True, slots=True)
class Lane:
    """A device as one connection sends for it; with fewer devices than connections a device has several lanes."""

    device_id: str
    contract: int
    """Index of the contract that judges the device, from 0."""
    first_sequence: int
    """The sequence number of the lane's first message; the next ones follow without a gap."""


def lanes_of(run: str, devices: int, connections: int, contracts: int) -> list[list[Lane]]:
    """Spreads devices over connections, each connection at least one lane."""
    spread: list[list[Lane]] = [[] for _ in range(connections)]
    for index in range(max(devices, connections)):
        device, lane = index % devices, index // devices
        spread[index % connections].append(
            Lane(f"{run}-{device:05d}", device % contracts, FIRST_SEQUENCE + lane * LANE_STRIDE)
        )
    return spread


def topic_of(kind: IdKind, lane: Lane) -> str:
    """Returns the topic that a lane publishes to."""
    return f"bench/{kind}/{lane.contract}/{lane.device_id}"


class PacketMaker:
    """Makes the packets of one connection: message n belongs to lane n modulo the number of lanes."""

    __slots__ = ("_heads", "_lanes", "_sender_ids", "_tails")

    def __init__(self, lanes: Sequence[Lane], kind: IdKind, protocol: Protocol) -> None:
        """Encodes what does not change.

        Raises:
            ValueError: Ids of kind b without MQTT 5, which alone can say them.
        """
        if kind == "b" and protocol is not Protocol.V5:
            raise ValueError("message ids of the sender need MQTT 5")
        self._lanes = lanes
        self._sender_ids = kind == "b"
        chooser = random.Random(_SEED)
        # Other values in each message: constant ones would flatter every compression on the way.
        self._tails = [
            b',"temperature":%.2f,"humidity":%.2f,"pressure":%.1f}'
            % (chooser.uniform(10, 35), chooser.uniform(20, 90), chooser.uniform(1000, 1040))
            for _ in range(_TAILS)
        ]
        self._heads = [self._head(lane, kind, protocol) for lane in lanes]

    def _head(self, lane: Lane, kind: IdKind, protocol: Protocol) -> tuple[bytes, bytes, bytes]:
        """Returns what stands before the packet id, before the sender's sequence, and before the time."""
        topic = text(topic_of(kind, lane))
        start = b'{"device_id":"%b","ts":"' % lane.device_id.encode()
        length = len(topic) + 2 + len(start) + STAMP_LENGTH + len(_SEQUENCE) + _DIGITS + len(self._tails[0])
        properties = b""
        if self._sender_ids:
            # The user property message-id: device and sequence, the sequence being filled in.
            value = lane.device_id.encode() + b"-"
            pair = b"\x26" + text("message-id") + (len(value) + _DIGITS).to_bytes(2) + value
            properties = variable_integer(len(pair) + _DIGITS) + pair
            length += len(properties) + _DIGITS
        elif protocol is Protocol.V5:
            start = b"\x00" + start
            length += 1
        return b"\x32" + variable_integer(length) + topic, properties, start

    def burst(self, first: int, count: int, stamp: bytes) -> list[bytes]:
        """Returns the packets of the messages `first` to `first + count - 1`, in pieces, all stamped with one time."""
        lanes, heads, tails = self._lanes, self._heads, self._tails
        number_of_lanes = len(lanes)
        pieces: list[bytes] = []
        add = pieces.extend
        for number in range(first, first + count):
            turn, lane = divmod(number, number_of_lanes)
            sequence = b"%d" % (lanes[lane].first_sequence + turn)
            before_id, properties, before_time = heads[lane]
            tail = tails[number % _TAILS]
            if properties:
                add((
                    before_id, PACKET_IDS[number % 65535 + 1], properties, sequence,
                    before_time, stamp, _SEQUENCE, sequence, tail,
                ))  # fmt: skip
            else:
                add((before_id, PACKET_IDS[number % 65535 + 1], before_time, stamp, _SEQUENCE, sequence, tail))
        return pieces


class Stamp:
    """Writes times as RFC 3339 with microseconds, a new string for the date only once a second."""

    __slots__ = ("_prefix", "_second")

    def __init__(self) -> None:
        """Makes a stamp that has written nothing."""
        self._second = -1
        self._prefix = b""

    def __call__(self, seconds: float) -> bytes:
        """Returns the 27 bytes of a time given in seconds since the epoch."""
        second, micros = divmod(round(seconds * 1_000_000), 1_000_000)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second)).encode()
        return b"%b%06dZ" % (self._prefix, micros)
