"""The leader's care for sessions: Wills of bridges that died or forgot them; sessions and commands whose time is over."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Final

from dataflow_mesh.lease import LeaseLostError
from dataflow_mesh.postgres import translate

from dataflow_bridge.sessions.store import DueWill, SessionKey, SessionStoreAwayError, StoredWill
from dataflow_bridge.sessions.watch import LOOK

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    from dataflow_mesh.lease import Lease
    from dataflow_mesh.postgres import Connection, Pool

    from dataflow_bridge.sessions.memory import Sessions
    from dataflow_bridge.sessions.store import SessionStore

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 1.0
DEAD_SECONDS: Final = 5.0
"""A bridge that has not written for so long is taken for dead, with its connections."""
_PATIENCE_SECONDS: Final = 6.0
"""How long the leader looks on without a gap before it takes anybody for dead: after an outage of Postgres all look so."""
_UNKNOWN_SECONDS: Final = 30.0
_OVERDUE_SECONDS: Final = 3.0
"""How long a living bridge may take to publish a Will of its own."""
_LEFT_SECONDS: Final = 10.0
_PUBLISH_SECONDS: Final = 30.0
"""How long a submitted Will may take to become durable before it is submitted again, with the same message id."""
_COMMAND_SECONDS: Final = 90 * 86_400.0
"""How long a command is kept after it was sent and has expired."""
_RARELY: Final = 60
"""Every how many rounds what takes a scan is done."""
_AT_ONCE: Final = 1_000
_ANSWER_SECONDS: Final = 5.0

# Sessions of bridges that drained leave no Will: their clients were told to go elsewhere.
_BURY: Final = """
WITH dead AS (
    SELECT boot_id, ended FROM bridge.instance
    WHERE (ended OR seen_time < clock_timestamp() - make_interval(secs => $1))
        AND EXISTS (SELECT FROM bridge.session s WHERE s.connected AND s.boot_id = instance.boot_id)
), locked AS (
    SELECT s.identity, s.client_id, dead.ended FROM bridge.session s JOIN dead USING (boot_id)
    WHERE s.connected ORDER BY s.identity, s.client_id LIMIT $2 FOR UPDATE OF s SKIP LOCKED
)
UPDATE bridge.session s SET
    connected = false,
    disconnect_time = clock_timestamp(),
    end_time = clock_timestamp() + make_interval(secs => s.expiry_seconds),
    will = CASE WHEN NOT l.ended THEN s.will END,
    will_time = CASE WHEN NOT l.ended AND s.will IS NOT NULL
        THEN clock_timestamp() + make_interval(secs => least(s.will_delay_seconds, s.expiry_seconds)) END
FROM locked l WHERE s.identity = l.identity AND s.client_id = l.client_id
RETURNING s.boot_id
"""

# A bridge that lives after all claims again who is still connected to it.
_TELL: Final = """
SELECT pg_notify('dataflow_bridge_' || replace(boot_id::text, '-', ''), $2) FROM unnest($1::uuid[]) AS b (boot_id)
"""

_BURY_UNKNOWN: Final = """
UPDATE bridge.session s SET
    connected = false,
    disconnect_time = clock_timestamp(),
    end_time = clock_timestamp() + make_interval(secs => s.expiry_seconds),
    will_time = CASE WHEN s.will IS NOT NULL
        THEN clock_timestamp() + make_interval(secs => least(s.will_delay_seconds, s.expiry_seconds)) END
WHERE connected AND claim_time < clock_timestamp() - make_interval(secs => $1)
    AND NOT EXISTS (SELECT FROM bridge.instance i WHERE i.boot_id = s.boot_id)
"""

_OVERDUE: Final = """
SELECT s.identity, s.client_id, s.epoch, s.will
FROM bridge.session s LEFT JOIN bridge.instance i USING (boot_id)
WHERE s.will_time IS NOT NULL AND NOT s.connected AND s.will_time <= clock_timestamp() - make_interval(
    secs => CASE WHEN NOT i.ended AND i.seen_time > clock_timestamp() - make_interval(secs => $1) THEN $2 ELSE 0.0 END)
ORDER BY s.will_time LIMIT $3
"""

_LEFT: Final = """
SELECT identity, client_id, left_epoch AS epoch, left_will AS will FROM bridge.session
WHERE left_will IS NOT NULL AND claim_time < clock_timestamp() - make_interval(secs => $1) LIMIT $2
"""

_EXPIRE: Final = """
DELETE FROM bridge.session WHERE (identity, client_id) IN (
    SELECT identity, client_id FROM bridge.session
    WHERE end_time < clock_timestamp() - make_interval(secs => $1) AND will IS NULL AND left_will IS NULL
    ORDER BY identity, client_id LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


_FORGET_COMMANDS: Final = """
DELETE FROM bridge.device_command WHERE command_id IN (
    SELECT command_id FROM bridge.device_command
    WHERE create_time < clock_timestamp() - make_interval(secs => $1) AND expire_time < clock_timestamp()
    ORDER BY command_id LIMIT $2 FOR UPDATE SKIP LOCKED)
"""


class SessionUpkeep:
    """What only the leader does with sessions.

    Args:
        pool: Postgres.
        store: Told about Wills that are durable.
        sessions: Publishes.
    """

    def __init__(self, pool: Pool, store: SessionStore, sessions: Sessions) -> None:
        self.wills_published = 0
        """Wills that were published for bridges that could not."""
        self._pool = pool
        self._store = store
        self._sessions = sessions
        self._looking_since: float | None = None
        self._looked_at = 0.0
        self._submitted: dict[int, float] = {}
        self._durable: dict[SessionKey, int] = {}
        self._rounds = 0

    async def run(self, lease: Lease) -> None:
        """Work for ever, whenever this process leads."""
        while True:
            try:
                await self.look(lease)
            except LeaseLostError:
                self._looking_since = None
            except Exception as error:
                if translate(error) is None and not isinstance(error, SessionStoreAwayError):
                    raise
                self._looking_since = None
                logger.info(
                    "sessions not looked after", extra={"action": "sessions.upkeep", "detail": str(error)[:200]}
                )
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self, lease: Lease, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Do what is due now.

        Raises:
            LeaseLostError: Somebody else leads; nothing was done.
        """
        now = time.monotonic()
        if self._looking_since is None or now - self._looked_at > DEAD_SECONDS / 2:
            self._looking_since = now
        self._looked_at = now
        self._rounds += 1
        if self._durable:
            done, self._durable = self._durable, {}
            await self._store.published(done)
        async with self._pool.acquire(timeout=3.0) as connection:
            async with lease.leading(connection):
                if now - self._looking_since >= patience_seconds:
                    await self._bury(connection)
                await connection.execute(_EXPIRE, DEAD_SECONDS, _AT_ONCE, timeout=_ANSWER_SECONDS)
                if self._rounds % _RARELY == 0:
                    await connection.execute(_FORGET_COMMANDS, _COMMAND_SECONDS, _AT_ONCE, timeout=_ANSWER_SECONDS)
                    await connection.execute(_BURY_UNKNOWN, _UNKNOWN_SECONDS, timeout=_ANSWER_SECONDS)
            async with lease.leading(connection):
                rows = await connection.fetch(
                    _OVERDUE, DEAD_SECONDS, _OVERDUE_SECONDS, _AT_ONCE, timeout=_ANSWER_SECONDS
                )
                rows += await connection.fetch(_LEFT, _LEFT_SECONDS, _AT_ONCE, timeout=_ANSWER_SECONDS)
        if lease.epoch is None or time.monotonic() - now > _OVERDUE_SECONDS:
            raise LeaseLostError("this process did not run between looking and publishing")
        self._publish(rows)

    async def _bury(self, connection: Connection) -> None:
        buried = await connection.fetch(_BURY, DEAD_SECONDS, _AT_ONCE, timeout=_ANSWER_SECONDS)
        if buried:
            logger.warning(
                "sessions of a dead bridge given up", extra={"action": "sessions.buried", "sessions": len(buried)}
            )
            await connection.execute(_TELL, list({row["boot_id"] for row in buried}), LOOK, timeout=_ANSWER_SECONDS)

    def _publish(self, rows: list[asyncpg.Record]) -> None:
        now = time.monotonic()
        self._submitted = {epoch: since for epoch, since in self._submitted.items() if now - since < _PUBLISH_SECONDS}
        for row in rows:
            due = DueWill((row["identity"], row["client_id"]), row["epoch"], StoredWill.of(json.loads(row["will"])))
            if due.epoch not in self._submitted:
                self._submitted[due.epoch] = now
                self.wills_published += 1
                self._sessions.publish(due.will, due.will.message_id or f"will-{due.epoch}", self._noting(due))

    def _noting(self, due: DueWill) -> Callable[[], None]:
        def durable() -> None:
            self._durable[due.key] = due.epoch

        return durable
