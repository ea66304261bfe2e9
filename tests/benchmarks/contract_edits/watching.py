"""When each validator judges by which revision, and how long its transactions wait for locks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import asyncpg
import grpc
import psutil
from dataflow.validator.v1 import contract_pb2, contract_service_pb2, contract_service_pb2_grpc

from tests.benchmarks.contract_edits.rules import CONTRACT

_LOOK_SECONDS: Final = 0.02
_MOST_TRIES: Final = 32
_READY_SECONDS: Final = 10.0
_WAITS: Final = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::double precision AS waiting,
       coalesce(max(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)::double precision AS open
FROM pg_stat_activity a
LEFT JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
WHERE a.application_name = ANY ($1::text[]) AND a.xact_start IS NOT NULL
"""
"""Of the connections that store: those for answers and upkeep have other names."""


@asynccontextmanager
async def reach_all(target: str, pids: Mapping[str, int]) -> AsyncIterator[dict[str, grpc.aio.Channel]]:
    """Opens a channel to each of several processes that listen on one port, where the kernel chooses who gets a connection.

    Args:
        target: The port.
        pids: Of the processes, by name.

    Raises:
        AssertionError: One of them got none of many connections.
    """
    port = int(target.rpartition(":")[2])
    found: dict[str, grpc.aio.Channel] = {}
    async with AsyncExitStack() as opened:
        for _ in range(_MOST_TRIES):
            before = {name: _connections(pid, port) for name, pid in pids.items()}
            channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
            await opened.enter_async_context(channel)
            await asyncio.wait_for(channel.channel_ready(), _READY_SECONDS)
            for name, pid in pids.items():
                if _connections(pid, port) - before[name]:
                    found.setdefault(name, channel)
            if len(found) == len(pids):
                yield found
                return
        raise AssertionError(f"only {sorted(found)} of {sorted(pids)} took a connection")


def _connections(pid: int, port: int) -> set[int]:
    """The ports from which clients are connected to a process."""
    return {
        connection.raddr.port
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == port
    }


async def follow(channel: grpc.aio.Channel, token: str, seen: dict[int, float]) -> None:
    """Notes when one validator judges by each revision: WatchContracts says so once it does."""
    request = contract_service_pb2.WatchContractsRequest(names=[CONTRACT])
    stub = contract_service_pb2_grpc.ContractServiceStub(channel)
    call = stub.WatchContracts(request, metadata=(("authorization", f"Bearer {token}"),))
    try:
        async for response in call:
            change = response.change
            if change.kind == contract_pb2.CONTRACT_CHANGE_KIND_ACTIVATED:
                seen.setdefault(change.revision, time.time())
    finally:
        call.cancel()


class Stalls:
    """The longest waits that were seen, by looking every 20 ms.

    Attributes:
        lock_seconds: The longest wait of a store transaction for a lock.
        transaction_seconds: The longest store transaction.
        over: Looks at which one had waited for a lock for more than 300 ms.
    """

    def __init__(self) -> None:
        self.lock_seconds = 0.0
        self.transaction_seconds = 0.0
        self.over = 0

    async def look(self, dsn: str, validators: list[str]) -> None:
        """Looks until cancelled."""
        connection = await asyncpg.connect(dsn, server_settings={"application_name": "stalls"})
        try:
            while True:
                row = await connection.fetchrow(_WAITS, validators)
                assert row is not None, "an aggregate gives a row"
                self.lock_seconds = max(self.lock_seconds, row["waiting"])
                self.transaction_seconds = max(self.transaction_seconds, row["open"])
                self.over += row["waiting"] > 0.3
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await connection.close(timeout=5)
