"""Throws random, mutated and truncated packets at a listener and watches that it stays well.

    python tests/chaos/fuzz_listener.py [--seed N] [--packets 1000000] [--seconds 600] [--workers 24]

MQTT 3.1.1, MQTT 5 and WebSocket frames, over many short connections. The listener runs in a process of its own. Passes
(exit code 0) when a well-behaved client was answered all the time, no error was logged, memory stayed below 300 MB, and
every message that was acknowledged had reached the intake. Prints one JSON object; the seed in it repeats the packets
(not their timing).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import logging
import multiprocessing
import os
import random
import socket
import struct
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import mqtt5
import psutil
import uvloop
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.clock import SystemClock
from dataflow_bridge.listener.listener import Listener
from dataflow_bridge.listener.seams import message_cost
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import connect311, packet, publish311, token_authenticator
from dataflow_bridge.listener.wire import read_size
from dataflow_bridge.sessions.memory import Sessions

if TYPE_CHECKING:
    from multiprocessing.connection import Connection as Pipe

    from dataflow_bridge.listener.seams import Ack

MARK: Final = b"fuzz-mark:"
"""Begins the payload of messages whose way is followed; a number comes behind it."""
MARK_PACKET_ID: Final = 50_000
PROBE_SECONDS: Final = 5.0
MAX_RSS_BYTES: Final = 300_000_000
INTERESTING: Final = (0, 1, 2, 3, 4, 0x0B, 0x1F, 0x23, 0x26, 0x7F, 0x80, 0xC0, 0xED, 0xFE, 0xFF)


# The listener's process.


class MarkIntake:
    """Remembers the marks that it was given, and acknowledges a little later."""

    def __init__(self, budget: Budget) -> None:
        self.marks: set[int] = set()
        self.count = 0
        self._budget = budget
        self._open: list[tuple[int, Ack | None, int]] = []

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
        self.count += 1
        if payload.startswith(MARK) and len(payload) == len(MARK) + 8:
            self.marks.add(int.from_bytes(payload[len(MARK) :], "big"))
        assert "\0" not in topic
        assert topic.encode()
        if not self._open:
            asyncio.get_running_loop().call_later(0.002, self._finish)
        self._open.append((message_cost(topic, payload), ack, ack_token))

    def _finish(self) -> None:
        done, self._open = self._open, []
        tokens: defaultdict[Ack, list[int]] = defaultdict(list)
        for cost, ack, token in done:
            self._budget.release(cost)
            if ack is not None:
                tokens[ack].append(token)
        for ack, mine in tokens.items():
            ack.acknowledged(mine)


class ErrorLog(logging.Handler):
    """Keeps what was logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def serve(pipe: Pipe) -> None:
    """Serve until told to report."""

    async def main() -> None:
        errors = ErrorLog()
        logging.getLogger().addHandler(errors)
        loop = asyncio.get_running_loop()
        budget = Budget(64 << 20)
        clock = SystemClock()
        intake = MarkIntake(budget)
        settings = ListenerSettings(
            listen="127.0.0.1:0",
            websocket_listen="127.0.0.1:0",
            connects_per_second=1_000_000,
            connect_timeout_seconds=2,
        )
        listener = Listener(
            settings, intake, token_authenticator({}, allow_anonymous=True), budget, Sessions(clock), clock
        )
        process = psutil.Process()
        async with listener:
            pipe.send((listener.port, listener.websocket_port))
            rss = 0
            while not pipe.poll():
                rss = max(rss, process.memory_info().rss)
                await asyncio.sleep(0.1)
            pipe.recv()
            loop.call_soon(lambda: None)
        counters = listener.counters
        pipe.send(
            {
                "errors": errors.lines,
                "rss_bytes": max(rss, process.memory_info().rss),
                "marks": intake.marks,
                "messages": intake.count,
                "taken_bytes": budget.taken_bytes,
                "held_bytes": budget.held_bytes,
                "connections_left": counters.connections,
                "connects_accepted": counters.connects_accepted,
                "disconnects": dict(counters.disconnects),
                "refusals": dict(counters.refusals),
            }
        )

    uvloop.run(main())


# Packets.


def naughty_strings() -> list[str]:
    """Return strings that break things; more of them when the shared cases are there."""
    strings = [
        "",
        "a",
        "ä",
        "\u0000",
        "\u0001",
        "\ufffe",
        "+",
        "#",
        "a/+/b",
        "/",
        "//",
        "$SYS/x",
        "$share/g/t",
        "x" * 300,
    ]
    cases = Path(os.environ.get("DATAFLOW_CASES", Path(__file__).parents[2] / ".." / "shared" / "cases"))
    with contextlib.suppress(OSError):
        strings += json.loads((cases / "hostile" / "blns.json").read_text())
    return strings


@dataclass(slots=True)
class Packets:
    """Makes packets, good and bad."""

    random: random.Random
    strings: list[str] = field(default_factory=naughty_strings)

    def text(self) -> bytes:
        """Return a string with its length, sometimes a wrong one."""
        raw = self.random.choice(self.strings).encode("utf-8", "surrogatepass")[:1000]
        size = len(raw) if self.random.random() < 0.97 else self.random.randrange(65_536)
        return size.to_bytes(2, "big") + raw

    def properties(self) -> bytes:
        """Return a property block of a few properties, not always allowed ones."""
        out = b""
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, 4))):
            kind = self.random.choice(
                (1, 2, 3, 8, 9, 0x0B, 0x11, 0x15, 0x16, 0x17, 0x19, 0x1F, 0x21, 0x22, 0x23, 0x26, 0x27)
            )
            out += bytes((kind,))
            if kind in (1, 0x17, 0x19, 0x0B):
                out += bytes((self.random.choice((0, 1, 1, 2, 0x80)),))
            elif kind in (2, 0x11, 0x27):
                out += self.random.randbytes(4)
            elif kind in (0x21, 0x22, 0x23):
                out += self.random.choice((0, 1, 2, 16, 65_535)).to_bytes(2, "big")
            elif kind == 0x26:
                name = b"\x00\x0amessage-id" if self.random.random() < 0.5 else self.text()
                out += name + self.text()
            else:
                out += self.text()
        return bytes((len(out),)) + out if len(out) < 128 else bytes((len(out) & 0x7F | 0x80, len(out) >> 7)) + out

    def packet_id(self) -> bytes:
        """Return a packet id, often the same one."""
        return self.random.choice((0, 1, 1, 2, 3, 999)).to_bytes(2, "big")

    def plausible(self, *, five: bool) -> bytes:
        """Return a packet that has the right shape."""
        choose = self.random
        kind = choose.choice((1, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8, 8, 10, 12, 14, 15, 0, 2, 9, 11, 13))
        properties = self.properties() if five else b""
        match kind:
            case 1:
                flags = choose.choice((0, 2, 2, 6, 0x0E, 0x26, 0xC2, 0x82, 0x42, 0xFF, 3))
                body = b"\x00\x04MQTT" + bytes((choose.choice((3, 4, 5, 5, 6)), flags)) + b"\x00\x3c"
                body += properties + self.text()
                if flags & 4:
                    body += (self.properties() if five else b"") + self.text() + self.text()
                body += self.text() * bool(flags & 0x80) + self.text() * bool(flags & 0x40)
                return packet(0x10, body)
            case 3:
                head = 0x30 | choose.choice((0, 0, 2, 2, 2, 4, 4, 6, 8, 0x0A, 0x0C, 1, 3))
                body = self.text() + (self.packet_id() if head & 6 else b"") + properties
                return packet(head, body + choose.randbytes(choose.choice((0, 1, 20, 200))))
            case 4 | 5 | 6 | 7:
                tail = bytes((choose.choice((0, 0x92, 0x80)),)) + properties if five and choose.random() < 0.3 else b""
                return packet(kind << 4 | (2 if kind == 6 else 0), self.packet_id() + tail)
            case 8 | 10:
                filters = b"".join(
                    self.text() + (bytes((choose.choice((0, 1, 2, 3, 0x2C, 0xFF)),)) if kind == 8 else b"")
                    for _ in range(choose.choice((0, 1, 1, 3)))
                )
                return packet(kind << 4 | 2, self.packet_id() + properties + filters)
            case 14 | 15:
                return packet(kind << 4, bytes((choose.choice((0, 4, 5, 0x18, 0x80)),)) + properties if five else b"")
            case _:
                return packet(kind << 4, choose.choice((b"", b"", b"\x00", choose.randbytes(5))))

    def mutated(self, good: bytes) -> bytes:
        """Return a packet with a few changes; half of the time with its length put right again."""
        choose = self.random
        bad = bytearray(good)
        for _ in range(choose.choice((1, 1, 1, 2, 5))):
            if not bad:
                break
            at = choose.randrange(len(bad))
            match choose.randrange(7):
                case 0:
                    bad[at] ^= 1 << choose.randrange(8)
                case 1:
                    bad[at] = choose.choice(INTERESTING)
                case 2:
                    del bad[at : at + choose.choice((1, 2, 8))]
                case 3:
                    bad[at:at] = choose.randbytes(choose.choice((1, 2, 8)))
                case 4:
                    bad[at:at] = bad[at : at + 16]
                case 5:
                    del bad[at:]
                case _:
                    bad[at : at + 2] = choose.choice((b"\x00\x00", b"\xff\xff", b"\xed\xa0", b"\x80\x01"))
        if choose.random() < 0.5 and len(bad) > 2:
            return packet(bad[0], bytes(bad[2:]))
        return bytes(bad)

    def any(self, *, five: bool) -> bytes:
        """Return one packet of any kind."""
        roll = self.random.random()
        if roll < 0.1:
            return self.random.randbytes(self.random.choice((1, 2, 5, 50, 500)))
        good = self.plausible(five=five)
        return good if roll < 0.5 else self.mutated(good)

    def frame(self, payload: bytes) -> bytes:
        """Return a masked WebSocket frame, mostly a good one."""
        choose = self.random
        head = 0x82 if choose.random() < 0.9 else choose.choice((0x02, 0x80, 0x00, 0x81, 0x88, 0x89, 0x8A, 0xFF, 0x8F))
        mask = choose.randbytes(4)
        size = len(payload)
        length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        whole = bytes((head,)) + length + mask + bytes(byte ^ mask[n & 3] for n, byte in enumerate(payload))
        return whole if choose.random() < 0.9 else self.mutated(whole)


# The attacker's process.


@dataclass(slots=True)
class Tally:
    """What was sent and seen."""

    packets: int = 0
    connections: int = 0
    probes: int = 0
    slowest_probe_seconds: float = 0.0
    probe_failures: list[str] = field(default_factory=list)
    marks: int = 0
    acknowledged: set[int] = field(default_factory=set)


async def answers(reader: asyncio.StreamReader, marks: dict[int, int], tally: Tally) -> None:
    """Read answers until the end; note which marks are acknowledged."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
        while True:
            head = await reader.readexactly(2)
            while (size := read_size(head, 1, len(head))) is None:
                head += await reader.readexactly(1)
            body = await reader.readexactly(size[0])
            if head[0] == 0x40:
                mark = marks.pop(int.from_bytes(body[:2], "big"), None)
                if mark is not None:
                    tally.acknowledged.add(mark)


async def attack(port: int, websocket: bool, make: Packets, tally: Tally) -> None:
    """Make one connection, say something good on most of them, then anything."""
    choose = make.random
    five = choose.random() < 0.5
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    tally.connections += 1
    frame = make.frame if websocket else bytes
    reading: asyncio.Task[Any] | None = None
    try:
        if websocket:
            key = base64.b64encode(choose.randbytes(16))
            request = (
                b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
            )
            if choose.random() < 0.1:
                request = make.mutated(request)
            writer.write(request)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await reader.read(4096)
        marks: dict[int, int] = {}
        if choose.random() < 0.9:
            client_id = choose.choice(("", "fuzz", f"fuzz-{choose.randrange(1000)}"))
            expiry = choose.choice((0, 0, 5, 1000))
            clean = not client_id or choose.random() < 0.5
            connect = (
                mqtt5.ConnectPacket(client_id, clean_start=clean, session_expiry_interval=expiry).write()
                if five
                else connect311(client_id, clean=clean)
            )
            writer.write(frame(connect))
            for packet_id in range(MARK_PACKET_ID, MARK_PACKET_ID + choose.choice((0, 1, 5))):
                tally.marks += 1
                tally.packets += 1
                marks[packet_id] = tally.marks
                payload = MARK + tally.marks.to_bytes(8, "big")
                writer.write(
                    frame(
                        mqtt5.PublishPacket("fuzz/t", payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id).write()
                        if five
                        else publish311("fuzz/t", payload, qos=1, packet_id=packet_id)
                    )
                )
        reading = asyncio.create_task(reader.read() if websocket else answers(reader, marks, tally))
        if marks and choose.random() < 0.5:
            await asyncio.wait((reading,), timeout=0.01)
        for _ in range(choose.choice((1, 2, 5, 20, 60))):
            if writer.is_closing():
                break
            writer.write(frame(make.any(five=five)))
            tally.packets += 1
        with contextlib.suppress(OSError):
            await writer.drain()
        if choose.random() < 0.3:
            await asyncio.wait((reading,), timeout=0.02)
        raw = writer.get_extra_info("socket")
        if writer.is_closing() or raw is None:
            pass
        elif choose.random() < 0.2:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif choose.random() < 0.7 and writer.can_write_eof():
            writer.write_eof()
            await asyncio.wait((reading,), timeout=0.5)
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.wait((reading,))
            with contextlib.suppress(asyncio.CancelledError):
                reading.exception()
        writer.close()


async def probe(port: int, tally: Tally, stop: asyncio.Event) -> None:
    """Behave well all the time, and note when that is not answered."""
    while not stop.is_set():
        began = time.monotonic()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(connect311("probe") + publish311("probe/t", b"1", qos=1) + b"\xc0\x00")
                got = await reader.readexactly(4 + 2 + 4)
                if got[:4] != b"\x20\x02\x00\x00" or sorted((got[4:6], got[6:])) != sorted(
                    (b"\xd0\x00", b"\x40\x02\x00\x01")
                ):
                    tally.probe_failures.append(f"wrong answer {got!r}")
                writer.write(b"\xe0\x00")
                writer.close()
        except (OSError, RuntimeError, TimeoutError, asyncio.IncompleteReadError) as error:
            tally.probe_failures.append(repr(error))
        tally.probes += 1
        tally.slowest_probe_seconds = max(tally.slowest_probe_seconds, time.monotonic() - began)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.2)


async def fuzz(ports: tuple[int, int], seed: int, packets: int, seconds: float, workers: int) -> Tally:
    """Attack with several workers until enough packets were sent or the time is over."""
    tally = Tally()
    until = time.monotonic() + seconds
    stop = asyncio.Event()

    async def work(number: int) -> None:
        make = Packets(random.Random(f"{seed}-{number}"))
        while tally.packets < packets and time.monotonic() < until:
            websocket = make.random.random() < 0.2
            # uvloop raises RuntimeError for a transport that the listener has just closed.
            with contextlib.suppress(OSError, RuntimeError):
                await attack(ports[websocket], websocket, make, tally)

    async with asyncio.TaskGroup() as group:
        probing = group.create_task(probe(ports[0], tally, stop))
        async with asyncio.TaskGroup() as attackers:
            for number in range(workers):
                attackers.create_task(work(number))
        stop.set()
        await probing
    return tally


def run(seed: int, packets: int, seconds: float, workers: int) -> dict[str, Any]:
    """Run listener and attack; return the verdict with its figures."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    ports = ours.recv()
    began = time.monotonic()
    tally = uvloop.run(fuzz(ports, seed, packets, seconds, workers))
    elapsed = time.monotonic() - began
    ours.send("report")
    report = ours.recv()
    process.join(10)
    missing = tally.acknowledged - report.pop("marks")
    problems = [
        problem
        for problem, holds in (
            (f"probe failed: {tally.probe_failures[:3]}", bool(tally.probe_failures)),
            (f"errors logged: {report['errors'][:3]}", bool(report["errors"])),
            (f"memory: {report['rss_bytes']} bytes", report["rss_bytes"] >= MAX_RSS_BYTES),
            (f"acknowledged but never handed over: {len(missing)}", bool(missing)),
            (f"nothing was acknowledged of {tally.marks}", not tally.acknowledged),
            (f"budget not given back: {report['taken_bytes']}, {report['held_bytes']}", bool(report["held_bytes"])),
            (f"connections left: {report['connections_left']}", bool(report["connections_left"])),
            (f"exit code {process.exitcode}", process.exitcode != 0),
        )
        if holds
    ]
    return {
        "passed": not problems,
        "problems": problems,
        "seed": seed,
        "packets": tally.packets,
        "seconds": round(elapsed, 1),
        "connections": tally.connections,
        "probes": tally.probes,
        "slowest_probe_seconds": round(tally.slowest_probe_seconds, 3),
        "followed": tally.marks,
        "acknowledged": len(tally.acknowledged),
        **report,
    }


def main() -> None:
    """Run with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--workers", type=int, default=24)
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", file=sys.stderr, flush=True)
    verdict = run(seed, arguments.packets, arguments.seconds, arguments.workers)
    print(json.dumps(verdict, indent=1))
    sys.exit(not verdict["passed"])


if __name__ == "__main__":
    main()
