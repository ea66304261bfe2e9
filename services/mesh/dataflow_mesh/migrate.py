"""Forward-only migrations: numbered plain SQL files of one schema, each applied once, in one transaction.

Numbers may have gaps: work that goes on side by side takes numbers ahead of time. A file whose number is below what a
database has already is applied when it comes, so such files must not depend on each other.

A migration must be safe while the version before it still runs: several processes start at once and roll one by one.
"""

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Connection

_log = logging.getLogger(__name__)

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_SCHEMA = re.compile(r"[a-z][a-z0-9_]*")


class MigrationError(Exception):
    """The migrations in the database and in the files do not agree."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Hash of the text, so that a changed file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(directory: Path | Traversable) -> list[Migration]:
    """Returns the migrations of a directory in order.

    Raises:
        MigrationError: A file is not called 0001_name.sql, or two files have one number.
    """
    found: list[Migration] = []
    for file in directory.iterdir():
        if not file.name.endswith(".sql"):
            continue
        matched = _FILE.fullmatch(file.name)
        if matched is None:
            raise MigrationError(f"{file.name!r} is not called like 0001_name.sql")
        found.append(Migration(int(matched[1]), matched[2], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    numbers = [migration.number for migration in found]
    if len(set(numbers)) < len(numbers) or 0 in numbers:
        raise MigrationError(f"each migration has a number of its own, from 1: {numbers}")
    return found


async def migrate(
    connection: Connection, schema: str, directory: Path | Traversable, *, lock_timeout_seconds: float = 60.0
) -> list[Migration]:
    """Brings a schema up to date and returns what was applied; several processes may do so at once.

    Each file runs in its own transaction, with the schema first on the search path.

    Args:
        connection: As the owner of the schema; not inside a transaction.
        schema: Made if it is not there.
        directory: Holds the files.
        lock_timeout_seconds: How long to wait for the process that migrates, and for each lock on a table.

    Raises:
        MigrationError: An applied file has changed or is missing, so that nobody knows what the schema is.
    """
    if not _SCHEMA.fullmatch(schema):
        raise MigrationError(f"{schema!r} is not a schema name")
    wanted = read_migrations(directory)
    timeout = f"{int(lock_timeout_seconds * 1000)}ms"
    applied: list[Migration] = []
    while True:
        # One transaction for each file: the advisory lock ends with it, even if this process dies.
        async with connection.transaction():
            await connection.execute("SELECT set_config('lock_timeout', $1, true)", timeout)
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('dataflow.migrate.' || $1, 0))", schema
            )
            await _prepare(connection, schema)
            migration = _next(schema, wanted, await _applied(connection, schema))
            if migration is None:
                return applied
            await connection.execute(f"SET LOCAL search_path TO {schema}, public")
            await connection.execute(migration.sql)
            await connection.execute(
                f"INSERT INTO {schema}.migration (number, name, sha256) VALUES ($1, $2, $3)",  # noqa: S608 - checked
                migration.number,
                migration.name,
                migration.sha256,
            )
        applied.append(migration)
        _log.info(
            "migration applied",
            extra=fields("migration_applied", schema=schema, number=migration.number, migration=migration.name),
        )


async def _prepare(connection: Connection, schema: str) -> None:
    # Looked up first: CREATE … IF NOT EXISTS needs the right to create even when there is nothing to do.
    if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.migration") is not None:
        return
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    await connection.execute(
        f"CREATE TABLE {schema}.migration (number int PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )


async def _applied(connection: Connection, schema: str) -> list[tuple[int, str, str]]:
    rows = await connection.fetch(f"SELECT number, name, sha256 FROM {schema}.migration ORDER BY number")  # noqa: S608
    return [(row["number"], row["name"], row["sha256"]) for row in rows]


def _next(schema: str, wanted: Sequence[Migration], applied: Sequence[tuple[int, str, str]]) -> Migration | None:
    """Returns the first migration that was not applied; what a newer version has applied on top is left alone."""
    by_number = {migration.number: migration for migration in wanted}
    for number, name, sha256 in applied:
        migration = by_number.pop(number, None)
        if migration is None and number > wanted[-1].number:
            _log.warning(
                "schema is newer than this program", extra=fields("schema_newer", schema=schema, number=number)
            )
            return None
        if migration is None:
            raise MigrationError(f"{schema}: {number:04}_{name}.sql was applied, and there is no such file")
        if migration.sha256 != sha256:
            raise MigrationError(f"{schema}: {number:04}_{name}.sql was changed after it had been applied")
    return min(by_number.values(), key=lambda migration: migration.number, default=None)
