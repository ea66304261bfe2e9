"""What a campaign asks of Postgres, and does to it, by SQL. Errors of asyncpg, and OSError, are left to callers."""

from __future__ import annotations

import asyncpg


async def terminate_backends(dsn: str, share: float) -> int:
    """Cuts connections of others to the database, so many of all; returns how many."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND datname = current_database() AND pid <> pg_backend_pid() AND random() < $1",
                share,
                timeout=10,
            )
        )
    finally:
        await connection.close()


async def lease_holder(dsn: str) -> str:
    """Returns who leads the ring, in its own words; "None" where nobody ever did."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return str(await connection.fetchval("SELECT holder FROM bridge.lease WHERE name = 'ring'", timeout=5))
    finally:
        await connection.close()


async def is_replicated(dsn: str, after: float) -> bool:
    """Returns whether the leader has compared all nodes since a moment and found nothing that has too few copies."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return bool(
            await connection.fetchval(
                "SELECT under_replicated = 0 AND observe_time > to_timestamp($1) FROM bridge.replication",
                after,
                timeout=5,
            )
        )
    finally:
        await connection.close()
