"""Keeps the quarantine within its limits: by age, by items of one sender, by size of all; the oldest items go first.

One validator at a time does it, in chunks, and checks the lease in each transaction. Between two rounds a sender may go
over its limit by what it sends meanwhile; the rounds are short, so that a broken device at 5,000 messages/s is never
more than some 50,000 items above it. Nothing goes unseen: `validator.quarantine_removed` says whose items went and why.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Final

from dataflow_mesh import names
from dataflow_mesh.lease import Lease
from dataflow_mesh.logs import fields
from dataflow_mesh.names import Attribute
from dataflow_mesh.postgres import Pool
from dataflow_mesh.telemetry import counter, observe

from dataflow_validator.statements import statements

_log = logging.getLogger(__name__)

_CHUNK: Final = 5_000
"""Items removed in one transaction, so that no lock lasts and live data waits for nothing."""

_MOST_CHUNKS: Final = 200
"""Of one sender, or of one cause, in one round: the others have their turn, too."""

_FOLDED: Final = 20_000


@dataclass(frozen=True, slots=True)
class QuarantineLimits:
    """How much is kept; 0 means no limit.

    Attributes:
        days: Days since an item was quarantined.
        device_items: Items of one device; of one topic or contract, where the device is not known.
        max_bytes: Of all items together, with what they take in indexes, about.
    """

    days: int = 90
    device_items: int = 1_000_000
    max_bytes: int = 20 * 1024**3


class QuarantineLimiter:
    """Counts what is in quarantine and removes what is too much, for as long as this process leads.

    Args:
        pool: Connections; a round uses one at a time.
        lease: Who leads; each transaction that removes something checks it.
        limits: How much is kept.
    """

    def __init__(self, pool: Pool, lease: Lease, limits: QuarantineLimits | None = None) -> None:
        self._pool = pool
        self._lease = lease
        self._limits = limits or QuarantineLimits()
        self._items = 0
        self._bytes = 0
        observe(names.VALIDATOR_QUARANTINE_ITEMS, lambda: [(self._items, {})])
        observe(names.VALIDATOR_QUARANTINE_BYTES, lambda: [(self._bytes, {})])

    async def round(self) -> dict[str, int]:
        """Does one round.

        Returns:
            Items removed by cause: AGE, DEVICE, SIZE.

        Raises:
            LeaseLostError: We do not lead; what was removed so far stays so.
            asyncpg.PostgresError, OSError: Postgres failed; what was removed so far stays so.
        """
        await self._fold()
        removed: Counter[str] = Counter()
        removed["AGE"] = await self._by_age()
        removed["DEVICE"] = await self._by_device()
        removed["SIZE"] = await self._by_size()
        await self._fold()
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(statements("limits")["total"])
            assert row is not None, "sums without GROUP BY give a row"
            self._items, self._bytes = row["items"], row["bytes"]
            async with self._lease.leading(connection):
                await connection.execute(statements("limits")["forget_removed"], _CHUNK)
        found = {cause: items for cause, items in removed.items() if items}
        for cause, items in found.items():
            counter(names.VALIDATOR_QUARANTINE_REMOVED).add(items, {Attribute.REASON.value: cause.lower()})
        if found:
            _log.warning(
                "quarantined items removed: a limit was reached",
                extra=fields("quarantine.limited", items=self._items, bytes=self._bytes, **found),
            )
        return found

    async def _fold(self) -> None:
        sql = statements("limits")
        while True:
            async with self._pool.acquire() as connection, self._lease.leading(connection):
                done = int(await connection.fetchval(sql["fold_changes"], _FOLDED))
                if done < _FOLDED:
                    await connection.execute(sql["forget_empty"])
                    return

    async def _by_age(self) -> int:
        if not self._limits.days:
            return 0
        total = 0
        if not await self._pool.fetchval(statements("limits")["is_oldest_over"], self._limits.days):
            return 0
        for _ in range(_MOST_CHUNKS):
            items, _bytes = await self._remove("remove_oldest", "AGE", _CHUNK, self._limits.days)
            total += items
            if items < _CHUNK:
                break
        return total

    async def _by_device(self) -> int:
        if not self._limits.device_items:
            return 0
        total = 0
        kept = await self._pool.fetchval(statements("limits")["total"])
        if kept <= self._limits.device_items:
            return 0  # nobody can have more; to add up by sender costs more the larger the fleet is
        for row in await self._pool.fetch(statements("limits")["over_limit"], self._limits.device_items):
            excess = min(row["excess"], _CHUNK * _MOST_CHUNKS)
            while excess > 0:
                chunk = min(excess, _CHUNK)
                if row["device_id"]:
                    items, _bytes = await self._remove("remove_of_device", "DEVICE", row["device_id"], chunk)
                else:
                    items, _bytes = await self._remove(
                        "remove_of_unknown", "DEVICE", row["contract"], row["topic"], chunk
                    )
                total += items
                excess -= chunk
                if items < chunk:
                    break
        return total

    async def _by_size(self) -> int:
        if not self._limits.max_bytes:
            return 0
        row = await self._pool.fetchrow(statements("limits")["total"])
        assert row is not None, "sums without GROUP BY give a row"
        kept, kept_items, total = row["bytes"], row["items"], 0
        for _ in range(_MOST_CHUNKS):
            if kept <= self._limits.max_bytes or kept_items <= 0:
                break
            # As many as are too much at the average size; rather too few at once than too many.
            chunk = max(1, min(_CHUNK, (kept - self._limits.max_bytes) * kept_items // kept))
            items, size = await self._remove("remove_oldest", "SIZE", chunk, None)
            if not items:
                break
            total += items
            kept_items -= items
            kept -= size
        return total

    async def _remove(self, statement: str, cause: str, *arguments: object) -> tuple[int, int]:
        """Removes one chunk; returns how many items, and their bytes."""
        sql = statements("limits")
        text = sql[statement].replace("{told}", sql["told"].replace("{cause}", f"'{cause}'"))
        async with self._pool.acquire() as connection, self._lease.leading(connection):
            row = await connection.fetchrow(text, *arguments)
        assert row is not None, "sums without GROUP BY give a row"
        return row["items"], row["bytes"]
