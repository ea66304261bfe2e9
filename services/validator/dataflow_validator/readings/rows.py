"""The rows of one contract: inserted together, duplicates told from conflicts, culprits found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID, uuid5

import asyncpg
from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.contracts.spec import ConflictRule
from dataflow_validator.failure import Failure, failure_of
from dataflow_validator.judged import JudgedBatch, LaneKey, QuarantineRow, conflict_row, unstorable_row
from dataflow_validator.statements import statements
from dataflow_validator.tally import Outcome, Tally

_SQL: Final = statements("store")

Row: TypeAlias = tuple[Any, ...]
"""As `contracts.outcome.Accepted` makes it: typed by the columns, which only the database knows."""
Origin: TypeAlias = tuple[int, int, IdKind]
_SeenKey: TypeAlias = tuple[str, UUID]
"""Device and message id."""

_DEVICE, _EVENT_TIME, _RECEIVE_TIME, _MESSAGE_ID, _CONTENT_HASH, _MAYBE_DUPLICATE = range(6)
FIXED_COLUMNS: Final = (
    ("device_id", "text"),
    ("event_time", "timestamptz"),
    ("receive_time", "timestamptz"),
    ("message_id", "uuid"),
    ("content_hash", "bigint"),
    ("maybe_duplicate", "boolean"),
)
_in_key_order = itemgetter(_DEVICE, _EVENT_TIME)
"""Against deadlocks; rows of one device and time with several ids are too rare to sort for (40P01 is retried)."""


class Item(NamedTuple):
    """An accepted item on its way into a row."""

    row: Row
    batch: int
    """Index of its batch in the group."""
    origin: Origin


class ReadingRows:
    """The accepted items of one revision of a contract, on their way into its table."""

    def __init__(
        self,
        connection: Connection,
        key: LaneKey,
        claimed: Sequence[JudgedBatch],
        tallies: Sequence[Tally],
        *,
        isolate: bool,
    ) -> None:
        self._connection = connection
        self._key = key
        self._name = key[0]
        self._claimed = claimed
        self._tallies = tallies
        self._isolate = isolate
        self._quarantine: list[tuple[QuarantineRow, int]] = []
        self._contract: CompiledContract = next(j.lanes[key].contract for j in claimed if key in j.lanes)
        self._inserted: int | None = None
        """Rows that `_store_fresh` made new, when it found that some were not."""

    async def store(self) -> list[tuple[QuarantineRow, int]]:
        """Insert, tell duplicates from conflicts, count; return what goes to quarantine."""
        if self._isolate or self._contract.spec.event_time is None or not await self._store_fresh():
            items = [
                Item(row, index, origin)
                for index, judged in enumerate(self._claimed)
                if (lane := judged.lanes.get(self._key)) is not None
                for row, origin in zip(lane.rows, lane.origins, strict=True)
            ]
            await self._store(items, derived=False)
        return self._quarantine

    async def _store_fresh(self) -> bool:
        """Insert all rows at once; return whether all were new, which is nearly always so, and counted."""
        lanes = [
            (index, judged.lanes[self._key].rows)
            for index, judged in enumerate(self._claimed)
            if self._key in judged.lanes
        ]
        rows = [row for _, of_batch in lanes for row in of_batch]
        self._inserted = await self._insert_rows(sorted(rows, key=_in_key_order))
        if self._inserted < len(rows):
            return False
        for index, of_batch in lanes:
            self._tallies[index].add_all(self._name, [row[_DEVICE] for row in of_batch], Outcome.STORED)
        return True

    async def _store(self, items: list[Item], *, derived: bool) -> None:
        taken: list[tuple[Item, int]] = []
        if self._contract.spec.event_time is None:
            items, taken = await self._not_seen(items)
        items.sort(key=lambda item: _in_key_order(item.row))
        inserted, self._inserted = self._inserted, None
        if inserted is None:
            inserted = await self._insert_items(items)
        if inserted == len(items):
            self._count_stored(items)
        else:
            taken += await self._find_taken(items)
        conflicts = self._settle(taken)
        if conflicts and self._contract.spec.conflict is ConflictRule.BOTH and not derived:
            # Both are rows: the later one under an id made of its own content, so that its resend is recognised too.
            await self._store([item._replace(row=with_own_id(item.row)) for item in conflicts], derived=True)
        else:
            for item in conflicts:
                judged = self._claimed[item.batch]
                self._quarantine.append((conflict_row(self._contract, judged, item.row, item.origin), item.batch))

    async def _not_seen(self, items: list[Item]) -> tuple[list[Item], list[tuple[Item, int]]]:
        """Split items without a stable event time into new ones and those whose id was seen, with the hash of the first."""
        recognisable = [item for item in items if item.origin[2] in (IdKind.IDENTITY, IdKind.SENDER)]
        if not recognisable:
            return items, []
        fresh = [item for item in items if item.origin[2] not in (IdKind.IDENTITY, IdKind.SENDER)]
        first: dict[tuple[str, UUID], Item] = {}
        later: list[Item] = []
        for item in recognisable:
            key = (item.row[_DEVICE], item.row[_MESSAGE_ID])
            if key in first:
                later.append(item)
            else:
                first[key] = item
        new, hashes = await self._remember({key: _content_hash(item) for key, item in first.items()})
        fresh += [item for key, item in first.items() if key in new]
        again = [item for key, item in first.items() if key not in new] + later
        return fresh, [(item, hashes[item.row[_DEVICE], item.row[_MESSAGE_ID]]) for item in again]

    async def _remember(self, content: dict[_SeenKey, int]) -> tuple[set[_SeenKey], dict[_SeenKey, int]]:
        """Return which ids are new, and the content hash of the first item with each id."""
        new: set[_SeenKey] = set()
        hashes: dict[_SeenKey, int] = {}
        left = sorted(content)
        while left:
            devices, message_ids = [device for device, _ in left], [message_id for _, message_id in left]
            records = await self._connection.fetch(
                _SQL["insert_seen"], self._name, devices, message_ids, [content[key] for key in left]
            )
            inserted = {(record["device_id"], record["message_id"]) for record in records}
            new |= inserted
            hashes |= {key: content[key] for key in inserted}
            if len(inserted) < len(left):
                records = await self._connection.fetch(_SQL["find_seen"], self._name, devices, message_ids)
                hashes |= {(r["device_id"], r["message_id"]): r["content_hash"] for r in records}
            # What is neither was seen a moment ago, and retention has just forgotten it: then it is new.
            left = [key for key in left if key not in hashes]
        return new, hashes

    async def _insert_items(self, items: list[Item]) -> int:
        """Insert and return how many rows are new."""
        if not items:
            return 0
        if not self._isolate:
            return await self._insert_rows([item.row for item in items])
        return await self._insert_by_halves(items)

    async def _insert_rows(self, rows: Sequence[Row]) -> int:
        columns = list(zip(*rows, strict=True))
        statement, needed = insert_statement(self._contract, columns)
        arrays = [columns[index] for index in needed]
        status = await self._connection.execute(statement, self._contract.revision, *arrays)
        return int(status.rpartition(" ")[2])

    async def _insert_by_halves(self, items: list[Item]) -> int:
        """Insert, halving what fails until the culprits stand alone; they are taken out of `items`."""
        new = 0
        culprits: list[int] = []
        ranges = [(0, len(items))]
        while ranges:
            start, end = ranges.pop()
            try:
                async with self._connection.transaction():
                    new += await self._insert_rows([item.row for item in items[start:end]])
            except asyncpg.PostgresError as error:
                if failure_of(error) is not Failure.CULPRIT:
                    raise
                if end - start > 1:
                    middle = (start + end) // 2
                    ranges += [(start, middle), (middle, end)]
                    continue
                item = items[start]
                problem = f"Postgres did not take it: {error.args[0] if error.args else type(error).__name__}"
                row = unstorable_row(self._contract, self._claimed[item.batch], item.row, item.origin, problem)
                self._quarantine.append((row, item.batch))
                culprits.append(start)
        for index in sorted(culprits, reverse=True):
            del items[index]
        return new

    async def _find_taken(self, items: Sequence[Item]) -> list[tuple[Item, int]]:
        """Count the items that became rows; return the others with the content hash of the row that has their key."""
        # A lane of another revision may have made rows of this transaction, too: those are taken.
        records = await self._connection.fetch(
            f"""SELECT r.device_id, r.event_time, r.message_id, r.content_hash,
                       r.stored_xid = pg_current_xact_id() AND r.revision = $4 AS mine
                FROM unnest($1::text[], $2::timestamptz[], $3::uuid[]) AS k (device_id, event_time, message_id)
                JOIN {readings_table(self._name)} r
                  ON r.device_id = k.device_id AND r.event_time = k.event_time AND r.message_id = k.message_id""",  # noqa: S608 - a contract's name is an identifier by its own rule
            *zip(*dict.fromkeys((i.row[_DEVICE], i.row[_EVENT_TIME], i.row[_MESSAGE_ID]) for i in items), strict=True),
            self._contract.revision,
        )
        rows = {(r["device_id"], r["event_time"], r["message_id"]): (r["content_hash"], r["mine"]) for r in records}
        stored: list[Item] = []
        taken: list[tuple[Item, int]] = []
        for item in items:
            key = (item.row[_DEVICE], item.row[_EVENT_TIME], item.row[_MESSAGE_ID])
            content_hash, mine = rows[key]
            if mine:  # the first of this statement became the row, the others are resends of it
                rows[key] = (content_hash, False)
                stored.append(item)
            else:
                taken.append((item, content_hash))
        self._count_stored(stored)
        return taken

    def _count_stored(self, items: Iterable[Item]) -> None:
        for item in items:
            self._tallies[item.batch].add(self._name, str(item.row[_DEVICE]), Outcome.STORED)

    def _settle(self, taken: Iterable[tuple[Item, int]]) -> list[Item]:
        """Count duplicates and return the conflicts."""
        conflicts: list[Item] = []
        for item, content_hash in taken:
            if item.row[_CONTENT_HASH] == content_hash:
                self._tallies[item.batch].add(self._name, str(item.row[_DEVICE]), Outcome.DUPLICATE)
            else:
                conflicts.append(item)
        return conflicts


def _content_hash(item: Item) -> int:
    content_hash = item.row[_CONTENT_HASH]
    assert isinstance(content_hash, int)
    return content_hash


def with_own_id(row: Row) -> Row:
    """Return a row under an id made of its own content, for the later of two with one key that are both rows."""
    message_id = row[_MESSAGE_ID]
    assert isinstance(message_id, UUID)
    return (*row[:_MESSAGE_ID], own_id(message_id, row[_CONTENT_HASH]), *row[_CONTENT_HASH:])


def own_id(message_id: UUID, content_hash: int) -> UUID:
    """Return the id of the later one of two readings with one key that are both rows."""
    return uuid5(message_id, str(content_hash))


def readings_table(contract: str) -> str:
    """Return the qualified name of a contract's table; contract names are identifiers by their own rule."""
    return f'readings."{contract}"'


def insert_statement(contract: CompiledContract, columns: Sequence[Sequence[Any]]) -> tuple[str, list[int]]:
    """Return the INSERT of a contract's rows, and which of their columns are its arrays, from $2 on; $1 is the revision.

    Each array costs 0.2 us a row to encode, so those that say nothing are left out: marks and extra members that no row
    has (the defaults are the same), and fields that repeat the device or the event time, as they nearly always do.

    Args:
        contract: Whose rows.
        columns: The members of the rows, as `contracts.outcome.Accepted` orders them.
    """
    names = [
        *FIXED_COLUMNS,
        *((column.name, column.sql_type) for column in contract.columns),
        ("extra", "jsonb"),
    ]
    needed: list[int] = []
    targets: list[str] = []
    sources: list[str] = []
    for index, ((name, sql_type), values) in enumerate(zip(names, columns, strict=True)):
        if (index == _MAYBE_DUPLICATE or index == len(names) - 1) and not any(values):
            continue
        source = index
        for twin in (_DEVICE, _EVENT_TIME):
            if index > twin and names[twin][1] == sql_type and values == columns[twin]:
                source = twin
        if source == index:
            needed.append(index)
        targets.append('"' + name.replace('"', '""') + '"')
        sources.append(f"u.c{source}")
    arrays = ", ".join(f"${number}::{names[index][1]}[]" for number, index in enumerate(needed, start=2))
    return (
        f"INSERT INTO {readings_table(contract.spec.name)} (revision, {', '.join(targets)}) "  # noqa: S608 - quoted above
        f"SELECT $1::integer, {', '.join(sources)} "
        f"FROM unnest({arrays}) AS u ({', '.join(f'c{index}' for index in needed)}) ON CONFLICT DO NOTHING"
    ), needed


def event_months(group: Sequence[JudgedBatch]) -> dict[str, set[datetime]]:
    """Return the event times, one of each month, of the accepted items of each contract."""
    found: dict[str, dict[tuple[int, int], datetime]] = {}
    for judged in group:
        for (name, _), lane in judged.lanes.items():
            months = found.setdefault(name, {})
            for row in lane.rows:
                moment = row[_EVENT_TIME]
                assert isinstance(moment, datetime)
                months[moment.year, moment.month] = moment
    return {name: set(months.values()) for name, months in found.items()}
