"""The leader's standing check: remembers how far all is complete, writes down what stays open, and cries over losses."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from dataflow_mesh.lease import Lease
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Pool

from dataflow_validator.ledger.check import Check, State, check_ledger
from dataflow_validator.ledger.ring import RingLooker
from dataflow_validator.ledger.survey import BatchKey, Survey
from dataflow_validator.statements import statements

_log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 30.0
"""How long a sequence may be on its way before it is written down, so that later looks begin behind it."""

REST: Final = 10
"""How many times as long as a look at the ring took it is left alone: a ring that is far behind has better to do."""

MAX_WRITTEN: Final = 10_000
"""Open sequences that are written down, beside those that are lost."""

_NAMED: Final = 20
"""Lost sequences that one log line names."""


class LedgerWatch:
    """Checks again and again for as long as this process leads.

    Args:
        pool: Connections.
        lease: Who leads; what is written checks it.
        ring: Looks at the nodes.
        clock: Seconds that never go back.
    """

    def __init__(
        self, pool: Pool, lease: Lease, ring: RingLooker, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._lease = lease
        self._ring = ring
        self._clock = clock
        self._first_seen: dict[BatchKey, float] = {}
        self._look_at = clock()

    async def run_once(self) -> Check:
        """Checks once. Only what the check before found open, too, is looked for on the ring.

        Raises:
            LeaseLostError: We do not lead; nothing was written.
            asyncpg.PostgresError, OSError: Postgres failed.
        """
        look = self._clock() >= self._look_at
        check = await check_ledger(self._pool, self._ring, only=self._first_seen.keys(), look=look)
        now = self._clock()
        if look:
            self._look_at = now + REST * check.look_seconds
        first_seen = self._first_seen
        self._first_seen = {key: first_seen.get(key, now) for key in check.survey.open}
        await self._keep(check, now)
        return check

    async def _keep(self, check: Check, now: float) -> None:
        found = check.survey
        stays = [
            (key, state)
            for key, state in check.states.items()
            if state is State.MISSING or now - self._first_seen[key] >= PATIENCE_SECONDS or key in found.known
        ]
        lost = [key for key, state in stays if state is State.MISSING and _state(found, key) != State.MISSING]
        back = [key for key, known in found.known.items() if known.state == State.MISSING and key not in check.missing]
        stays = [(key, state) for key, state in stays if _state(found, key) != state]
        if len(found.known) + len(stays) > MAX_WRITTEN:  # then later looks begin where they begin now
            stays = [(key, state) for key, state in stays if state is State.MISSING or key in found.known]
        boots = found.advanced({key for key, _ in stays})
        if stays or found.settled or boots:
            sql = statements("ledger")
            async with self._pool.acquire() as connection, self._lease.leading(connection):
                if stays:
                    await connection.execute(
                        sql["keep_open"], *_columns([key for key, _ in stays]), [state.value for _, state in stays]
                    )
                if found.settled:
                    await connection.execute(sql["close_open"], *_columns(sorted(found.settled)))
                if boots:
                    await connection.execute(
                        sql["keep_boots"],
                        [boot.bridge_id for boot, _ in boots],
                        [boot.boot_id for boot, _ in boots],
                        [through for _, through in boots],
                        [boot.acknowledged_through for boot, _ in boots],
                    )
        _say(lost, back)


def _state(found: Survey, key: BatchKey) -> str | None:
    known = found.known.get(key)
    return None if known is None else known.state


def _columns(keys: list[BatchKey]) -> tuple[list[str], list[object], list[int]]:
    return [key.bridge_id for key in keys], [key.boot_id for key in keys], [key.sequence for key in keys]


def _say(lost: list[BatchKey], back: list[BatchKey]) -> None:
    if lost:
        _log.error(
            "acknowledged batches are missing: in no table, and on no node of the ring",
            extra=fields("ledger.missing", batches=len(lost), sequences=_names(lost)),
        )
    if back:
        _log.warning(
            "batches that were missing are there again",
            extra=fields("ledger.found", batches=len(back), sequences=_names(back)),
        )


def _names(keys: list[BatchKey]) -> list[str]:
    return [f"{key.bridge_id}/{key.boot_id}/{key.sequence}" for key in sorted(keys)[:_NAMED]]
