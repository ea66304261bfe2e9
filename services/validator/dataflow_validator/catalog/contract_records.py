"""Contracts in Postgres: made with their table in one transaction, activated, read."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from dataflow_mesh.postgres import Connection

from dataflow_validator.catalog.change import changing_catalog, raise_version
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.names import Column, column_of
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.errors import (
    ContractExistsError,
    ContractInvalidError,
    ContractNotFoundError,
    RequestIdReusedError,
)
from dataflow_validator.readings.table import create_table_statements
from dataflow_validator.statements import statements


@dataclass(frozen=True, slots=True)
class ContractRecord:
    """A contract as it stands in Postgres.

    Attributes:
        name: Its name and its table's.
        active_revision: The revision that judges; 0 while none is active.
        latest_revision: The newest revision.
        builtin: Made by DataFlow itself.
        create_time: When it was made.
        spec: Its rules: of the active revision, else of the newest.
    """

    name: str
    active_revision: int
    latest_revision: int
    builtin: bool
    create_time: datetime
    spec: ContractSpec

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the spec's fields, in their order."""
        return tuple(column_of(item) for item in self.spec.fields)


async def create_contract(
    connection: Connection, spec: ContractSpec, *, activate: bool, request_id: str = "", builtin: bool = False
) -> ContractRecord:
    """Makes a contract, its revision 1 and its table in one transaction.

    Args:
        connection: Not in a transaction.
        spec: The rules, with the contract's name.
        activate: Whether revision 1 judges at once.
        request_id: The same one with the same contents answers as the first time; empty for none.
        builtin: Made by DataFlow itself.

    Raises:
        ContractInvalidError: With all problems.
        ContractExistsError: The name is taken.
        RequestIdReusedError: The request_id made something else.
    """
    try:
        compiled = await asyncio.to_thread(compile_contract, spec, 1)
    except ContractError as error:
        raise invalid_contract(spec.name, error) from error
    written = json.dumps(spec.to_dict(), sort_keys=True)
    digest = _digest(spec.name, written, str(activate))
    sql = statements("registry")
    async with changing_catalog(connection):
        if request_id and (made := await connection.fetchrow(sql["contract_by_request"], request_id)) is not None:
            if not hmac.compare_digest(made["request_digest"] or b"", digest):
                raise RequestIdReusedError(metadata={"request_id": request_id})
            return await get_contract(connection, made["name"])
        inserted = await connection.fetchval(
            sql["insert_contract"], spec.name, int(activate), builtin, request_id, digest
        )
        if inserted is None:
            raise ContractExistsError(f"a contract named {spec.name!r} exists", metadata={"contract": spec.name})
        try:
            await connection.execute(sql["insert_revision"], spec.name, 1, written)
        except (asyncpg.UntranslatableCharacterError, asyncpg.InvalidTextRepresentationError) as error:
            problem = "the contract holds a character that Postgres cannot store (NUL or a lone surrogate): remove it"
            raise invalid_contract(spec.name, ContractError([problem])) from error
        for statement in create_table_statements(spec.name, compiled.columns):
            await connection.execute(statement)
        await raise_version(connection)
        return await get_contract(connection, spec.name)


async def activate_revision(connection: Connection, name: str, revision: int = 0) -> ContractRecord:
    """Makes a revision the one that judges; nothing happens when it is already.

    Args:
        connection: Not in a transaction.
        name: The contract.
        revision: 0 means the newest.

    Raises:
        ContractNotFoundError: There is no such contract or revision.
    """
    sql = statements("registry")
    async with changing_catalog(connection):
        contract = await get_contract(connection, name)
        wanted = revision or contract.latest_revision
        if not await connection.fetchval(sql["revision_exists"], name, min(wanted, 2**31 - 1)):
            raise ContractNotFoundError(
                f"contract {name!r} has no revision {revision}; its newest is {contract.latest_revision}",
                metadata={"contract": name},
            )
        if wanted != contract.active_revision:
            await connection.execute(sql["activate"], name, wanted)
            await raise_version(connection)
        return await get_contract(connection, name)


async def get_contract(connection: Connection, name: str) -> ContractRecord:
    """Reads a contract.

    Raises:
        ContractNotFoundError: There is none of that name.
    """
    # No contract has such a name, and Postgres would refuse the NUL in other words.
    row = None if "\0" in name else await connection.fetchrow(statements("registry")["contract"], name)
    if row is None:
        raise ContractNotFoundError(f"there is no contract named {name!r}", metadata={"contract": name})
    return contract_of(row)


async def contract_names(connection: Connection) -> list[str]:
    """Reads the names of all contracts, active or not."""
    return [row["name"] for row in await connection.fetch(statements("registry")["contract_names"])]


def invalid_contract(name: str, error: ContractError) -> ContractInvalidError:
    """Tells the caller all problems of a contract at once, each with its place in the request."""
    count = len(error.problems)
    return ContractInvalidError(
        f"contract {name!r} cannot be made: {count} problem{'' if count == 1 else 's'}, in the violations",
        metadata={"contract": name},
        violations=[(_place(problem.path), str(problem)) for problem in error.problems],
    )


def _place(path: str) -> str:
    return "name" if path == "name" else f"spec.{path}" if path else "spec"


def _digest(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return digest.digest()


def contract_of(row: asyncpg.Record) -> ContractRecord:
    """Makes the record of a row."""
    return ContractRecord(
        name=row["name"],
        active_revision=row["active_revision"],
        latest_revision=row["latest_revision"],
        builtin=row["builtin"],
        create_time=row["create_time"],
        spec=ContractSpec.from_dict(json.loads(row["spec"])),
    )
