"""Makes minutes of the ledger's rows: each row counts once, whenever its transaction commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dataflow_mesh.lease import Lease
from dataflow_mesh.postgres import Pool

from dataflow_validator.statements import statements

CHUNK: Final = 500
"""Ledger rows in one transaction: the lease's row is locked meanwhile, and must be free to be renewed."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Folds for as long as this process leads.

    Attributes:
        pool: Connections.
        lease: Who leads; each transaction checks it.
        max_devices: Devices of one minute, bridge and contract that are counted by name; the others are counted
            together, under no name.
    """

    pool: Pool
    lease: Lease
    max_devices: int = 1_000

    async def run_once(self) -> int:
        """Folds all rows that are there; returns how many.

        Raises:
            LeaseLostError: We do not lead; what was folded so far counts.
            asyncpg.PostgresError, OSError: Postgres failed; what was folded so far counts.
        """
        total = 0
        while True:
            async with self.pool.acquire() as connection, self.lease.leading(connection):
                done = int(await connection.fetchval(statements("ledger")["fold"], CHUNK, self.max_devices))
            total += done
            if done < CHUNK:
                return total
