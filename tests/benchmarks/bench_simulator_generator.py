"""What the load generator itself costs: its epoll loop beside the same packets on uvloop, against a null server.

`python tests/benchmarks/bench_simulator_generator.py [SECONDS]` prints CPU seconds per 100,000 messages.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from typing import cast

import uvloop
from dataflow_simulator import mqtt_wire
from dataflow_simulator.load import LoadGenerator, LoadSettings
from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.packets import PacketMaker, Stamp, lanes_of

RATES = (2_000, 10_000, 40_000)
CONNECTIONS, DEVICES = 100, 1000


class UvloopClient(asyncio.Protocol):
    """One connection on an event loop: counts acknowledgements, keeps no latency: less than the generator does."""

    def __init__(self, maker: PacketMaker, connect: bytes) -> None:
        self._maker = maker
        self._connect = connect
        self.ready = asyncio.Event()
        self._progress = asyncio.Event()
        self.sent = 0
        self.acknowledged_bytes = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._connect)

    def data_received(self, data: bytes) -> None:
        if not self.ready.is_set():
            self.ready.set()
            data = data[4:]
        self.acknowledged_bytes += len(data)
        self._progress.set()

    async def acknowledged(self, messages: int) -> None:
        """Waits for so many acknowledgements of four bytes."""
        while self.acknowledged_bytes < 4 * messages:
            self._progress.clear()
            await self._progress.wait()

    def send(self, count: int, stamp: bytes) -> None:
        assert self.transport is not None
        self.transport.write(b"".join(self._maker.burst(self.sent, count, stamp)))
        self.sent += count


def expected(bursts: int, burst: int) -> list[int]:
    """Returns the messages that each connection sends."""
    return [burst * len(range(index, bursts, CONNECTIONS)) for index in range(CONNECTIONS)]


async def on_uvloop(port: int, rate: int, seconds: float, burst: int) -> float:
    """Sends the same schedule on uvloop; returns CPU seconds per 100,000 messages."""
    loop = asyncio.get_running_loop()
    clients: list[UvloopClient] = []
    for index, lanes in enumerate(lanes_of("u", DEVICES, CONNECTIONS, 1)):
        maker = PacketMaker(lanes, "c", Protocol.V3_1_1)
        connect = mqtt_wire.connect(f"u-{index}", Protocol.V3_1_1, clean_start=True)
        _, client = await loop.create_connection(lambda m=maker, c=connect: UvloopClient(m, c), "127.0.0.1", port)  # type: ignore[misc]
        await client.ready.wait()
        clients.append(client)
    stamp, offset = Stamp(), time.time() - loop.time()
    before, start = time.process_time(), loop.time()
    bursts, interval = round(rate * seconds / burst), burst / rate
    number = 0
    while number < bursts:
        due = min(bursts, int((loop.time() - start) / interval) + 1)
        for turn in range(number, due):
            clients[turn % CONNECTIONS].send(burst, stamp(start + turn * interval + offset))
        number = due
        # Less than a millisecond, the loop's resolution, would be a busy loop; epoll rounds up as well.
        await asyncio.sleep(max(0.001, start + number * interval - loop.time()))
    async with asyncio.timeout(10):
        for client, wanted in zip(clients, expected(bursts, burst), strict=True):
            await client.acknowledged(wanted)
    spent = time.process_time() - before
    for client in clients:
        assert client.transport is not None
        client.transport.close()
    return spent / (bursts * burst) * 100_000


def main(seconds: float) -> None:
    """Measures both against a null server in a process of its own."""
    command = [sys.executable, "-m", "dataflow_simulator.null_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = int(server.stdout.readline().strip().rpartition(":")[2])
            print(f"{'rate':>8} {'burst':>5} {'epoll':>8} {'uvloop':>8}   CPU seconds per 100,000 messages")
            for rate in RATES:
                settings = LoadSettings(
                    "127.0.0.1", port, "e", rate, seconds=seconds, connections=CONNECTIONS, devices=DEVICES
                )
                result = LoadGenerator(settings).run()
                epoll = result.cpu_seconds / result.published * 100_000
                other = uvloop.run(on_uvloop(port, rate, seconds, result.burst))
                print(f"{rate:>8} {result.burst:>5} {epoll:>8.3f} {other:>8.3f}", flush=True)
        finally:
            server.terminate()
    print(f"max RSS {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
