"""What the validators accounted for, from their ledger: how `--wait-stored` and `bench` know that everything arrived."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

import asyncpg

from dataflow_simulator.failures import UnreachableError

_POLL_SECONDS: Final = 0.05

# Only the tail of the ledger is read, so that the cost does not grow with its age. A transaction may have begun (and
# taken its commit_time) before the account was opened and end after it: the minute covers it.
_MESSAGES: Final = """
SELECT coalesce(sum(coalesce(b.message_count, l.parked)), 0)::bigint
FROM validator.ledger AS l
LEFT JOIN validator.batch AS b USING (batch_id)
WHERE l.commit_time >= $1
"""

# The bridge's own messages about connections are taken out: nobody published them.
_SUMS: Final = """
SELECT coalesce(sum(coalesce(b.message_count, l.parked)) - sum(own.messages), 0)::bigint AS messages,
       coalesce(sum(l.stored) - sum(own.stored), 0)::bigint AS stored,
       coalesce(sum(l.duplicate) - sum(own.duplicate), 0)::bigint AS duplicate,
       coalesce(sum(l.conflict) - sum(own.conflict), 0)::bigint AS conflict,
       coalesce(sum(l.quarantined) - sum(own.quarantined), 0)::bigint AS quarantined,
       coalesce(sum(l.parked), 0)::bigint AS parked
FROM validator.ledger AS l
LEFT JOIN validator.batch AS b USING (batch_id)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.count::bigint), 0) AS messages,
           coalesce(sum(d.count::bigint) FILTER (WHERE o.outcome = 'stored'), 0) AS stored,
           coalesce(sum(d.count::bigint) FILTER (WHERE o.outcome = 'duplicate'), 0) AS duplicate,
           coalesce(sum(d.count::bigint) FILTER (WHERE o.outcome = 'conflict'), 0) AS conflict,
           coalesce(sum(d.count::bigint) FILTER (WHERE o.outcome = 'quarantined'), 0) AS quarantined
    FROM jsonb_each(l.counts -> 'device_connection') AS o (outcome, devices),
         jsonb_each_text(o.devices) AS d (device, count)
) AS own
WHERE l.commit_time >= $1
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the ledger, in items but for `messages`: an array message has as many items as elements."""

    messages: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    quarantined: int = 0
    parked: int = 0

    def __sub__(self, other: Sums) -> Sums:
        """Subtracts field by field."""
        return Sums(
            self.messages - other.messages,
            self.stored - other.stored,
            self.duplicate - other.duplicate,
            self.conflict - other.conflict,
            self.quarantined - other.quarantined,
            self.parked - other.parked,
        )


class Account:
    """The difference that was made to the ledger since the account was opened.

    It counts what every sender did, for the ledger does not know who asks. Open it before the first message is sent.
    """

    def __init__(
        self, connection: asyncpg.Connection[asyncpg.Record], since: datetime, before: Sums, messages_before: int
    ) -> None:
        """Use `open`."""
        self._connection = connection
        self._since = since
        self._before = before
        self._messages_before = messages_before
        self._turn = asyncio.Lock()
        """One question at a time: that is what a connection can do."""

    @classmethod
    async def open(cls, dsn: str) -> Self:
        """Connects and notes the sums of now.

        Raises:
            UnreachableError: Postgres does not answer, or has no ledger.
        """
        try:
            connection = await asyncpg.connect(dsn, timeout=10)
            try:
                since = await connection.fetchval("SELECT now() - interval '1 minute'")
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    before = await _sums(connection, since)
                    messages_before = int(await connection.fetchval(_MESSAGES, since))
            except BaseException:
                await connection.close()
                raise
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            raise UnreachableError(f"the ledger in Postgres cannot be read: {error}") from error
        return cls(connection, since, before, messages_before)

    async def __aenter__(self) -> Self:
        """Returns the account."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connection."""
        await self._connection.close()

    async def so_far(self) -> Sums:
        """Returns what was accounted for since the account was opened."""
        async with self._turn:
            return await _sums(self._connection, self._since) - self._before

    async def messages(self) -> int:
        """Returns the messages accounted for, those of the bridge itself included: cheap enough for every second."""
        async with self._turn:
            return int(await self._connection.fetchval(_MESSAGES, self._since)) - self._messages_before

    async def wait_for_messages(self, messages: int, seconds: float, *, settle_seconds: float) -> bool:
        """Waits until so many messages are accounted for, and then until nothing changes for `settle_seconds`.

        Cheap at any size of the ledger, but it counts the bridge's own messages: hence the settling.

        Returns:
            Whether they were reached within `seconds`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while (count := await self.messages()) < messages:
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        settled, patience = loop.time() + settle_seconds, loop.time() + 10 * settle_seconds
        while loop.time() < min(settled, patience):
            await asyncio.sleep(_POLL_SECONDS)
            if (latest := await self.messages()) != count:
                count, settled = latest, loop.time() + settle_seconds
        return True

    async def wait_for(self, messages: int, seconds: float, *, settle_seconds: float = 0.0) -> tuple[Sums, bool]:
        """Waits until so many messages are accounted for, and then until nothing changes for `settle_seconds`.

        Settling is for senders who sent some messages twice: the count may be reached by the second copy of one while
        another is still on its way. At most ten times `settle_seconds` are spent on it (somebody else may be sending).

        Returns:
            The sums, and whether the messages were reached within `seconds`.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        reached = await self.wait_for_messages(messages, seconds, settle_seconds=settle_seconds)
        while (sums := await self.so_far()).messages < messages and reached:
            if asyncio.get_running_loop().time() >= deadline:
                return sums, False
            await asyncio.sleep(_POLL_SECONDS)
        return sums, reached


async def _sums(connection: asyncpg.Connection[asyncpg.Record], since: datetime) -> Sums:
    row = await connection.fetchrow(_SUMS, since)
    assert row is not None
    return Sums(*(int(value) for value in row))
