"""How many clients a second one bridge lets in, with sessions in memory and with sessions claimed in Postgres.

    python tests/benchmarks/bench_connects.py [--clients 5000] [--at-once 500]

Prints one JSON line for each kind of session store and of client: new ones, and ones that come back to their session
while the bridge still holds their old connection (a reconnect storm). The clients run in a process of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import time
from contextlib import AsyncExitStack
from importlib import resources
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import uvloop
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.clock import SystemClock
from dataflow_bridge.listener.listener import Listener
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import MemoryIntake, connect311, token_authenticator
from dataflow_bridge.sessions.claims import SessionClaims
from dataflow_bridge.sessions.memory import Sessions
from dataflow_bridge.sessions.table import SessionTable
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import connect_pool
from dataflow_mesh.testing import postgres_cluster

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def storm(port: int, clients: int, at_once: int, pipe: Connection) -> None:
    """Connect all clients twice and report how long each time took, and each client waited."""

    async def connect_all(kept: list[Any]) -> tuple[float, list[float]]:
        waits: list[float] = []
        places = asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with places:
                begun = time.perf_counter()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(connect311(f"client-{number}", clean=False, will=("last/words", b"gone")))
                answer = await reader.readexactly(4)
                assert answer[3] == 0, answer
                waits.append(time.perf_counter() - begun)
                kept.append(writer)

        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(one(number))
        return time.perf_counter() - begun, waits

    async def main() -> None:
        kept: list[Any] = []
        for kind in ("new", "taken over"):
            seconds, waits = await connect_all(kept)
            waits.sort()
            pipe.send((kind, seconds, waits[len(waits) // 2], waits[int(len(waits) * 0.99)]))
            await asyncio.sleep(2)

    uvloop.run(main())


async def measure(store: str, dsn: str, clients: int, at_once: int) -> list[dict[str, Any]]:
    """Serve one storm and return its figures."""
    clock = SystemClock()
    budget = Budget(1 << 40)
    async with AsyncExitStack() as stack:
        claims = None
        if store == "postgres":
            pool = await stack.enter_async_context(await connect_pool(dsn, max_size=4))
            async with pool.acquire() as connection:
                await migrate(connection, "bridge", resources.files("dataflow_bridge") / "migrations")
            claims = SessionClaims(SessionTable(pool, "bench", uuid4()), clock)
            task = asyncio.get_running_loop().create_task(claims.run())
            stack.callback(task.cancel)
        listener = Listener(
            ListenerSettings(
                listen="127.0.0.1:0", connects_per_second=1e9, max_connections=1 << 20, receive_buffer_bytes=4096
            ),
            MemoryIntake(budget),
            token_authenticator({}, allow_anonymous=True),
            budget,
            Sessions(clock, claims),
            clock,
        )
        await stack.enter_async_context(listener)
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=storm, args=(listener.port, clients, at_once, there))
        process.start()
        figures = []
        loop = asyncio.get_running_loop()
        cpu = time.process_time()
        for _ in range(2):
            kind, seconds, median, p99 = await loop.run_in_executor(None, here.recv)
            figures.append(
                {
                    "store": store,
                    "clients": clients,
                    "kind": kind,
                    "connects_per_second": round(clients / seconds),
                    "wait_p50_ms": round(median * 1e3, 1),
                    "wait_p99_ms": round(p99 * 1e3, 1),
                    "bridge_cpu_us_per_connect": round((time.process_time() - cpu) / clients * 1e6),
                    "unclaimed": claims.served_unclaimed if claims else None,
                }
            )
            cpu = time.process_time()
        await loop.run_in_executor(None, process.join)
        await listener.stop(5.0)
        return figures


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--at-once", type=int, default=500)
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, arguments.clients * 3)), hard))
    with postgres_cluster() as cluster:
        for store in ("memory", "postgres"):
            for figures in uvloop.run(measure(store, cluster.create_database(), arguments.clients, arguments.at_once)):
                print(json.dumps(figures))


if __name__ == "__main__":
    main()
