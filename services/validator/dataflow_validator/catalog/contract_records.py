"""Contracts in Postgres: made with their table in one transaction, and read."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import asyncpg
from dataflow_mesh.postgres import Connection

from dataflow_validator.catalog.change import changing_catalog, note_change, raise_version
from dataflow_validator.catalog.fitness import Mode, column_problems, fixed_problems, refuse_unfit
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.names import Column
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.errors import (
    ContractExistsError,
    ContractInvalidError,
    ContractNotFoundError,
    EtagMismatchError,
    RequestIdReusedError,
)
from dataflow_validator.readings.added_columns import actual_columns, add_columns
from dataflow_validator.readings.known_columns import columns_of_row, note_columns
from dataflow_validator.readings.table import create_table_statements, readings_table_name
from dataflow_validator.statements import statements

_REUSED_TABLE_SECONDS: Final = 1.0


class Redrive(StrEnum):
    """What happens to quarantine when a revision is activated."""

    OFF = "OFF"
    ASK = "ASK"
    """The answer says how many items there are, and how to judge them again."""
    ON = "ON"
    """A job judges them again."""


@dataclass(frozen=True, slots=True)
class ContractOptions:
    """What a contract is beside its rules, as `validator.contract` spells it.

    Attributes:
        compatibility: What a new revision must be to those before it.
        redrive: What happens to quarantine when a revision is activated.
        readings_days: How many days rows are kept; `None` for ever.
        rollup_days: How many days rollups are kept; `None` for ever.
        description: For people; where empty, the spec's says it.
    """

    compatibility: Mode = Mode.BACKWARD
    redrive: Redrive = Redrive.ASK
    readings_days: int | None = None
    rollup_days: int | None = None
    description: str = ""

    def columns(self) -> tuple[object, ...]:
        """Gives the values of its columns, in their order."""
        return self.compatibility.value, self.redrive.value, self.readings_days, self.rollup_days, self.description


DEFAULT_OPTIONS: Final = ContractOptions()


@dataclass(frozen=True, slots=True)
class ContractRecord:
    """A contract as it stands in Postgres.

    Attributes:
        name: Its name and its table's.
        active_revision: The revision that judges; 0 while none is active.
        latest_revision: The newest revision.
        builtin: Made by DataFlow itself.
        create_time: When it was made.
        update_time: When it last changed.
        changes: How often it did.
        options: What it is beside its rules.
        spec: Its rules: of the active revision, else of the newest.
        columns: The columns of the fields of all its revisions, the oldest field first.
    """

    name: str
    active_revision: int
    latest_revision: int
    builtin: bool
    create_time: datetime
    update_time: datetime
    changes: int
    options: ContractOptions
    spec: ContractSpec
    columns: tuple[Column, ...]

    @property
    def etag(self) -> str:
        """Another one after each change; the same name made again has others."""
        text = f"{self.name}/{self.create_time.isoformat()}/{self.changes}"
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def check_etag(self, etag: str) -> None:
        """Refuses a change of what the caller has not seen.

        Args:
            etag: As the caller read it; empty for whatever it is.

        Raises:
            EtagMismatchError: The contract has changed since.
        """
        if etag and not hmac.compare_digest(etag.encode(), self.etag.encode()):
            raise EtagMismatchError(
                f"contract {self.name!r} has changed since it was read: read it again", metadata={"current": self.etag}
            )


async def create_contract(
    connection: Connection,
    spec: ContractSpec,
    *,
    activate: bool,
    options: ContractOptions = DEFAULT_OPTIONS,
    request_id: str = "",
    builtin: bool = False,
    actor: str = "",
) -> ContractRecord:
    """Makes a contract, its first revision and its table in one transaction.

    Where the name was a contract's before, its table with all rows is used again and its revisions go on counting.

    Args:
        connection: May be in a transaction of the caller's.
        spec: The rules, with the contract's name.
        activate: Whether the revision judges at once.
        options: What the contract is beside its rules.
        request_id: The same one with the same contents answers as the first time; empty for none.
        builtin: Made by DataFlow itself.
        actor: Access identity of who asked.

    Raises:
        ContractInvalidError: With all problems.
        ContractExistsError: The name is taken, or the table is there and no contract made it.
        RevisionIncompatibleError: The name was a contract's before, and this one does not fit what is left of it.
        TableLockedError: Somebody keeps the table that was left locked.
        RequestIdReusedError: The request_id made something else.
    """
    try:
        compiled = await asyncio.to_thread(compile_contract, spec, 1)
    except ContractError as error:
        raise invalid_contract(spec.name, error) from error
    written = json.dumps(spec.to_dict(), sort_keys=True)
    digest = digest_of(spec.name, written, str(activate), *([] if options == DEFAULT_OPTIONS else [repr(options)]))
    sql = statements("registry")
    async with changing_catalog(connection):
        if request_id and (made := await connection.fetchrow(sql["contract_by_request"], request_id)) is not None:
            if not hmac.compare_digest(made["request_digest"] or b"", digest):
                raise RequestIdReusedError(metadata={"request_id": request_id})
            return await get_contract(connection, made["name"])
        before = await connection.fetchrow(sql["newest_revision"], spec.name)
        revision = 1 if before is None else before["revision"] + 1
        inserted = await connection.fetchval(
            sql["insert_contract"],
            *(spec.name, revision if activate else 0, revision, builtin, request_id, digest),
            *options.columns(),
        )
        if inserted is None:
            raise ContractExistsError(f"a contract named {spec.name!r} exists", metadata={"contract": spec.name})
        await insert_revision(connection, spec, revision, actor=actor)
        await _make_table(connection, spec, compiled.columns, before)
        await note_columns(connection, spec.name, revision, compiled.columns)
        await raise_version(connection)
        await note_change(connection, spec.name, "CREATED", revision, actor)
        return await get_contract(connection, spec.name)


async def _make_table(
    connection: Connection, spec: ContractSpec, columns: Sequence[Column], before: asyncpg.Record | None
) -> None:
    actual = await actual_columns(connection, spec.name)
    if not actual:
        for statement in create_table_statements(spec.name, columns):
            await connection.execute(statement)
        return
    if before is None:
        table = readings_table_name(spec.name)
        raise ContractExistsError(
            f"a table {table} is there that no contract made: rename it, or choose another name",
            metadata={"contract": spec.name},
        )
    old = ContractSpec.from_dict(json.loads(before["spec"]))
    refuse_unfit(spec, before["revision"], [*fixed_problems(old, spec), *column_problems(actual, spec)])
    # Nobody writes to the table of a contract that was deleted.
    missing = [column for column in columns if column.name not in actual]
    await add_columns(connection, spec.name, missing, seconds=_REUSED_TABLE_SECONDS)


async def insert_revision(
    connection: Connection, spec: ContractSpec, revision: int, *, actor: str, request_id: str = "", digest: bytes = b""
) -> None:
    """Writes a revision.

    Raises:
        ContractInvalidError: Postgres cannot store a character of it.
    """
    written = json.dumps(spec.to_dict(), sort_keys=True)
    insert = statements("registry")["insert_revision"]
    try:
        await connection.execute(insert, spec.name, revision, written, actor, request_id, digest)
    except (asyncpg.UntranslatableCharacterError, asyncpg.InvalidTextRepresentationError) as error:
        problem = "the contract holds a character that Postgres cannot store (NUL or a lone surrogate): remove it"
        raise invalid_contract(spec.name, ContractError([problem])) from error


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


def digest_of(*parts: str) -> bytes:
    """Makes what a request_id is remembered with."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return digest.digest()


def contract_of(row: asyncpg.Record) -> ContractRecord:
    """Makes the record of a row."""
    spec = ContractSpec.from_dict(json.loads(row["spec"]))
    return ContractRecord(
        name=row["name"],
        active_revision=row["active_revision"],
        latest_revision=row["latest_revision"],
        builtin=row["builtin"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        changes=row["changes"],
        options=ContractOptions(
            Mode(row["compatibility"]),
            Redrive(row["redrive"]),
            row["readings_days"],
            row["rollup_days"],
            row["description"],
        ),
        spec=spec,
        columns=columns_of_row(row["columns"], spec),
    )
