"""Revisions in Postgres: made while messages are stored, never changed, read."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from dataflow_mesh.errors import PostgresUnavailableError
from dataflow_mesh.postgres import Connection

from dataflow_validator.catalog.activation import Redriven, activate_in
from dataflow_validator.catalog.change import changing_catalog, note_change
from dataflow_validator.catalog.contract_records import (
    ContractRecord,
    digest_of,
    get_contract,
    insert_revision,
    invalid_contract,
)
from dataflow_validator.catalog.fitness import Problem, column_problems, fixed_problems, mode_findings, refuse_unfit
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.errors import ContractNotFoundError, RequestIdReusedError
from dataflow_validator.readings.added_columns import actual_columns, add_columns
from dataflow_validator.readings.known_columns import note_columns
from dataflow_validator.statements import statements

MAX_REVISION: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RevisionRecord:
    """A revision as it stands in Postgres.

    Attributes:
        contract: Its contract's name.
        revision: Its number.
        spec: Its rules.
        create_time: When it was made.
        created_by: Who made it; empty if unknown.
        active: Whether it is the one that judges.
        pinned_by: Topic filters of the routes that pin it.
    """

    contract: str
    revision: int
    spec: ContractSpec
    create_time: datetime
    created_by: str
    active: bool
    pinned_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Revised:
    """What came of the wish for a revision.

    Attributes:
        contract: As it is now.
        revision: The revision.
        created: False where the newest one has these rules, or the request was made before.
        added_columns: Names of the columns that the table got.
        redriven: What happens to quarantine, where the revision was activated.
    """

    contract: ContractRecord
    revision: RevisionRecord
    created: bool
    added_columns: tuple[str, ...] = ()
    redriven: Redriven | None = None


async def create_revision(
    connection: Connection,
    spec: ContractSpec,
    *,
    activate: bool = False,
    etag: str = "",
    request_id: str = "",
    actor: str = "",
) -> Revised:
    """Makes the next revision of a contract.

    The columns come first, in a transaction of their own: only for that one the table is locked, for a moment. Should this
    process die before the revision is there, columns that nobody uses stay behind, and the next try uses them.

    Args:
        connection: In no transaction.
        spec: All rules, with the contract's name.
        activate: Whether it judges at once.
        etag: The contract's, as the caller read it; empty for whatever it is.
        request_id: The same one with the same contents answers as the first time; empty for none.
        actor: Access identity of who asked.

    Raises:
        ContractNotFoundError: There is no such contract.
        ContractInvalidError: With all problems of the rules.
        RevisionIncompatibleError: The contract's mode refuses it, or it changes what is fixed.
        EtagMismatchError: The contract has changed since it was read.
        TableLockedError: Somebody keeps the table locked; nothing was changed.
        RequestIdReusedError: The request_id made something else.
    """
    try:
        compiled = await asyncio.to_thread(compile_contract, spec, 1)
    except ContractError as error:
        raise invalid_contract(spec.name, error) from error
    digest = digest_of(spec.name, json.dumps(spec.to_dict(), sort_keys=True), str(activate))
    async with _revising(connection, spec.name):
        contract = await get_contract(connection, spec.name)
        if request_id and (made := await _made_before(connection, request_id, digest)) is not None:
            return Revised(contract, made, created=False)
        contract.check_etag(etag)
        newest = await get_revision(connection, spec.name, contract.latest_revision)
        if newest.spec == spec:
            return await _unchanged(connection, contract, newest, activate=activate, actor=actor)
        actual = await actual_columns(connection, spec.name)
        findings = fixed_problems(newest.spec, spec) + column_problems(actual, spec)
        findings += await _mode_findings(connection, contract, newest, spec)
        refuse_unfit(spec, newest.revision, findings, contract.options.compatibility)
        missing = [column for column in compiled.columns if column.name not in actual]
        await add_columns(connection, spec.name, missing)
        async with changing_catalog(connection):
            (await get_contract(connection, spec.name)).check_etag(contract.etag)
            revision = newest.revision + 1
            await insert_revision(connection, spec, revision, actor=actor, request_id=request_id, digest=digest)
            await note_columns(connection, spec.name, revision, compiled.columns)
            await connection.execute(statements("registry")["add_revision"], spec.name, revision)
            await note_change(connection, spec.name, "REVISED", revision, actor)
            redriven = await activate_in(connection, contract, revision, actor=actor) if activate else None
            return Revised(
                await get_contract(connection, spec.name),
                await get_revision(connection, spec.name, revision),
                created=True,
                added_columns=tuple(column.name for column in missing),
                redriven=redriven,
            )


async def _unchanged(
    connection: Connection, contract: ContractRecord, newest: RevisionRecord, *, activate: bool, actor: str
) -> Revised:
    if not activate:
        return Revised(contract, newest, created=False)
    async with changing_catalog(connection):
        (await get_contract(connection, contract.name)).check_etag(contract.etag)
        redriven = await activate_in(connection, contract, newest.revision, actor=actor)
        return Revised(
            await get_contract(connection, contract.name),
            await get_revision(connection, contract.name, newest.revision),
            created=False,
            redriven=redriven,
        )


async def _made_before(connection: Connection, request_id: str, digest: bytes) -> RevisionRecord | None:
    made = await connection.fetchrow(statements("registry")["revision_by_request"], request_id)
    if made is None:
        return None
    if not hmac.compare_digest(made["request_digest"] or b"", digest):
        raise RequestIdReusedError(metadata={"request_id": request_id})
    return await get_revision(connection, made["contract"], made["revision"])


async def _mode_findings(
    connection: Connection, contract: ContractRecord, newest: RevisionRecord, spec: ContractSpec
) -> list[Problem]:
    mode = contract.options.compatibility
    before: Sequence[tuple[int, ContractSpec]] = [(newest.revision, newest.spec)]
    if mode.is_transitive:
        rows = await connection.fetch(statements("registry")["all_specs"], contract.name)
        before = [(row["revision"], ContractSpec.from_dict(json.loads(row["spec"]))) for row in rows]
    # Proofs take their time; judging goes on.
    return await asyncio.to_thread(mode_findings, before, spec, mode)


async def get_revision(connection: Connection, name: str, revision: int) -> RevisionRecord:
    """Reads a revision; that of a contract that was deleted, too.

    Raises:
        ContractNotFoundError: There is no such revision.
    """
    row = None
    if "\0" not in name:
        row = await connection.fetchrow(statements("registry")["revision"], name, min(revision, MAX_REVISION))
    if row is None:
        raise ContractNotFoundError(f"contract {name!r} has no revision {revision}", metadata={"contract": name})
    return revision_of(row)


def revision_of(row: asyncpg.Record) -> RevisionRecord:
    """Makes the record of a row."""
    return RevisionRecord(
        contract=row["contract"],
        revision=row["revision"],
        spec=ContractSpec.from_dict(json.loads(row["spec"])),
        create_time=row["create_time"],
        created_by=row["created_by"],
        active=row["active"],
        pinned_by=tuple(row["pinned_by"]),
    )


@asynccontextmanager
async def _revising(connection: Connection, name: str) -> AsyncIterator[None]:
    """Lets one caller at a time revise a contract, across the transactions that this takes.

    Not by the lock of the whole catalogue: while the table of one contract stays locked, others go on.
    """
    key = f"dataflow.revise.{name}"
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", key)
    except asyncpg.LockNotAvailableError as error:
        raise PostgresUnavailableError(
            f"another revision of contract {name!r} is being made", retry_after_seconds=1.0
        ) from error
    try:
        yield
    finally:
        # A connection that is lost or broken lets go of it by itself; a pool also does when it is given back.
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", key)
