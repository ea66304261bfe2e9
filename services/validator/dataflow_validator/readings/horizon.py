"""Up to where rows can be read in the order of their transactions without missing one that commits late.

A transaction gets its number when it first writes and is visible when it commits: numbers become readable out of order.
Below `pg_snapshot_xmin(pg_current_snapshot())` no transaction is open any more. One look is shared by all watches of a
process, so that a hundred idle ones cost the database one small query a few times a second.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dataflow_mesh.postgres import Pool

from dataflow_validator.readings.watch_cursor import Database

POLL_SECONDS: Final = 0.1
"""Pause between two looks while transactions come and go."""

IDLE_POLL_SECONDS: Final = 0.25
"""Pause between two looks while nothing happens."""

_LOOK: Final = """
SELECT pg_snapshot_xmin(s.snapshot)::text::bigint AS oldest_open,
       pg_snapshot_xmax(s.snapshot)::text::bigint AS next_xid,
       (SELECT system_identifier FROM pg_control_system()) AS system,
       ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint AS timeline,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) AS database
FROM pg_current_snapshot() AS s (snapshot)
"""

_FINE_SAMPLES: Final = 600
_COARSE_SAMPLES: Final = 360
_COARSE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Look:
    """The database's transactions at one moment.

    Attributes:
        oldest_open: No transaction below this number is open, now or ever again.
        next_xid: All that was committed by then has a lower number.
        database: Whose numbers these are.
    """

    oldest_open: int
    next_xid: int
    database: Database


class Horizon:
    """Looks at the database's transactions, and remembers how far their numbers were at which time.

    Args:
        pool: Where to take a connection from, for a moment at each look.
        clock: Monotonic seconds.
    """

    def __init__(self, pool: Pool, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._looking = asyncio.Lock()
        self._last: Look | None = None
        self._looked_at = float("-inf")
        self._pause = POLL_SECONDS
        self._fine: deque[tuple[int, float]] = deque(maxlen=_FINE_SAMPLES)
        self._coarse: deque[tuple[int, float]] = deque(maxlen=_COARSE_SAMPLES)

    async def look(self, seen: Look | None = None) -> Look:
        """Looks anew, or gives what another watch saw since.

        Args:
            seen: What the caller knows already; the answer is another look than this one. Waits up to
                `IDLE_POLL_SECONDS` for the time of the next one.

        Raises:
            asyncpg.PostgresError, OSError: The database does not answer.
        """
        async with self._looking:
            fresh = self._clock() - self._looked_at < self._pause
            if self._last is not None and fresh and self._last is not seen:
                return self._last
            if self._last is seen and fresh:
                await asyncio.sleep(self._looked_at + self._pause - self._clock())
            # Before the query: what it answers was so at this time or later.
            began = self._clock()
            row = await self._pool.fetchrow(_LOOK)
            assert row is not None
            look = Look(row["oldest_open"], row["next_xid"], Database(row["system"], row["timeline"], row["database"]))
            moved = self._last is None or look.oldest_open != self._last.oldest_open
            self._pause = POLL_SECONDS if moved else IDLE_POLL_SECONDS
            self._remember(look.next_xid, began)
            self._last, self._looked_at = look, self._clock()
            return look

    def behind_seconds(self, xid: int) -> float:
        """Returns how long ago the last moment was of which everything committed has a number below `xid`.

        Where that is longer ago than this process looks at the database, or than the hour that it remembers, that time.
        """
        now, longest = self._clock(), 0.0
        for samples in (self._fine, self._coarse):
            place = bisect_right(samples, xid, key=lambda sample: sample[0])
            if place:
                return max(0.0, now - samples[place - 1][1])
            if samples:
                longest = max(longest, now - samples[0][1])
        return longest

    def _remember(self, next_xid: int, moment: float) -> None:
        if self._fine and next_xid < self._fine[-1][0]:
            # Restored to an earlier point: what was seen means nothing any more.
            self._fine.clear()
            self._coarse.clear()
        if len(self._fine) > 1 and next_xid == self._fine[-1][0]:
            self._fine.pop()
        self._fine.append((next_xid, moment))
        if not self._coarse or moment - self._coarse[-1][1] >= _COARSE_SECONDS:
            self._coarse.append((next_xid, moment))
