"""What is made ahead of need and what is thrown away when its time is over; by the database's clock and commit times only."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dataflow_mesh.lease import Lease
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.contract_records import contract_names
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.readings.partitions import LEDGER, LEDGER_MINUTE, RAW_LOG, Partitions
from dataflow_validator.rollups.retention import MonthRetention
from dataflow_validator.statements import statements

_LOG = logging.getLogger(__name__)

_CHUNK: Final = 5_000
"""Rows deleted in one transaction, so that no lock lasts."""

_BOOT_DAYS: Final = 30
"""How long a life of a bridge is remembered at least: longer than anybody asks about it (`sql/ledger.sql`, instances)."""


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long things are kept."""

    raw_days: int = 7
    """Days that the raw log keeps the bytes of batches."""
    ledger_days: int = 7
    """Days that the ledger keeps its row of each batch."""
    ledger_minute_days: int = 30
    """Days that the ledger's minutes are kept."""
    job_days: int = 30
    """Days that ended jobs are kept."""
    batch_horizon: timedelta = timedelta(days=7)
    """How long a batch id is remembered: no node that was away longer may bring its entries back."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round threw away."""

    dropped: Sequence[str] = ()
    """Partitions of raw log, ledger and minutes, of readings and of rollups."""
    batches: int = 0
    seen: int = 0
    jobs: int = 0
    strays: int = 0
    """Rows of raw log, ledger and minutes that had no partition of their own, and what is forgotten of the ledger."""


class Retention:
    """Makes partitions ahead; drops old ones and forgets old ids for as long as this process leads.

    Args:
        pool: Connections; a round uses one at a time.
        partitions: This process's partitions.
        registry: For the dedupe windows of the contracts.
        lease: Who leads; each transaction that throws something away checks it.
        settings: How long things are kept.
    """

    def __init__(
        self,
        pool: Pool,
        partitions: Partitions,
        registry: Registry,
        lease: Lease,
        settings: RetentionSettings | None = None,
    ) -> None:
        self._pool = pool
        self._partitions = partitions
        self._registry = registry
        self._lease = lease
        self._settings = settings or RetentionSettings()
        self._months = MonthRetention(pool, lease)

    async def ahead(self) -> None:
        """Makes the partitions that will be needed. Everybody may: none may be missing because nobody leads.

        Raises:
            asyncpg.PostgresError, OSError: Postgres failed.
        """
        async with self._pool.acquire() as connection:
            names = await contract_names(connection)
        await self._partitions.ensure_ahead(self._pool, names)

    async def round(self) -> Round:
        """Does one round.

        Returns:
            What this process threw away.

        Raises:
            LeaseLostError: We do not lead; what was done so far stays done.
            asyncpg.PostgresError: Postgres failed; what was done so far stays done.
        """
        settings = self._settings
        done = Round(
            dropped=[
                *await self._partitions.drop_days_before(self._pool, RAW_LOG, settings.raw_days, self._lease),
                *await self._partitions.drop_days_before(self._pool, LEDGER, settings.ledger_days, self._lease),
                *await self._partitions.drop_days_before(
                    self._pool, LEDGER_MINUTE, settings.ledger_minute_days, self._lease
                ),
                *await self._months.round(),
            ],
            batches=await self._prune("prune_batch", settings.batch_horizon.total_seconds()),
            seen=await self._prune_seen(),
            jobs=await self._prune("prune_jobs", settings.job_days, file="jobs"),
            strays=await self._prune("prune_default_raw_log", settings.raw_days)
            + await self._prune("prune_default_ledger", settings.ledger_days)
            + await self._prune("prune_default_ledger_minute", settings.ledger_minute_days)
            + await self._prune("prune_ledger_boot", max(_BOOT_DAYS, settings.ledger_days + 1))
            + await self._prune("prune_ledger_open", settings.ledger_minute_days)
            + await self._prune("prune_ledger_change", settings.ledger_days + 1),
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
                    jobs=done.jobs,
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

    async def _prune(self, statement: str, *arguments: object, file: str = "retention") -> int:
        """Deletes in chunks until nothing is left to delete."""
        sql = statements(file)
        total = 0
        while True:
            async with self._pool.acquire() as connection, self._lease.leading(connection):
                deleted = int((await connection.execute(sql[statement], *arguments, _CHUNK)).rpartition(" ")[2])
            total += deleted
            if deleted < _CHUNK:
                return total
