"""The SQL behind WatchReadings: rows by transaction, from a point up to a number. Pure: text and arguments."""

from __future__ import annotations

from typing import Final

from dataflow_validator.readings.messages import ReadingShape
from dataflow_validator.readings.queries import Query, Selection
from dataflow_validator.readings.watch_cursor import Position

XID: Final = "((r.stored_xid::text)::bigint)"
"""As the BRIN index has it (docs/adr/0007)."""

XID_NAME: Final = "stored_xid_number"
"""The column of `watch_query` that follows the shape's."""

INDEXES: Final = """
SELECT i.indexrelid::bigint AS index
FROM pg_partition_tree($1::regclass) AS t
JOIN pg_index i ON i.indrelid = t.relid
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am a ON a.oid = c.relam AND a.amname = 'brin'
WHERE t.isleaf
"""
"""The BRIN indexes of all partitions of a table."""

SUMMARIZE: Final = "SELECT brin_summarize_new_values($1::bigint::oid::regclass)"
"""Brings an index up to date: vacuum does so only when a fifth of a table is new, and until then all of that is read."""

STORED_SINCE: Final = """
SELECT coalesce(max((stored_xid::text)::bigint), 0)
FROM validator.ledger
WHERE commit_time < $1::timestamptz - interval '10 seconds'
"""
"""A number that every transaction begun since has passed: `commit_time` is when a transaction began, and ours get their
number at once or are ended by Postgres after some seconds."""


def watch_query(selection: Selection, shape: ReadingShape, position: Position, below: int, limit: int) -> Query:
    """Rows behind a point, of transactions below a number, in the order of cursors."""
    query = Query()
    conditions = _conditions(query, selection, position, below)
    most = query.argument(limit, "bigint")
    query.sql = (
        f"SELECT {shape.select_list('r')}, {XID} AS {XID_NAME} FROM {selection.table} r "  # noqa: S608 - quoted
        f"WHERE {' AND '.join(conditions)} ORDER BY {XID}, r.device_id, r.event_time, r.message_id LIMIT {most}"
    )
    return query


def count_query(selection: Selection, position: Position, below: int, limit: int) -> Query:
    """How many rows `watch_query` would have to sort, counted up to a limit."""
    query = Query()
    conditions = _conditions(query, selection, position, below)
    most = query.argument(limit, "bigint")
    query.sql = (
        f"SELECT count(*) FROM (SELECT FROM {selection.table} r WHERE {' AND '.join(conditions)} LIMIT {most}) c"  # noqa: S608
    )
    return query


def _conditions(query: Query, selection: Selection, position: Position, below: int) -> list[str]:
    first = query.argument(position.xid, "bigint")
    conditions = [f"{XID} >= {first}", f"{XID} < {query.argument(below, 'bigint')}"]
    if position.key is not None:
        device, moment, message_id = position.key
        key = f"{query.argument(device, 'text')}, {query.argument(moment, 'timestamptz')}, {query.argument(message_id, 'uuid')}"
        conditions.append(f"({XID}, r.device_id, r.event_time, r.message_id) > ({first}, {key})")
    if selection.start is not None:
        conditions.append(f"r.event_time >= {query.argument(selection.start, 'timestamptz')}")
    if selection.end is not None:
        conditions.append(f"r.event_time < {query.argument(selection.end, 'timestamptz')}")
    if selection.device_ids is not None:
        conditions.append(f"r.device_id = ANY ({query.argument(list(selection.device_ids), 'text[]')})")
    return conditions
