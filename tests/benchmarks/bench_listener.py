"""CPU of the listener for one QoS 1 message, from the bytes of the socket to handing it over and back to PUBACK.

    python tests/benchmarks/bench_listener.py [--messages 400000] [--connections 100]

Prints one JSON line for each protocol version and shape of PUBLISH. The publishers run in a process of their own with
packets encoded beforehand; the intake only counts and acknowledges every 500 messages, so what is measured is the
listener with its sockets and event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import mqtt5
import uvloop
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.clock import SystemClock
from dataflow_bridge.listener.listener import Listener
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import token_authenticator
from dataflow_bridge.sessions.memory import Sessions

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

    from dataflow_bridge.listener.seams import Ack

PAYLOAD = (
    b'{"ts":"2014-01-01T00:00:00Z","temperature":21.5,"humidity":40.25,"light":426.0,"co2":721.25,"occupied":true}'
)
WINDOW = 100


class NullIntake:
    """Counts, and acknowledges each time that it has a batch."""

    def __init__(self, batch: int) -> None:
        self.count = 0
        self._batch = batch
        self._tokens: defaultdict[Ack, list[int]] = defaultdict(list)

    def submit(
        self,
        topic: str,
        payload: bytes,
        device_id: str | None,
        content_type: str | None,
        message_id: str | None,
        maybe_duplicate: bool,
        receive_time_us: int,
        source: str,
        ack: Ack | None,
        ack_token: int,
    ) -> None:
        if ack is not None:
            self._tokens[ack].append(ack_token)
            self.count += 1
            if self.count % self._batch == 0 or self.count % self._batch == 1:
                asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        tokens, self._tokens = self._tokens, defaultdict(list)
        for ack, mine in tokens.items():
            ack.acknowledged(mine)


def packets(version: str, shape: str, number: int) -> list[bytes]:
    """Return one window of PUBLISH packets."""
    topic = f"devices/device-{number:05d}/telemetry"
    properties = [("message-id", f"01890a5d-ac96-774b-bcce-b302099a{number:04x}")] if shape == "message-id" else []
    made = [
        mqtt5.PublishPacket(
            topic, PAYLOAD, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id, user_properties=properties
        ).write()
        for packet_id in range(1, WINDOW + 1)
    ]
    if version == "5":
        return made
    # MQTT 3.1.1 is the same without the property length, which is one byte here.
    behind = 2 + 2 + len(topic) + 2
    size = len(made[0]) - 4
    head = bytes((0x32, (size & 0x7F) | 0x80, size >> 7)) if size > 127 else bytes((0x32, size))
    start = 3 if len(made[0]) > 129 else 2
    del behind
    return [head + m[start : start + 2 + len(topic) + 2] + m[start + 2 + len(topic) + 3 :] for m in made]


def connect_packet(version: str, number: int) -> bytes:
    """Return a CONNECT."""
    name = f"bench-{number}".encode()
    body = b"\x00\x04MQTT" + (b"\x05" if version == "5" else b"\x04") + b"\x02\x00\x00"
    body += (b"\x00" if version == "5" else b"") + len(name).to_bytes(2, "big") + name
    return bytes((0x10, len(body))) + body


def publish_all(port: int, version: str, shape: str, connections: int, messages: int, ready: Event, go: Event) -> None:
    """Run the publishers: each keeps a window of messages unacknowledged."""

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(connect_packet(version, number))
        await reader.read(1000)
        window = b"".join(packets(version, shape, number))
        for _ in range(messages // connections // WINDOW):
            writer.write(window)
            await reader.readexactly(4 * WINDOW)
        writer.write(b"\xe0\x00")
        writer.close()

    async def main() -> None:
        ready.set()
        await asyncio.get_running_loop().run_in_executor(None, go.wait)
        async with asyncio.TaskGroup() as group:
            for number in range(connections):
                group.create_task(one(number))

    uvloop.run(main())


async def measure(version: str, shape: str, connections: int, messages: int) -> dict[str, float | str]:
    """Serve one run and return its figures."""
    intake = NullIntake(500)
    clock = SystemClock()
    budget = Budget(1 << 40)
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    listener = Listener(
        ListenerSettings(listen="127.0.0.1:0"),
        intake,
        token_authenticator({}, allow_anonymous=True),
        budget,
        Sessions(clock),
        clock,
    )
    async with listener:
        process = context.Process(
            target=publish_all, args=(listener.port, version, shape, connections, messages, ready, go)
        )
        process.start()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, ready.wait)
        wall, cpu = time.perf_counter(), time.process_time()
        go.set()
        await loop.run_in_executor(None, process.join)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "version": version,
        "shape": shape,
        "messages": intake.count,
        "per_second": round(intake.count / wall),
        "cpu_us_per_message": round(cpu / intake.count * 1e6, 2),
    }


def main() -> None:
    """Measure all shapes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=400_000)
    parser.add_argument("--connections", type=int, default=100)
    arguments = parser.parse_args()
    for version, shape in (("3.1.1", "plain"), ("5", "plain"), ("5", "message-id")):
        figures = uvloop.run(measure(version, shape, arguments.connections, arguments.messages))
        print(json.dumps(figures))


if __name__ == "__main__":
    assert socket.SO_REUSEPORT
    main()
