"""Sessions in Postgres: the table `bridge.session`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg
from dataflow_mesh.postgres import translate

from dataflow_bridge.sessions.store import (
    Claim,
    Claimed,
    DueWill,
    Release,
    SessionKey,
    SessionStoreAwayError,
    Standing,
    StoredWill,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from uuid import UUID

    from dataflow_mesh.postgres import Connection, Pool

_T = TypeVar("_T")
_BUSY: Final = ("40", "55", "57")
"""SQLSTATE classes that pass: deadlock, a lock that was not to be had, cancelled."""
_ACQUIRE_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 5.0

# In the rows to insert, `present` says that the client wants to resume, and `previous_epoch` that the claim is late (ON
# CONFLICT sees nothing else). Rows are locked in the order of their keys, so that two bridges never wait for each other.
# The epoch is drawn again for an update: the one of the insert is older than the lock.
_CLAIM: Final = """
WITH asked AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::bigint[], $6::jsonb[], $7::bigint[],
        $8::double precision[], $9::bigint[], $10::jsonb[]) AS a (identity, client_id, device_id, resume, expiry_seconds,
        will, will_delay_seconds, age_seconds, late_epoch, subscriptions)
    ORDER BY identity, client_id
), claimed AS (
    INSERT INTO bridge.session AS s (identity, client_id, epoch, device_id, bridge_id, boot_id, connected, claim_time,
        expiry_seconds, subscriptions, will, will_delay_seconds, present, previous_epoch)
    SELECT identity, client_id, nextval('bridge.session_epoch'), device_id, $11, $12, true,
        coalesce(to_timestamp($13), clock_timestamp()) - make_interval(secs => age_seconds), expiry_seconds, subscriptions, will, will_delay_seconds,
        resume, late_epoch
    FROM asked
    ON CONFLICT (identity, client_id) DO UPDATE SET
        epoch = nextval('bridge.session_epoch'),
        device_id = excluded.device_id,
        bridge_id = excluded.bridge_id,
        boot_id = excluded.boot_id,
        connected = true,
        claim_time = excluded.claim_time,
        disconnect_time = NULL,
        end_time = NULL,
        expiry_seconds = excluded.expiry_seconds,
        subscriptions = CASE
            WHEN excluded.previous_epoch IS NOT NULL THEN excluded.subscriptions
            WHEN excluded.present AND bridge.session_goes_on(s) THEN s.subscriptions
            ELSE '{}' END,
        will = excluded.will,
        will_delay_seconds = excluded.will_delay_seconds,
        will_time = NULL,
        present = excluded.present AND bridge.session_goes_on(s),
        previous_epoch = s.epoch,
        previous_boot_id = s.boot_id,
        left_will = CASE WHEN bridge.session_leaves_will(s, excluded) THEN s.will ELSE s.left_will END,
        left_epoch = CASE WHEN bridge.session_leaves_will(s, excluded) THEN s.epoch ELSE s.left_epoch END
    WHERE excluded.previous_epoch IS NULL OR s.boot_id = excluded.boot_id OR s.epoch = excluded.previous_epoch
        OR s.claim_time <= excluded.claim_time
    RETURNING s.*
)
SELECT identity, client_id, epoch, present, subscriptions, previous_epoch, previous_boot_id,
    extract(epoch FROM clock_timestamp())::double precision AS now,
    CASE WHEN left_epoch = previous_epoch THEN left_will END AS left_will,
    CASE WHEN previous_boot_id <> boot_id
        THEN pg_notify('dataflow_bridge_' || replace(previous_boot_id::text, '-', ''), previous_epoch::text) END AS told
FROM claimed
"""

_RELEASE: Final = """
WITH gone AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[])
        AS g (identity, client_id, gone_epoch, gone_expiry, keep_will)
), locked AS (
    SELECT g.*, s.epoch FROM bridge.session s JOIN gone g USING (identity, client_id)
    ORDER BY identity, client_id FOR UPDATE OF s
), ended AS (
    DELETE FROM bridge.session s USING locked l
    WHERE s.identity = l.identity AND s.client_id = l.client_id AND s.epoch = l.gone_epoch
        AND l.gone_expiry = 0 AND NOT (l.keep_will AND s.will IS NOT NULL)
    RETURNING s.identity, s.client_id, l.keep_will AS will_is_out
), kept AS (
    UPDATE bridge.session s SET
        connected = false,
        disconnect_time = clock_timestamp(),
        expiry_seconds = l.gone_expiry,
        end_time = clock_timestamp() + make_interval(secs => l.gone_expiry),
        will = CASE WHEN l.keep_will THEN s.will END,
        will_time = CASE WHEN l.keep_will AND s.will IS NOT NULL
            THEN clock_timestamp() + make_interval(secs => least(s.will_delay_seconds, l.gone_expiry)) END
    FROM locked l
    WHERE s.identity = l.identity AND s.client_id = l.client_id AND s.epoch = l.gone_epoch
        AND NOT (l.gone_expiry = 0 AND NOT (l.keep_will AND s.will IS NOT NULL))
    RETURNING s.identity, s.client_id, l.keep_will AND s.will IS NULL AS will_is_out
), taken_back AS (
    UPDATE bridge.session s SET left_will = NULL, left_epoch = NULL
    FROM locked l
    WHERE s.identity = l.identity AND s.client_id = l.client_id AND s.left_epoch = l.gone_epoch
        AND s.epoch <> l.gone_epoch AND NOT l.keep_will
)
SELECT identity, client_id FROM kept WHERE NOT will_is_out
UNION ALL SELECT identity, client_id FROM ended WHERE NOT will_is_out
"""

_SUBSCRIBE: Final = """
WITH locked AS (
    SELECT a.* FROM bridge.session s
    JOIN unnest($1::text[], $2::text[], $3::bigint[], $4::jsonb[]) AS a (identity, client_id, epoch, granted)
        USING (identity, client_id, epoch)
    ORDER BY identity, client_id FOR UPDATE OF s
)
UPDATE bridge.session s SET subscriptions = l.granted FROM locked l
WHERE s.identity = l.identity AND s.client_id = l.client_id AND s.epoch = l.epoch
"""

_STANDING: Final = """
SELECT s.epoch, s.connected
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (identity, client_id, at)
LEFT JOIN bridge.session s USING (identity, client_id)
ORDER BY at
"""

_DUE: Final = """
SELECT s.identity, s.client_id
FROM bridge.session s JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS a (identity, client_id, epoch)
    USING (identity, client_id, epoch)
WHERE NOT s.connected AND s.will IS NOT NULL
"""

_TAKE_LEFT: Final = """
SELECT s.identity, s.client_id, s.left_epoch, s.left_will
FROM bridge.session s JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS a (identity, client_id, left_epoch)
    USING (identity, client_id, left_epoch)
WHERE s.left_will IS NOT NULL
"""

_PUBLISHED: Final = """
WITH locked AS (
    SELECT identity, client_id, a.published FROM bridge.session s
    JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS a (identity, client_id, published) USING (identity, client_id)
    ORDER BY identity, client_id FOR UPDATE OF s
), ended AS (
    DELETE FROM bridge.session s USING locked l
    WHERE s.identity = l.identity AND s.client_id = l.client_id AND s.epoch = l.published
        AND NOT s.connected AND s.end_time <= clock_timestamp()
)
UPDATE bridge.session s SET
    will = CASE WHEN s.epoch <> l.published THEN s.will END,
    will_time = CASE WHEN s.epoch <> l.published THEN s.will_time END,
    left_will = CASE WHEN s.left_epoch <> l.published THEN s.left_will END,
    left_epoch = CASE WHEN s.left_epoch <> l.published THEN s.left_epoch END
FROM locked l
WHERE s.identity = l.identity AND s.client_id = l.client_id AND l.published IN (s.epoch, s.left_epoch)
    AND NOT (s.epoch = l.published AND (s.connected OR s.end_time <= clock_timestamp()))
"""


class SessionTable:
    """A `SessionStore` in Postgres.

    Args:
        pool: Postgres.
        bridge_id: Who claims.
        boot_id: Which life of it.
    """

    def __init__(self, pool: Pool, bridge_id: str, boot_id: UUID) -> None:
        self._pool = pool
        self._bridge_id = bridge_id
        self._boot_id = boot_id
        # From our monotonic clock to the database's: a claim that a frozen Postgres takes up late must not look newer
        # than it is, since clients may have been let in elsewhere meanwhile.
        self._offset: float | None = None

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed | None]:
        """Give this bridge the sessions, each key once; None for a late claim that a newer connection has beaten."""
        identities, client_ids = _keys([claim.key for claim in claims])
        rows = await self._run(
            lambda connection: connection.fetch(
                _CLAIM,
                identities,
                client_ids,
                [claim.device_id for claim in claims],
                [not claim.clean_start for claim in claims],
                [claim.expiry_seconds for claim in claims],
                [None if claim.will is None else json.dumps(claim.will.document()) for claim in claims],
                [claim.will_delay_seconds for claim in claims],
                [claim.late.age_seconds if claim.late else 0.0 for claim in claims],
                [claim.late.epoch if claim.late else None for claim in claims],
                [json.dumps(dict(claim.late.subscriptions)) if claim.late else "{}" for claim in claims],
                self._bridge_id,
                self._boot_id,
                None if self._offset is None else time.monotonic() + self._offset,
                timeout=_ANSWER_SECONDS,
            )
        )
        if rows:
            self._offset = rows[0]["now"] - time.monotonic()
        found: dict[SessionKey, Claimed] = {
            (row["identity"], row["client_id"]): Claimed(
                row["epoch"],
                row["present"] and row["previous_epoch"] is not None,
                json.loads(row["subscriptions"]),
                row["previous_epoch"],
                row["previous_boot_id"],
                _will(row["left_will"]),
            )
            for row in rows
        }
        return [found.get(claim.key) for claim in claims]

    async def release(self, releases: Sequence[Release]) -> list[bool]:
        """Note that connections ended; tell for each whether it still had the session."""
        identities, client_ids = _keys([release.key for release in releases])
        rows = await self._run(
            lambda connection: connection.fetch(
                _RELEASE,
                identities,
                client_ids,
                [release.epoch for release in releases],
                [release.expiry_seconds for release in releases],
                [release.keep_will for release in releases],
                timeout=_ANSWER_SECONDS,
            )
        )
        current = {(row["identity"], row["client_id"]) for row in rows}
        return [release.key in current for release in releases]

    async def subscribe(self, subscriptions: Mapping[SessionKey, tuple[int, Mapping[str, int]]]) -> None:
        """Keep what the sessions, by their epochs, are subscribed to."""
        identities, client_ids = _keys(list(subscriptions))
        await self._run(
            lambda connection: connection.execute(
                _SUBSCRIBE,
                identities,
                client_ids,
                [epoch for epoch, _ in subscriptions.values()],
                [json.dumps(dict(granted)) for _, granted in subscriptions.values()],
                timeout=_ANSWER_SECONDS,
            )
        )

    async def standing(self, epochs: Mapping[SessionKey, int]) -> list[Standing]:
        """Tell for each session, in order, whether its epoch still holds."""
        rows = await self._run(
            lambda connection: connection.fetch(_STANDING, *_keys(list(epochs)), timeout=_ANSWER_SECONDS)
        )
        return [
            Standing.DROPPED
            if row["epoch"] is None or row["epoch"] < epoch
            else Standing.LOST
            if row["epoch"] > epoch
            else Standing.HELD
            if row["connected"]
            else Standing.DROPPED
            for row, epoch in zip(rows, epochs.values(), strict=True)
        ]

    async def due(self, epochs: Mapping[SessionKey, int]) -> set[SessionKey]:
        """Return those sessions without a connection whose epoch still holds: their Wills may be published."""
        rows = await self._run(
            lambda connection: connection.fetch(
                _DUE, *_keys(list(epochs)), list(epochs.values()), timeout=_ANSWER_SECONDS
            )
        )
        return {(row["identity"], row["client_id"]) for row in rows}

    async def take_left(self, epochs: Mapping[SessionKey, int]) -> list[DueWill]:
        """Return the Wills of connections with these epochs that were taken over and did not say goodbye."""
        rows = await self._run(
            lambda connection: connection.fetch(
                _TAKE_LEFT, *_keys(list(epochs)), list(epochs.values()), timeout=_ANSWER_SECONDS
            )
        )
        return [
            DueWill((row["identity"], row["client_id"]), row["left_epoch"], StoredWill.of(json.loads(row["left_will"])))
            for row in rows
        ]

    async def published(self, epochs: Mapping[SessionKey, int]) -> None:
        """Note that the Wills of these epochs are durable on the ring: nobody publishes them again."""
        await self._run(
            lambda connection: connection.execute(
                _PUBLISHED, *_keys(list(epochs)), list(epochs.values()), timeout=_ANSWER_SECONDS
            )
        )

    async def _run(self, work: Callable[[Connection], Awaitable[_T]]) -> _T:
        try:
            async with self._pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
                return await work(connection)
        except Exception as error:
            if translate(error) is None and not _passes(error):
                raise
            raise SessionStoreAwayError(str(error)[:200]) from error


def _passes(error: Exception) -> bool:
    """Tell whether the same statement may succeed in a moment."""
    # The table is not there yet: Postgres was away when this bridge started, and the membership migrates soon.
    unmade = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.UndefinedFunctionError)
    return isinstance(error, unmade) or (
        isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith(_BUSY)
    )


def _keys(keys: list[SessionKey]) -> tuple[list[str], list[str]]:
    return [identity for identity, _ in keys], [client_id for _, client_id in keys]


def _will(document: str | None) -> StoredWill | None:
    return None if document is None else StoredWill.of(json.loads(document))
