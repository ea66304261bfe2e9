"""Shows every caller of this process whether the ledger misses something: metric and health of `LedgerService`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from dataflow_mesh import names
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Pool
from dataflow_mesh.telemetry import observe

from dataflow_validator.ledger.service import SERVICE
from dataflow_validator.statements import statements

_log = logging.getLogger(__name__)


class LedgerHealth:
    """Follows what the leader writes down.

    Args:
        pool: Connections.
        set_serving: Says in the health service whether a service can do its work.
    """

    def __init__(self, pool: Pool, set_serving: Callable[[str, bool], Awaitable[None]]) -> None:
        self._pool = pool
        self._set_serving = set_serving
        self._missing: int | None = None
        observe(names.VALIDATOR_LEDGER_MISSING, lambda: [] if self._missing is None else [(float(self._missing), {})])

    async def run_once(self) -> int:
        """Looks once; returns how many acknowledged batches are missing.

        Raises:
            asyncpg.PostgresError, OSError: Postgres failed; health stays as it was.
        """
        missing = int(await self._pool.fetchval(statements("ledger")["missing"]))
        if bool(missing) != bool(self._missing):
            await self._set_serving(SERVICE, not missing)
            _log.info("health of the ledger changed", extra=fields("ledger.health", missing=missing))
        self._missing = missing
        return missing
