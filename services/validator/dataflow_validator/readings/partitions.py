"""Which partitions there should be: readings by month as event times are seen, raw log and ledger by day, made ahead."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from dataflow_mesh.lease import Lease
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.readings.partition_table import Made, PartitionedTable, Span, drop_partition, make_partition
from dataflow_validator.statements import statements

_LOG = logging.getLogger(__name__)

RAW_LOG: Final = PartitionedTable("validator", "raw_log", "commit_time", Span.DAY)
LEDGER: Final = PartitionedTable("validator", "ledger", "commit_time", Span.DAY)
LEDGER_MINUTE: Final = PartitionedTable("validator", "ledger_minute", "minute", Span.DAY)


@dataclass(frozen=True, slots=True)
class PartitionLimits:
    """What keeps strange clocks from filling the catalogue."""

    max_partitions: int = 240
    """Month partitions of one contract that event times may bring about; the current and the next are always made."""
    past_months: int = 600
    """Months older than this go to DEFAULT."""
    ahead_months: int = 12
    """Months further ahead than this go to DEFAULT."""


def month_of(moment: datetime) -> date:
    """Returns the first day of the month of an event time in UTC."""
    return date(moment.year, moment.month, 1)


def months_of(moments: Iterable[datetime]) -> set[date]:
    """Returns the months of many event times in UTC."""
    return {date(year, month, 1) for year, month in {(moment.year, moment.month) for moment in moments}}


def readings_table(contract: str) -> PartitionedTable:
    """Returns the table of a contract's readings."""
    return PartitionedTable("readings", contract, "event_time", Span.MONTH)


class Partitions:
    """Makes partitions when they are needed and remembers those that need no more thought.

    Several validators may do so at once. What cannot get a partition (far away, too many, DEFAULT has rows of that
    month) is stored in DEFAULT: no reading is ever refused for want of a partition.
    """

    def __init__(self, limits: PartitionLimits | None = None) -> None:
        self._limits = limits or PartitionLimits()
        self._settled: dict[str, set[date]] = {}
        self._ready: set[tuple[str, date]] = set()
        self._full: set[str] = set()

    async def ensure(self, pool: Pool, contract: str, months: set[date]) -> None:
        """Makes the month partitions that readings are about to be stored in.

        Costs a set comparison when all are known. Call it outside of the store transaction: a partition is made in a
        transaction of its own, and one that waits for the caller would wait for ever.

        Args:
            pool: Where to take a connection from.
            contract: The contract; its table exists.
            months: First days of months, see `months_of`.

        Raises:
            asyncpg.PostgresError: Postgres failed; the months that it failed for are tried again by the next call.
        """
        settled = self._settled.setdefault(contract, set())
        missing = months - settled
        if not missing:
            return
        current = await self._current_month(pool)
        # The nearest first: what strange clocks ask for gets what is left below the cap.
        for month in sorted(missing, key=lambda month: abs(_months_between(current, month))):
            made = await self._make(pool, contract, month, _months_between(current, month))
            # Also when it was busy: the rows go to DEFAULT now, and must not wait for a lock at each batch.
            settled.add(month)
            if made is not Made.READY:
                _LOG.warning(
                    "readings of a month go to the default partition",
                    extra=fields("partition_default", contract=contract, month=month.isoformat(), cause=made.value),
                )

    async def ensure_ahead(self, pool: Pool, contracts: Iterable[str]) -> None:
        """Makes the current and the next month of each contract, and the next days of raw log and ledger.

        Neither the cap nor what was decided before counts here: a month that was far ahead comes near.
        """
        current = await self._current_month(pool)
        for contract in contracts:
            for month in (current, Span.MONTH.next(current)):
                made = await self._make(pool, contract, month, _months_between(current, month))
                if made is not Made.BUSY:
                    self._settled.setdefault(contract, set()).add(month)
        await self.ensure_days(pool)

    async def _make(self, pool: Pool, contract: str, month: date, distance: int) -> Made:
        """Makes one month, `distance` months ahead of the current one, if the limits allow it."""
        if (contract, month) in self._ready:
            return Made.READY
        table, limits = readings_table(contract), self._limits
        if distance in (0, 1):
            made = await make_partition(pool, table, month)
        elif contract in self._full or not -limits.past_months <= distance <= limits.ahead_months:
            made = Made.CAPPED
        else:
            made = await make_partition(pool, table, month, cap=limits.max_partitions)
            if made is Made.CAPPED:
                self._full.add(contract)
        if made is Made.READY:
            self._ready.add((contract, month))
        return made

    async def ensure_days(self, pool: Pool, *, ahead: int = 3) -> None:
        """Makes the partitions of raw log, ledger and its minutes of today and of the days ahead, by the database's clock."""
        async with pool.acquire() as connection:
            today = await _today(connection)
        for table in (RAW_LOG, LEDGER, LEDGER_MINUTE):
            for day in range(ahead + 1):
                await make_partition(pool, table, today + timedelta(days=day))

    async def drop_days_before(
        self, pool: Pool, table: PartitionedTable, keep_days: int, lease: Lease | None = None
    ) -> list[str]:
        """Drops the day partitions that ended more than `keep_days` days ago, by the database's clock.

        Args:
            pool: Where to take connections from.
            table: Of which table.
            keep_days: How many days stay.
            lease: Only while this process holds it.

        Raises:
            LeaseLostError: It does not.

        Returns:
            The names of those that are gone; one that stayed locked is left for the next call.
        """
        async with pool.acquire() as connection:
            oldest = await _today(connection) - timedelta(days=keep_days)
            rows = await connection.fetch(statements("partitions")["partition_names"], table.schema, table.name)
        dropped = []
        for name in (str(row["name"]) for row in rows):
            start = table.partition_start(name)
            if (
                start is not None
                and table.span.next(start) <= oldest
                and await drop_partition(pool, table, name, lease)
            ):
                dropped.append(name)
        return dropped

    async def _current_month(self, pool: Pool) -> date:
        async with pool.acquire() as connection:
            return (await _today(connection)).replace(day=1)


async def _today(connection: Connection) -> date:
    today: date = await connection.fetchval(statements("partitions")["today"])
    return today


def _months_between(first: date, second: date) -> int:
    return (second.year - first.year) * 12 + second.month - first.month
