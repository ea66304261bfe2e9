"""The SQL that reads quarantined items in pages. Pure: text and arguments, no connection."""

from typing import Final

from dataflow_validator.quarantine.filters import KINDS, Wanted, conditions
from dataflow_validator.readings.queries import Query

COLUMNS: Final = (
    "q.quarantine_id, q.kind, q.contract, q.revision, q.device_id, q.topic, q.payload, q.element, q.reasons::text AS reasons, "
    "q.receive_time, q.event_time, q.message_id, q.id_kind, q.quarantine_time"
)

_FEW_DEVICES: Final = 64
_HIGHEST: Final = 2**63 - 1


def quarantine_query(
    wanted: Wanted,
    limit: int,
    *,
    low: int = 0,
    high: int | None = None,
    oldest_first: bool = False,
    columns: str = COLUMNS,
) -> Query:
    """Items of a filter by id, newest first unless asked otherwise.

    Read along the narrowest index: of each device, else of each kind of a contract, else of all; merged by their ids. The
    bounds are compared as rows of (device or kind, id), and ordered so: told that a kind is equal to something and to order by
    id, the planner takes the primary key and looks at all items behind the last one of that kind.

    Args:
        wanted: Which ones.
        limit: At most so many.
        low: Only ids from this one on.
        high: Only ids up to this one; `None` for no end.
        oldest_first: The other order.
        columns: What is selected of `validator.quarantine q`.
    """
    query = Query()
    few = wanted.device_ids is not None and len(wanted.device_ids) <= _FEW_DEVICES
    where = conditions(query, wanted, devices=not few)
    first, last = query.argument(low, "bigint"), query.argument(_HIGHEST if high is None else high, "bigint")
    most = query.argument(limit, "bigint")
    direction = "" if oldest_first else " DESC"
    order = f"ORDER BY q.quarantine_id{direction}"
    if few:
        lane, parts = "device_id", list(wanted.device_ids or ())
    elif wanted.contract:
        lane, parts = "kind", list(wanted.kinds or KINDS)
    else:
        where.append(f"q.quarantine_id BETWEEN {first} AND {last}")
        query.sql = f"SELECT {columns} FROM validator.quarantine q WHERE {' AND '.join(where)} {order} LIMIT {most}"  # noqa: S608
        return query
    lanes = f"unnest({query.argument(parts, 'text[]')}) AS lane (part)"
    where.append(
        f"(q.{lane}, q.quarantine_id) >= (lane.part, {first}) AND (q.{lane}, q.quarantine_id) <= (lane.part, {last})"
    )
    along = f"ORDER BY q.{lane}{direction}, q.quarantine_id{direction}"
    inner = f"SELECT * FROM validator.quarantine q WHERE {' AND '.join(where)} {along} LIMIT {most}"  # noqa: S608
    query.sql = f"SELECT {columns} FROM {lanes} CROSS JOIN LATERAL ({inner}) q {order} LIMIT {most}"  # noqa: S608
    return query


def count_query(wanted: Wanted) -> Query:
    """How many items a filter chooses, as `items`."""
    query = Query()
    where = conditions(query, wanted)
    narrowed = f" WHERE {' AND '.join(where)}" if where else ""
    query.sql = f"SELECT count(*) AS items FROM validator.quarantine q{narrowed}"  # noqa: S608
    return query
