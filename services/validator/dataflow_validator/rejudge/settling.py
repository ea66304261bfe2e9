"""One step of a job that judges history again: look, decide, write, and save the checkpoint, in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.outcome import Accepted
from dataflow_validator.failure import Failure, failure_of, of_lane
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import Done, Json, Part
from dataflow_validator.readings.partitions import months_of
from dataflow_validator.readings.rows import insert_statement
from dataflow_validator.rejudge import foreseen
from dataflow_validator.rejudge.cases import Case
from dataflow_validator.rejudge.contested import contest
from dataflow_validator.rejudge.deciding import Changes, Decider, Outdated, never
from dataflow_validator.rejudge.tables import RaceError, find, write
from dataflow_validator.statements import statements

_log = logging.getLogger(__name__)

_SQL: Final = statements("rejudge")
_TRIES: Final = 10


class StaleError(Exception):
    """What was judged is not so any more (the contracts changed, or somebody took an item): read and judge again."""


async def settle(
    context: JobContext,
    part: Part,
    cases: Sequence[Case],
    *,
    catalog_version: int,
    outdated: Outdated = never,
    checkpoint: Json | Done,
    done: int,
    counts: Json | None = None,
) -> None:
    """Settles cases in their order, or foresees it in a dry run, and saves the part.

    Args:
        context: The job.
        part: Its part.
        cases: Items as judged.
        catalog_version: Of the catalogue that judged them.
        outdated: Which rows may be changed.
        checkpoint: Where to go on.
        done: How much of the plan's total this is.
        counts: Further counts of this step, added to those of the part's result.

    Raises:
        StaleError: Nothing was changed; read and judge again.
        PartLostError: The part is not ours any more.
    """
    if not context.dry_run:
        await _make_partitions(context, cases)
    isolate = False
    for attempt in range(_TRIES):
        try:
            async with context.transaction(part) as connection:
                changes = await _settle(connection, context, cases, catalog_version, outdated, isolate=isolate)
                result = added(part.result, changes, counts or {})
                await context.save(connection, part, checkpoint=checkpoint, done=done, result=result)
        except RaceError:
            if attempt == _TRIES - 1:
                raise StaleError from None
        except asyncpg.PostgresError as error:
            if isolate or failure_of(error) is not Failure.CULPRIT:
                raise
            isolate = True
            _log.warning("an item is not taken by Postgres", extra=fields("rejudge.culprit", error=str(error)[:200]))
        else:
            return


async def _settle(
    connection: Connection,
    context: JobContext,
    cases: Sequence[Case],
    catalog_version: int,
    outdated: Outdated,
    *,
    isolate: bool,
) -> Changes:
    if not context.dry_run:
        await connection.execute(_SQL["turn"])
    if await connection.fetchval(_SQL["catalog_version"]) != catalog_version:
        raise StaleError
    if not context.dry_run:
        entries = {entry.quarantine_id for case in cases for entry in (case.entry, *case.replaced) if entry is not None}
        if entries and len(await connection.fetch(_SQL["lock_entries"], sorted(entries))) < len(entries):
            raise StaleError
    found = await find(connection, cases, lock=not context.dry_run)
    if context.dry_run:
        await foreseen.overlay(connection, context.job_id, cases, found)
    if isolate:
        await _mark_culprits(connection, [case for case in cases if isinstance(case.outcome, Accepted)])
    changes = Decider(found, outdated).decide(cases)
    if context.dry_run:
        await foreseen.remember(connection, context.job_id, changes)
    else:
        await write(connection, changes)
        await contest(connection, context.job_id, changes)
    return changes


async def _make_partitions(context: JobContext, cases: Sequence[Case]) -> None:
    moments: dict[str, set[Any]] = {}
    for case in cases:
        if isinstance(case.outcome, Accepted):
            moments.setdefault(case.contract.spec.name, set()).add(case.outcome.row[1])
    for name, times in moments.items():
        await of_lane(name, context.partitions.ensure(context.pool, name, months_of(times)))


async def _mark_culprits(connection: Connection, cases: list[Case]) -> None:
    """Find the items that SQL does not take, by halves, and give each its problem; nothing stays written."""
    ranges = [cases]
    while ranges:
        some = ranges.pop()
        if not some:
            continue
        savepoint = connection.transaction()
        await savepoint.start()
        try:
            for contract in {id(case.contract): case.contract for case in some}.values():
                rows = [c.outcome.row for c in some if c.contract is contract and isinstance(c.outcome, Accepted)]
                columns = list(zip(*rows, strict=True))
                statement, needed = insert_statement(contract, columns)
                await connection.execute(statement, contract.revision, *[columns[index] for index in needed])
        except asyncpg.PostgresError as error:
            await savepoint.rollback()
            if failure_of(error) is not Failure.CULPRIT:
                raise
            if len(some) == 1:
                some[0].problem = f"Postgres did not take it: {error.args[0] if error.args else type(error).__name__}"
            else:
                ranges += [some[: len(some) // 2], some[len(some) // 2 :]]
        else:
            await savepoint.rollback()


def added(result: Json, changes: Changes, counts: Json) -> Json:
    """Return a part's result with the counts of one more step."""
    contracts = {name: dict(of_contract) for name, of_contract in result.get("contracts", {}).items()}
    for name, became in changes.counts.items():
        of_contract = contracts.setdefault(name, {})
        for key, items in became.items():
            of_contract[key.value] = of_contract.get(key.value, 0) + items
    further = {key: result.get(key, 0) + number for key, number in counts.items()}
    return {**result, **further, "contracts": contracts}
