"""Judges and stores a parked batch by the same code as live data; only its way in and its way out are others."""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from uuid import UUID

import asyncpg
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Pool
from dataflow_ring import keys
from dataflow_ring.batch import BatchUnreadableError, unpack
from dataflow_ring.consume import Entry, Origin

from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.failure import ContractBrokenError, Failure, LaneBusyError, LaneError, failure_of
from dataflow_validator.judged import JudgedBatch, judge_batch
from dataflow_validator.parked.records import Parked, parked_of
from dataflow_validator.readings.partitions import Partitions, months_of
from dataflow_validator.readings.rows import event_months
from dataflow_validator.statements import statements
from dataflow_validator.store import CatalogChangedError, Stored, store

_log = logging.getLogger(__name__)

_TRIES: Final = 5
_FIRST_PAUSE_SECONDS: Final = 0.05


class StillParkedError(Exception):
    """The batch cannot be stored now; the text says why."""


class ParkedRetry:
    """Retries parked batches, one at a time and each in a transaction of its own.

    Args:
        pool: Connections with the limits of the pipeline.
        registry: The contracts.
        partitions: This process's partitions.
    """

    def __init__(self, pool: Pool, registry: Registry, partitions: Partitions) -> None:
        self._pool = pool
        self._registry = registry
        self._partitions = partitions
        self._one_at_a_time = asyncio.Lock()

    async def retry(self, batch_id: UUID) -> Stored | None:
        """Judges and stores one batch; it is parked no longer if it is stored, now or before.

        Nothing is lost when this process dies here: the batch stays parked until the transaction that stores it commits.

        Returns:
            What was stored (no batch, if it had been stored before), or None if no such batch is parked.

        Raises:
            StillParkedError: It stays parked, with this reason.
            asyncpg.PostgresError, OSError: Postgres is away; the batch is parked as before.
        """
        async with self._one_at_a_time:
            record = await self._pool.fetchrow(statements("parked")["get"], batch_id)
            if record is None:
                return None
            try:
                return await self._store(parked_of(record))
            except StillParkedError as error:
                reason = str(error).replace("\0", "")
                await self._pool.execute(statements("parked")["still_parked"], batch_id, reason)
                _log.warning(
                    "batch stays parked", extra=fields("store.still_parked", batch_id=str(batch_id), detail=reason)
                )
                raise

    async def _store(self, parked: Parked) -> Stored:
        isolate, pause = False, _FIRST_PAUSE_SECONDS
        for attempt in range(1, _TRIES + 1):
            judged = self._judge(parked)
            try:
                return await self._transact(judged, isolate=isolate)
            except CatalogChangedError:
                async with self._pool.acquire() as connection:
                    await self._registry.refresh(connection)
            except LaneError as error:
                raise StillParkedError(f"{error}: {error.__cause__}") from error
            except LaneBusyError as error:
                raise StillParkedError(str(error)) from error
            except asyncpg.PostgresError as error:
                failure = failure_of(error)
                if failure is Failure.DEFECT or (failure is Failure.CULPRIT and isolate):
                    raise StillParkedError(f"Postgres did not take it: {error}") from error
                if failure is Failure.CULPRIT:
                    isolate = True
                elif attempt == _TRIES:
                    raise
                else:
                    await asyncio.sleep(pause)
                    pause *= 2
        raise StillParkedError("the contracts changed at each try; try again")

    def _judge(self, parked: Parked) -> JudgedBatch:
        try:
            batch = unpack(parked.data)
            if batch.batch_id != parked.batch_id.bytes:
                raise StillParkedError(f"its bytes say that it is batch {UUID(bytes=batch.batch_id)}")
            # On no node: nobody waits for it to be acknowledged.
            entry = Entry(parked.node, keys.BATCHES, b"", batch.batch_id, parked.data, Origin.SUSPECT)
            return judge_batch(entry, batch, Rules(self._registry.current))
        except BatchUnreadableError as error:
            raise StillParkedError(f"it cannot be read: {error}") from error
        except ContractBrokenError as error:
            raise StillParkedError(str(error)) from error

    async def _transact(self, judged: JudgedBatch, *, isolate: bool) -> Stored:
        for contract, moments in event_months([judged]).items():
            await self._partitions.ensure(self._pool, contract, months_of(moments))
        async with self._pool.acquire() as connection:
            return await store(connection, [judged], isolate=isolate, unpark=True)
