"""One leader among processes: a row (holder, epoch, expires_at by the database's clock), renewed while its holder lives.

An advisory lock alone would not do: a frozen holder keeps it. Here a frozen holder loses the row to another one with a
higher epoch, and every write of a leader checks its epoch in the same transaction, so that the frozen one writes nothing
when it wakes up.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Connection, Pool, translate

_log = logging.getLogger(__name__)

RENEW_SECONDS = 0.5
EXPIRE_SECONDS = 1.5


def table_sql(schema: str) -> str:
    """Returns the statement for a migration of the service that owns the schema."""
    return (
        f"CREATE TABLE {schema}.lease (name text PRIMARY KEY, holder text NOT NULL, epoch bigint NOT NULL,"
        " expires_at timestamptz NOT NULL)"
    )


class LeaseLostError(Exception):
    """Somebody else is the leader now, or will be: this write must not happen."""


@dataclass(frozen=True, slots=True)
class _Held:
    epoch: int
    until: float


class Lease:
    """This process's claim to one lease.

    Args:
        pool: Connections to the database.
        schema: The schema that has the table `lease`.
        name: Which lease.
        holder: Who claims it; unique for each start of a process.
        renew_seconds: How often it is renewed; whoever does not hold it looks twice as often.
        expire_seconds: After how long without renewal others may take it.
    """

    def __init__(
        self,
        pool: Pool,
        schema: str,
        name: str,
        holder: str,
        *,
        renew_seconds: float = RENEW_SECONDS,
        expire_seconds: float = EXPIRE_SECONDS,
    ) -> None:
        self._pool = pool
        self._table = f"{schema}.lease"
        self._name = name
        self._holder = holder
        self._renew_seconds = renew_seconds
        self._expire_seconds = expire_seconds
        self._state: _Held | None = None
        self._gained = asyncio.Event()

    @property
    def epoch(self) -> int | None:
        """The epoch of our leadership, or None when we do not lead (or cannot know any more that we do)."""
        state = self._state
        return state.epoch if state is not None and time.monotonic() < state.until else None

    async def gained(self) -> int:
        """Waits until this process leads and returns the epoch."""
        while (epoch := self.epoch) is None:
            self._gained.clear()
            await self._gained.wait()
        return epoch

    async def run(self) -> None:
        """Claims and renews for ever; gives the lease back when cancelled. Postgres may be away in between."""
        try:
            while True:
                try:
                    await self.claim()
                except Exception as error:
                    if translate(error) is None:
                        raise
                    _log.warning("lease not renewed", extra=fields("lease_not_renewed", lease=self._name))
                await asyncio.sleep(self._renew_seconds if self.epoch is not None else self._renew_seconds / 2)
        finally:
            # Shielded: without it another process would wait for the expiry at every orderly stop.
            await asyncio.shield(self._release())

    async def claim(self) -> int | None:
        """Takes or renews the lease once and returns the epoch, or None when somebody else holds it.

        A renewal that comes after the expiry begins a new epoch, even if nobody was in between.
        """
        asked_at = time.monotonic()
        epoch: int | None = await self._pool.fetchval(
            f"""
            INSERT INTO {self._table} AS lease (name, holder, epoch, expires_at)
            VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
            ON CONFLICT (name) DO UPDATE SET
                holder = excluded.holder,
                expires_at = excluded.expires_at,
                epoch = lease.epoch + (lease.expires_at <= clock_timestamp() OR lease.holder <> excluded.holder)::int
            WHERE lease.holder = excluded.holder OR lease.expires_at <= clock_timestamp()
            RETURNING epoch
            """,  # noqa: S608 - the schema is the service's own constant
            self._name,
            self._holder,
            self._expire_seconds,
            timeout=self._expire_seconds,
        )
        before = self.epoch
        self._state = None if epoch is None else _Held(epoch, asked_at + self._expire_seconds)
        if epoch is not None and epoch != before:
            _log.info("leading", extra=fields("lease_gained", lease=self._name, epoch=epoch))
            self._gained.set()
        elif epoch is None and before is not None:
            _log.warning("no longer leading", extra=fields("lease_lost", lease=self._name, epoch=before))
        return epoch

    @asynccontextmanager
    async def leading(self, connection: Connection) -> AsyncIterator[int]:
        """A transaction that only a leader has; yields the epoch.

        The row stays locked until the commit, so that nobody else becomes leader between the check and the write.

        Raises:
            LeaseLostError: We do not lead.
        """
        epoch = self.epoch
        if epoch is None:
            raise LeaseLostError(self._name)
        async with connection.transaction():
            current = await connection.fetchval(
                f"SELECT epoch FROM {self._table} WHERE name = $1 AND holder = $2 AND epoch = $3"  # noqa: S608
                " AND expires_at > clock_timestamp() FOR SHARE",
                self._name,
                self._holder,
                epoch,
            )
            if current is None:
                self._state = None
                raise LeaseLostError(self._name)
            yield epoch

    async def _release(self) -> None:
        state, self._state = self._state, None
        if state is None:
            return
        try:
            await self._pool.execute(
                f"UPDATE {self._table} SET expires_at = clock_timestamp() WHERE name = $1 AND holder = $2 AND epoch = $3",  # noqa: S608
                self._name,
                self._holder,
                state.epoch,
                timeout=self._expire_seconds,
            )
        except Exception as error:
            if translate(error) is None:
                raise
