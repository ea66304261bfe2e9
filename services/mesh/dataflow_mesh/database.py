"""What must be in a Postgres server before services connect: the database, its owner, a role that only reads, and insight's."""

import re
from typing import Final

from dataflow_mesh.postgres import Connection

DATABASE: Final = "dataflow"
OWNER: Final = "dataflow"
READER: Final = "dataflow_reader"
INSIGHT: Final = "dataflow_insight"
"""Owns the schema that it makes for itself, and may touch nothing else: it serves whoever asks, with a model's help."""

_PASSWORD = re.compile(r"[A-Za-z0-9_-]{16,}")


async def provision(
    connection: Connection, *, owner_password: str, reader_password: str, insight_password: str
) -> None:
    """Makes roles and database, or brings older ones up to what is wanted; may be repeated.

    Args:
        connection: As superuser, to any database; not in a transaction.
        owner_password: Of the role that services log in as; 16 or more of A-Z a-z 0-9 _ -, as DDL takes no parameters.
        reader_password: Of the role that only reads; likewise.
        insight_password: Of the role that keeps what insight writes; likewise.

    Raises:
        ValueError: A password has other characters, or is too short.
    """
    for role, password in ((OWNER, owner_password), (READER, reader_password), (INSIGHT, insight_password)):
        if not _PASSWORD.fullmatch(password):
            raise ValueError(f"the password of {role} is not made of 16 or more of A-Z a-z 0-9 _ -")
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
            await connection.execute(f"CREATE ROLE {role}")
        await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{password}'")
    await connection.execute(f"ALTER ROLE {READER} SET default_transaction_read_only = on")
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", DATABASE):
        await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    await connection.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {READER}")
    await connection.execute(f"GRANT CONNECT, CREATE ON DATABASE {DATABASE} TO {INSIGHT}")
    # Not every build has it, and Postgres's own method costs more than it saves.
    if await connection.fetchval("SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'wal_compression'"):
        await connection.execute("ALTER SYSTEM SET wal_compression = 'lz4'")
        await connection.execute("SELECT pg_reload_conf()")
