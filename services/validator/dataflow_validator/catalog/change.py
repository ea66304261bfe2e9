"""Changes of the catalogue, one after the other: whoever makes contracts or routes decides on what nobody else changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from dataflow_mesh.errors import PostgresUnavailableError
from dataflow_mesh.postgres import Connection

from dataflow_validator.statements import statements

_LOCK_TIMEOUT = "5s"
_RETRY_SECONDS = 1.0


@asynccontextmanager
async def changing_catalog(connection: Connection) -> AsyncIterator[None]:
    """A transaction in which nobody else changes the catalogue; store transactions go on.

    Args:
        connection: May be in a transaction; then the others wait until that one ends.

    Raises:
        PostgresUnavailableError: Somebody else's change took too long.
    """
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
        try:
            await connection.fetchval(statements("registry")["lock"])
        except asyncpg.LockNotAvailableError as error:
            raise PostgresUnavailableError(
                "another change of contracts or routes takes too long", retry_after_seconds=_RETRY_SECONDS
            ) from error
        yield


async def raise_version(connection: Connection) -> None:
    """Gives the catalogue its next version and tells every validator when the transaction commits."""
    await connection.execute(statements("registry")["raise_version"])


async def note_change(connection: Connection, contract: str, kind: str, revision: int, actor: str) -> None:
    """Notes a change of a contract for those who watch, and tells every validator when the transaction commits.

    Args:
        connection: In `changing_catalog`, after `raise_version` where the change has an effect on judging.
        contract: The contract's name.
        kind: CREATED, REVISED, ACTIVATED, UPDATED or DELETED.
        revision: REVISED: the new one. ACTIVATED: the one that judges. Else the newest.
        actor: Access identity of who did it; empty for DataFlow itself.
    """
    await connection.execute(statements("registry")["note_change"], contract, kind, revision, actor)
