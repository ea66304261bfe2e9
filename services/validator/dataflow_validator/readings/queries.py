"""The SQL behind ReadingService: which rows, in which order, after which key. Pure: text and arguments, no connection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from dataflow_validator.readings.messages import ReadingShape

_FEW_DEVICES: Final = 64
"""Up to here each device's rows are found by its part of the primary key and merged."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which readings.

    Attributes:
        table: The contract's table, quoted.
        device_ids: Any of these, ordered, each once; `None` for all devices.
        start: From this event time on.
        end: Before this event time.
    """

    table: str
    device_ids: Sequence[str] | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(slots=True)
class Query:
    """A statement and its arguments, which grow together."""

    arguments: list[object] = field(default_factory=list)
    sql: str = ""

    def argument(self, value: object, sql_type: str) -> str:
        """Adds an argument and returns its placeholder."""
        self.arguments.append(value)
        return f"${len(self.arguments)}::{sql_type}"


def _times(query: Query, selection: Selection) -> list[str]:
    conditions = []
    if selection.start is not None:
        conditions.append(f"r.event_time >= {query.argument(selection.start, 'timestamptz')}")
    if selection.end is not None:
        conditions.append(f"r.event_time < {query.argument(selection.end, 'timestamptz')}")
    return conditions


def _where(conditions: Sequence[str]) -> str:
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def list_query(
    selection: Selection,
    shape: ReadingShape,
    after: tuple[datetime, str, str] | None,
    limit: int,
    *,
    newest_first: bool,
) -> Query:
    """Readings by (event_time, device_id, message_id), after a key.

    All devices are read along the index on the event time, few devices along the primary key of each.
    """
    query = Query()
    conditions = _times(query, selection)
    comparison, direction = ("<", "DESC") if newest_first else (">", "ASC")
    if after is not None:
        moment = query.argument(after[0], "timestamptz")
        # Said twice: the first condition is what an index on the event time alone can use.
        conditions.append(f"r.event_time {comparison}= {moment}")
        device, message = query.argument(after[1], "text"), query.argument(after[2], "uuid")
        conditions.append(f"(r.event_time, r.device_id, r.message_id) {comparison} ({moment}, {device}, {message})")
    order = f"ORDER BY r.event_time {direction}, r.device_id {direction}, r.message_id {direction}"
    most = query.argument(limit, "bigint")
    columns = shape.select_list("r")
    devices = selection.device_ids
    if devices is not None and len(devices) <= _FEW_DEVICES:
        given = query.argument(list(devices), "text[]")
        one_device = _where(["r.device_id = d.device_id", *conditions])
        inner = f"SELECT * FROM {selection.table} r{one_device} {order} LIMIT {most}"  # noqa: S608 - names are quoted
        query.sql = f"SELECT {columns} FROM unnest({given}) AS d (device_id) CROSS JOIN LATERAL ({inner}) r {order} LIMIT {most}"  # noqa: S608
        return query
    if devices is not None:
        conditions.append(f"r.device_id = ANY ({query.argument(list(devices), 'text[]')})")
    query.sql = f"SELECT {columns} FROM {selection.table} r{_where(conditions)} {order} LIMIT {most}"  # noqa: S608
    return query


def latest_query(selection: Selection, shape: ReadingShape, after: str | None, limit: int) -> Query:
    """The newest reading of each device, by device, after a device.

    The devices are found by hopping along the primary key, one step for each device, and only as many as the page needs:
    the recursion is read as the rows are, in its own order, so that nothing has to be sorted.
    """
    query = Query()
    conditions = ["r.device_id = d.device_id", *_times(query, selection)]
    newest = (
        f"SELECT * FROM {selection.table} r{_where(conditions)} "  # noqa: S608
        "ORDER BY r.device_id DESC, r.event_time DESC, r.message_id DESC LIMIT 1"
    )
    most = query.argument(limit, "bigint")
    columns = shape.select_list("r")
    if selection.device_ids is not None:
        rest = [device for device in selection.device_ids if after is None or device > after]
        given = query.argument(rest, "text[]")
        query.sql = (
            f"SELECT {columns} FROM unnest({given}) WITH ORDINALITY AS d (device_id, place) "  # noqa: S608
            f"CROSS JOIN LATERAL ({newest}) r LIMIT {most}"
        )
        return query
    first = "" if after is None else f" WHERE device_id > {query.argument(after, 'text')}"
    query.sql = (
        f"WITH RECURSIVE d (device_id) AS ("  # noqa: S608
        f"(SELECT device_id FROM {selection.table}{first} ORDER BY device_id LIMIT 1) "
        f"UNION ALL SELECT (SELECT t.device_id FROM {selection.table} t WHERE t.device_id > d.device_id "
        "ORDER BY t.device_id LIMIT 1) FROM d WHERE d.device_id IS NOT NULL) "
        f"SELECT {columns} FROM d CROSS JOIN LATERAL ({newest}) r LIMIT {most}"
    )
    return query
