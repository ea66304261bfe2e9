"""`ContractService.WatchContracts`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from dataflow.validator.v1 import contract_pb2, contract_service_pb2, contract_service_pb2_grpc
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.contract_records import ContractRecord, contract_names, get_contract
from dataflow_validator.catalog.option_messages import change_message, existing_message
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.errors import ContractNotFoundError
from dataflow_validator.pages import Context
from dataflow_validator.readings.stream_limit import StreamLimit
from dataflow_validator.statements import statements

MAX_WATCHES: Final = 64
"""Watches of one process."""

_PAGE: Final = 100
_LOOK_SECONDS: Final = 1.0
"""How soon a watch without news sees that the process stops."""

_Response = contract_service_pb2.WatchContractsResponse


class ContractWatchServicer(contract_service_pb2_grpc.ContractServiceServicer):
    """Streams changes of contracts as soon as this process judges by them.

    Args:
        pool: Connections with short limits; each page of changes takes one for a moment.
        registry: This process's catalogue, followed by `Registry.watch`.
        stopping: Set when the process stops: watches then end, and their readers go on elsewhere.
    """

    def __init__(self, pool: Pool, registry: Registry, stopping: asyncio.Event | None = None) -> None:
        self._pool = pool
        self._registry = registry
        self._stopping = stopping or asyncio.Event()
        self._watches = StreamLimit(MAX_WATCHES)

    async def WatchContracts(
        self, request: contract_service_pb2.WatchContractsRequest, context: Context
    ) -> AsyncIterator[_Response]:
        """Gives what there is, then each change."""
        names = list(request.names)
        with self._watches.one():
            # Read first: what the contracts below show beyond it comes once more, as a change.
            sequence = self._registry.sequence
            if request.HasField("after_sequence"):
                sequence = request.after_sequence
            else:
                async for change in self._existing(names, sequence):
                    yield _Response(change=change)
            while not self._stopping.is_set():
                seen = self._registry.sequence
                changes = await self._changes(names, sequence, seen)
                for change in changes:
                    sequence = change.sequence
                    yield _Response(change=change)
                if len(changes) < _PAGE:
                    # Up to here there is nothing more for this reader.
                    sequence = max(sequence, seen)
                    await self._wait(sequence)

    async def _wait(self, sequence: int) -> None:
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self._registry.wait_change(sequence)
        except TimeoutError:
            return

    async def _existing(self, names: list[str], sequence: int) -> AsyncIterator[contract_pb2.ContractChange]:
        async with self._pool.acquire() as connection:
            known = await contract_names(connection)
        for name in known:
            if names and name not in names:
                continue
            record = await self._contract(name)
            if record is not None:
                yield existing_message(record, sequence)

    async def _changes(self, names: list[str], after: int, seen: int) -> list[contract_pb2.ContractChange]:
        rows = await self._pool.fetch(statements("registry")["changes_after"], after, names, _PAGE, seen)
        now = {name: await self._contract(name) for name in dict.fromkeys(row["contract"] for row in rows)}
        return [change_message(row, now[row["contract"]]) for row in rows]

    async def _contract(self, name: str) -> ContractRecord | None:
        async with self._pool.acquire() as connection:
            try:
                return await get_contract(connection, name)
            except ContractNotFoundError:
                return None
