"""What is made ahead of need and what is thrown away when its time is over; by the database's clock and commit times only."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Pool

from dataflow_validator.contract_records import contract_names
from dataflow_validator.failure import DATABASE_ERRORS
from dataflow_validator.partitions import LEDGER, RAW_LOG, Partitions
from dataflow_validator.registry import Registry
from dataflow_validator.statements import statements

_LOG = logging.getLogger(__name__)

_CHUNK: Final = 5_000
"""Rows deleted in one transaction, so that no lock lasts."""

_RETRY_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long things are kept."""

    raw_days: int = 7
    """Days that the raw log keeps the bytes of batches."""
    ledger_days: int = 7
    """Days that the ledger keeps its row of each batch."""
    batch_horizon: timedelta = timedelta(days=7)
    """How long a batch id is remembered: no node that was away longer may bring its entries back."""
    interval: timedelta = timedelta(minutes=10)
    """From one round to the next."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round threw away."""

    dropped: Sequence[str] = ()
    """Partitions of raw log and ledger."""
    batches: int = 0
    seen: int = 0
    strays: int = 0
    """Rows of raw log and ledger that had no partition of their own."""


class Retention:
    """Makes partitions ahead, drops old ones, forgets old ids. Several validators may run it.

    Args:
        pool: Connections; a round uses one at a time.
        partitions: This process's partitions.
        registry: For the dedupe windows of the contracts.
        settings: How long things are kept.
    """

    def __init__(
        self, pool: Pool, partitions: Partitions, registry: Registry, settings: RetentionSettings | None = None
    ) -> None:
        self._pool = pool
        self._partitions = partitions
        self._registry = registry
        self._settings = settings or RetentionSettings()

    async def run(self, stopping: asyncio.Event) -> None:
        """Does a round now and one each interval until told to stop; while Postgres is away it tries again soon."""
        while not stopping.is_set():
            pause = self._settings.interval.total_seconds()
            try:
                await self.round()
            except DATABASE_ERRORS as error:
                _LOG.warning("retention failed; it tries again", extra=fields("retention_failed", error=str(error)))
                pause = _RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)

    async def round(self) -> Round:
        """Does one round.

        Returns:
            What this process threw away.

        Raises:
            asyncpg.PostgresError: Postgres failed; what was done so far stays done.
        """
        async with self._pool.acquire() as connection:
            names = await contract_names(connection)
        await self._partitions.ensure_ahead(self._pool, names)
        settings = self._settings
        done = Round(
            dropped=[
                *await self._partitions.drop_days_before(self._pool, RAW_LOG, settings.raw_days),
                *await self._partitions.drop_days_before(self._pool, LEDGER, settings.ledger_days),
            ],
            batches=await self._prune("prune_batch", settings.batch_horizon.total_seconds()),
            seen=await self._prune_seen(),
            strays=await self._prune("prune_default_raw_log", settings.raw_days)
            + await self._prune("prune_default_ledger", settings.ledger_days),
        )
        await self._pool.execute(statements("retention")["prune_suspect"], settings.batch_horizon.total_seconds())
        if done != Round(dropped=[]):
            _LOG.info(
                "old data removed",
                extra=fields(
                    "retention_done",
                    dropped=list(done.dropped),
                    batches=done.batches,
                    seen=done.seen,
                    strays=done.strays,
                ),
            )
        return done

    async def _prune_seen(self) -> int:
        windows = {
            name: contract.spec.dedupe_window.total_seconds()
            for name, contract in self._registry.current.contracts.items()
            if contract.spec.event_time is None
        }
        return await self._prune("prune_seen", list(windows), list(windows.values())) if windows else 0

    async def _prune(self, statement: str, *arguments: object) -> int:
        """Deletes in chunks until nothing is left to delete, or somebody else does it."""
        sql = statements("retention")
        total = 0
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(sql["try_lead"]):
                    return total
                deleted = int((await connection.execute(sql[statement], *arguments, _CHUNK)).rpartition(" ")[2])
            total += deleted
            if deleted < _CHUNK:
                return total
