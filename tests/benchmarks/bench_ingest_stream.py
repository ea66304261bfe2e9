"""Messages over gRPC: one stream beside single requests, with batches of 1, 100 and 500, in one run.

    python tests/benchmarks/bench_ingest_stream.py [--seconds 5] [--rounds 3] [--append-ms 2]

Prints one JSON line for each way and batch size: messages/s, CPU of the bridge's side and of the client for one message,
and how long a batch takes until it is acknowledged. The ways take turns, so that what else the machine does meets all of
them; figures are those of all rounds together.

- `request`: `PublishMessages`, the next one when the last one is answered;
- `requests`: `PublishMessages`, as many at once as the stream's window;
- `stream`: `StreamMessages` by the SDK.

The bridge's side is a process of its own: gRPC server with all that is around each RPC, service, batcher; the ring is a
wait of `--append-ms`, so that neither Redis nor a disk is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

import psutil
import uvloop
from dataflow.bridge.v1 import ingest_service_pb2_grpc
from dataflow_bridge.batcher import Batcher
from dataflow_bridge.ingest.service import IngestServicer
from dataflow_bridge.listener.budget import Budget
from dataflow_client import AsyncClient, Connection, OutgoingMessage, StreamLimits, Targets
from dataflow_mesh.access import Tokens
from dataflow_mesh.server import GrpcServer
from dataflow_mesh.testing.server import ADMIN_TOKEN, ROLE_TOKENS
from dataflow_ring.append import Placement

PAYLOAD = (
    b'{"ts":"2014-01-01T00:00:00Z","temperature":21.5,"humidity":40.25,"light":426.0,"co2":721.25,"occupied":true}'
)
WINDOW = 32
BATCHES = (1, 100, 500)
WAYS = ("request", "requests", "stream")


class WaitingRing:
    """Has every batch durable after the same time."""

    def __init__(self, append_seconds: float) -> None:
        self._append_seconds = append_seconds

    async def append(self, batch_id: bytes, data: bytes) -> Placement:
        """Waits."""
        await asyncio.sleep(self._append_seconds)
        return Placement(batch_id, ["a", "b"])


async def serve(append_seconds: float) -> None:
    """Runs the bridge's side until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    budget = Budget(64 * 1024 * 1024)
    async with Batcher(WaitingRing(append_seconds), "bench", budget.release) as batcher:
        service = (
            ingest_service_pb2_grpc.add_IngestServiceServicer_to_server,
            IngestServicer(batcher, budget, stopping),
            "dataflow.bridge.v1.IngestService",
        )
        async with GrpcServer("127.0.0.1:0", [service], tokens=Tokens(ROLE_TOKENS)) as server:
            print(server.port, flush=True)
            await stopping.wait()


@dataclass
class Sums:
    """What the rounds of one way add up to."""

    messages: int = 0
    seconds: float = 0.0
    bridge_cpu: float = 0.0
    client_cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Returns what is printed."""
        ranked = sorted(self.latencies)
        return {
            "messages_per_second": round(self.messages / self.seconds),
            "bridge_cpu_us_per_message": round(self.bridge_cpu / self.messages * 1e6, 2),
            "client_cpu_us_per_message": round(self.client_cpu / self.messages * 1e6, 2),
            "acknowledged_ms_p50": round(ranked[len(ranked) // 2] * 1e3, 2),
            "acknowledged_ms_p99": round(ranked[len(ranked) * 99 // 100] * 1e3, 2),
        }


def cpu_of(process: psutil.Process) -> float:
    """Returns the seconds of CPU that a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def publish(client: AsyncClient, size: int, ends_at: float, sums: Sums) -> None:
    """Publishes batches one after the other by single requests."""
    while (began := time.monotonic()) < ends_at:
        result = await client.publish([OutgoingMessage(f"devices/d-{n}/telemetry", PAYLOAD) for n in range(size)])
        sums.latencies.append(time.monotonic() - began)
        sums.messages += result.accepted_count


async def stream(client: AsyncClient, size: int, ends_at: float, sums: Sums) -> None:
    """Publishes batches over one stream; a batch's time begins when its last message is handed over."""
    begun: deque[float] = deque()

    async def source() -> AsyncIterator[OutgoingMessage]:
        while time.monotonic() < ends_at:
            for number in range(size):
                if number == size - 1:
                    begun.append(time.monotonic())
                yield OutgoingMessage(f"devices/d-{number}/telemetry", PAYLOAD)

    limits = StreamLimits(max_batch_messages=size, max_unacknowledged_batches=WINDOW)
    async with aclosing(client.ingest.stream(source(), limits=limits)) as results:
        async for result in results:
            sums.latencies.append(time.monotonic() - begun.popleft())
            sums.messages += result.accepted_count


async def measure(client: AsyncClient, bridge: psutil.Process, way: str, size: int, seconds: float, sums: Sums) -> None:
    """Runs one way for some seconds."""
    own = psutil.Process()
    before = cpu_of(bridge), cpu_of(own)
    began = time.monotonic()
    if way == "stream":
        await stream(client, size, began + seconds, sums)
    else:
        tasks = WINDOW if way == "requests" else 1
        await asyncio.gather(*(publish(client, size, began + seconds, sums) for _ in range(tasks)))
    sums.seconds += time.monotonic() - began
    sums.bridge_cpu += cpu_of(bridge) - before[0]
    sums.client_cpu += cpu_of(own) - before[1]


async def main(port: int, pid: int, seconds: float, rounds: int) -> None:
    """Lets the ways take turns and prints their figures."""
    found: defaultdict[tuple[int, str], Sums] = defaultdict(Sums)
    async with AsyncClient(Connection(Targets(bridge=f"127.0.0.1:{port}"), token=ADMIN_TOKEN)) as client:
        await client.publish([OutgoingMessage("t", b"warm")])
        for _ in range(rounds):
            for size in BATCHES:
                for way in WAYS:
                    await measure(client, psutil.Process(pid), way, size, seconds, found[size, way])
    for (size, way), sums in found.items():
        print(json.dumps({"batch": size, "way": way} | sums.figures()), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="StreamMessages beside PublishMessages")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each way and batch size, in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--append-ms", type=float, default=2.0, help="how long the ring takes for a batch")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(options.append_ms / 1e3))
        sys.exit()
    command = [sys.executable, __file__, "--serve", "--append-ms", str(options.append_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            asyncio.run(main(int(process.stdout.readline()), process.pid, options.seconds, options.rounds))
        finally:
            process.terminate()
