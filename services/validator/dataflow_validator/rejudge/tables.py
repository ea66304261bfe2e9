"""What a step finds in the tables, and what it writes there: rows, quarantine, ids, marks, ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.outcome import Accepted
from dataflow_validator.failure import of_lane
from dataflow_validator.judged import QuarantineRow
from dataflow_validator.quarantine.rows import quarantine_columns
from dataflow_validator.readings.rows import insert_statement, readings_table
from dataflow_validator.rejudge.cases import Case, Entry, RowKey
from dataflow_validator.rejudge.deciding import Changes, Found, Lane, RowState, SeenKey, SentKey
from dataflow_validator.rejudge.update import update_statement
from dataflow_validator.rollups.marks import hours_of, mark_hours
from dataflow_validator.statements import statements

_SQL: Final = statements("rejudge")

_KEY_JOIN: Final = "ON r.device_id = k.device_id AND r.event_time = k.event_time AND r.message_id = k.message_id"


class RaceError(Exception):
    """Live data was quicker with a key that was free a moment ago: look again."""


async def find(connection: Connection, cases: Sequence[Case], *, lock: bool) -> Found:
    """Reads what is there of the keys in question.

    Args:
        connection: In the step's transaction, where `lock`.
        cases: The items.
        lock: Keep the rows that are found from being changed or removed until the transaction ends.
    """
    found = Found()
    await _find_rows(connection, found, [key for case in cases for key in case.row_keys], lock=lock)
    remembered = [case for case in cases if case.is_remembered and isinstance(case.outcome, Accepted)]
    if remembered:
        await _find_seen(connection, found, remembered)
    await _find_taken(connection, found, cases)
    return found


async def _find_rows(connection: Connection, found: Found, keys: Iterable[RowKey], *, lock: bool) -> None:
    by_contract: dict[str, set[RowKey]] = defaultdict(set)
    for key in keys:
        by_contract[key[0]].add(key)
    for name, of_contract in sorted(by_contract.items()):
        _, devices, times, ids = zip(*sorted(of_contract, key=lambda key: (key[1], key[2])), strict=True)
        records = await of_lane(
            name,
            connection.fetch(
                f"""SELECT r.device_id, r.event_time, r.message_id, r.content_hash, r.revision, r.stored_xid::text AS xid
                    FROM unnest($1::text[], $2::timestamptz[], $3::uuid[]) AS k (device_id, event_time, message_id)
                    JOIN {readings_table(name)} r {_KEY_JOIN}
                    {"FOR UPDATE OF r" if lock else ""}""",  # noqa: S608 - a contract's name is an identifier
                devices,
                times,
                ids,
            ),
        )
        for r in records:
            key = (name, r["device_id"], r["event_time"], r["message_id"])
            found.rows[key] = RowState(r["content_hash"], r["revision"], r["xid"])


async def _find_seen(connection: Connection, found: Found, cases: Sequence[Case]) -> None:
    """Reads by what resends are recognised that have no stable event time: the memory of ids, or the rows themselves.

    The rows are asked where the memory says nothing any more, and where it may remember an item that SQL did not take.
    """
    now = datetime.now(UTC)
    doubtful: list[Case] = []
    by_contract: dict[str, dict[SeenKey, Case]] = defaultdict(dict)
    for case in cases:
        key = _seen_key(case)
        by_contract[key[0]].setdefault(key, case)
    for name, of_contract in by_contract.items():
        records = await connection.fetch(
            statements("store")["find_seen"], name, [key[1] for key in of_contract], [key[2] for key in of_contract]
        )
        known = {(name, r["device_id"], r["message_id"]): r["content_hash"] for r in records}
        for key, case in of_contract.items():
            failed = case.entry is not None and case.entry.kind == "UNSTORABLE"
            forgotten = case.arrival.receive_time < now - case.contract.spec.dedupe_window
            if (key in known and failed) or (key not in known and forgotten):
                doubtful.append(case)
            elif key in known:
                found.seen[key] = known[key]
    for case in doubtful:
        key, window = _seen_key(case), case.contract.spec.dedupe_window
        first = await of_lane(
            key[0],
            connection.fetchval(
                f"""SELECT content_hash FROM {readings_table(key[0])}
                    WHERE device_id = $1 AND message_id = $2 AND event_time BETWEEN $3 AND $4
                    ORDER BY event_time LIMIT 1""",  # noqa: S608 - as above
                key[1],
                key[2],
                case.arrival.receive_time - window,
                case.arrival.receive_time + window,
            ),
        )
        if first is not None:
            found.seen[key] = first


def _seen_key(case: Case) -> SeenKey:
    assert isinstance(case.outcome, Accepted)
    device_id = case.outcome.row[0]
    assert isinstance(device_id, str)
    return case.contract.spec.name, device_id, case.message_id


async def _find_taken(connection: Connection, found: Found, cases: Sequence[Case]) -> None:
    keys: set[SentKey] = set()
    for case in cases:
        name, message_id, content_hash = case.contract.spec.name, case.message_id, case.content_hash
        if case.entry is None or case.entry.key != (name, message_id, case.outcome.element, content_hash):
            keys.add((name, message_id, content_hash))
    if keys:
        for r in await connection.fetch(_SQL["taken"], *zip(*keys, strict=True)):
            found.take((r["contract"], r["message_id"], r["element"], r["content_hash"]))


async def write(connection: Connection, changes: Changes) -> None:
    """Writes what was decided, in the transaction that found what it was decided by.

    Raises:
        RaceError: Live data was quicker; the transaction must be rolled back.
        LaneError, LaneBusyError: The table of a contract does not work, or is locked.
    """
    await _delete(connection, changes.deletes)  # first: their keys may be taken at once
    for (name, _), lane in sorted(changes.inserts.items()):
        await of_lane(name, _insert(connection, lane))
    for (name, _), lane in sorted(changes.updates.items()):
        await of_lane(name, _update(connection, lane))
    if changes.unseen:
        await connection.execute(_SQL["forget_seen"], *_seen_columns(changes.unseen))
    if changes.seen:
        await connection.execute(_SQL["remember_seen"], *_seen_columns(changes.seen))
    await _write_quarantine(connection, changes)
    await mark_hours(connection, _touched(changes))
    await _write_ledger(connection, changes)


async def _insert(connection: Connection, lane: Lane) -> None:
    rows = sorted(lane.rows, key=lambda row: (row[0], row[1]))
    columns = list(zip(*rows, strict=True))
    statement, needed = insert_statement(lane.contract, columns)
    status = await connection.execute(statement, lane.contract.revision, *[columns[index] for index in needed])
    if int(status.rpartition(" ")[2]) < len(rows):
        raise RaceError


async def _update(connection: Connection, lane: Lane) -> None:
    names = await connection.fetch(_SQL["table_columns"], readings_table(lane.contract.spec.name))
    statement, indexes = update_statement(lane.contract, [record["attname"] for record in names])
    columns = list(zip(*lane.rows, strict=True))
    await connection.execute(statement, lane.contract.revision, *[columns[index] for index in indexes])


async def _delete(connection: Connection, keys: Sequence[RowKey]) -> None:
    by_contract: dict[str, list[RowKey]] = defaultdict(list)
    for key in keys:
        by_contract[key[0]].append(key)
    for name, of_contract in sorted(by_contract.items()):
        _, devices, times, ids = zip(*of_contract, strict=True)
        await of_lane(
            name,
            connection.execute(
                f"""DELETE FROM {readings_table(name)} r
                    USING unnest($1::text[], $2::timestamptz[], $3::uuid[]) AS k (device_id, event_time, message_id)
                    WHERE {_KEY_JOIN.removeprefix("ON ")}""",  # noqa: S608 - as above
                devices,
                times,
                ids,
            ),
        )


async def _write_quarantine(connection: Connection, changes: Changes) -> None:
    try:
        if changes.gone:
            await connection.execute(_SQL["remove_entries"], sorted(changes.gone))
        if changes.changed:
            await connection.execute(_SQL["change_entries"], *_changed_columns(list(changes.changed.values())))
    except asyncpg.UniqueViolationError as error:
        raise RaceError from error
    if changes.new:
        # In key order, against deadlocks.
        new = sorted(changes.new, key=lambda row: (row.contract, row.message_id, row.element, row.content_hash))
        place = {id(row): number for number, row in enumerate(changes.new, start=1)}
        places = [place[id(row)] for row in new]
        records = await connection.fetch(statements("store")["insert_quarantine"], *quarantine_columns(new), places)
        if len(records) < len(new):
            raise RaceError


def _changed_columns(changed: Sequence[tuple[Entry, QuarantineRow]]) -> list[list[Any]]:
    written = quarantine_columns([row for _, row in changed])
    names = QuarantineRow._fields
    return [
        [entry.quarantine_id for entry, _ in changed],
        *(
            written[names.index(name)]
            for name in (
                "contract",
                "revision",
                "kind",
                "device_id",
                "reasons",
                "event_time",
                "message_id",
                "id_kind",
                "content_hash",
            )
        ),
    ]


def _seen_columns(seen: dict[SeenKey, int]) -> list[list[Any]]:
    return [list(column) for column in zip(*((*key, seen[key]) for key in sorted(seen)), strict=True)]


def _touched(changes: Changes) -> dict[str, dict[datetime, set[str]]]:
    rows: dict[str, list[Sequence[Any]]] = defaultdict(list)
    for lanes in (changes.inserts, changes.updates):
        for (name, _), lane in lanes.items():
            rows[name] += lane.rows
    for name, device_id, event_time, _ in changes.deletes:
        rows[name].append((device_id, event_time))
    return {name: hours_of(of_contract) for name, of_contract in rows.items()}


async def _write_ledger(connection: Connection, changes: Changes) -> None:
    stored: Counter[tuple[str, str]] = Counter()
    quarantined: Counter[tuple[str, str]] = Counter()
    for lanes in (changes.inserts, changes.updates):
        for (name, _), lane in lanes.items():
            stored["", name] += len(lane.rows)
    for (name, xid), rows in changes.counted.items():
        stored[xid, name] -= rows
    for entry in changes.gone.values():
        quarantined[entry.stored_xid, entry.contract] -= 1
    for entry, row in changes.changed.values():
        if entry.contract != row.contract:
            quarantined[entry.stored_xid, entry.contract] -= 1
            quarantined[entry.stored_xid, row.contract] += 1
    for row in changes.new:
        quarantined["", row.contract] += 1
    keys = sorted({key for counter in (stored, quarantined) for key, items in counter.items() if items})
    if keys:
        await connection.execute(
            _SQL["change_ledger"],
            [xid for xid, _ in keys],
            [contract for _, contract in keys],
            [stored[key] for key in keys],
            [quarantined[key] for key in keys],
        )
