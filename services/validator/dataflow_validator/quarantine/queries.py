"""The SQL behind QuarantineService.ListQuarantined. Pure: text and arguments, no connection."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dataflow_validator.readings.queries import Query

KINDS: Final = ("REFUSED", "UNPARSABLE", "UNROUTED", "UNSTORABLE", "CONFLICT")

COLUMNS: Final = (
    "q.quarantine_id, q.kind, q.contract, q.revision, q.device_id, q.topic, q.payload, q.element, q.reasons::text AS reasons, "
    "q.receive_time, q.event_time, q.message_id, q.id_kind, q.quarantine_time"
)

_FEW_DEVICES: Final = 64
_ORDER: Final = "ORDER BY q.quarantine_id DESC"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which quarantined items; what is empty or `None` does not narrow.

    Attributes:
        contract: The contract that judged.
        kinds: Any of these.
        device_ids: Any of these, each once; `None` for all.
        path: A reason at this JSON pointer; with `rule`, one reason has both.
        rule: A reason of this clause.
        start: Received from this time on.
        end: Received before this time.
        revision: The contract's revision.
    """

    contract: str = ""
    kinds: Sequence[str] = ()
    device_ids: Sequence[str] | None = None
    path: str = ""
    rule: str = ""
    start: datetime | None = None
    end: datetime | None = None
    revision: int = 0


def quarantine_query(wanted: Wanted, before: int | None, limit: int) -> Query:
    """Quarantined items, newest first, older than `before`.

    Read along the narrowest index: of each device, else of each kind of a contract, else of all; merged by their ids.
    """
    query = Query()
    conditions = _conditions(query, wanted, before)
    most = query.argument(limit, "bigint")
    if wanted.device_ids is not None and len(wanted.device_ids) <= _FEW_DEVICES:
        lanes = f"unnest({query.argument(list(wanted.device_ids), 'text[]')}) AS lane (part)"
        conditions.append("q.device_id = lane.part")
    elif wanted.contract:
        lanes = f"unnest({query.argument(list(wanted.kinds or KINDS), 'text[]')}) AS lane (part)"
        conditions.append("q.kind = lane.part")
    else:
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        query.sql = f"SELECT {COLUMNS} FROM validator.quarantine q{where} {_ORDER} LIMIT {most}"  # noqa: S608
        return query
    inner = f"SELECT * FROM validator.quarantine q WHERE {' AND '.join(conditions)} {_ORDER} LIMIT {most}"  # noqa: S608
    query.sql = f"SELECT {COLUMNS} FROM {lanes} CROSS JOIN LATERAL ({inner}) q {_ORDER} LIMIT {most}"  # noqa: S608
    return query


def _conditions(query: Query, wanted: Wanted, before: int | None) -> list[str]:
    conditions = []
    if before is not None:
        conditions.append(f"q.quarantine_id < {query.argument(before, 'bigint')}")
    if wanted.contract:
        conditions.append(f"q.contract = {query.argument(wanted.contract, 'text')}")
    if wanted.kinds:
        conditions.append(f"q.kind = ANY ({query.argument(list(wanted.kinds), 'text[]')})")
    if wanted.device_ids is not None and len(wanted.device_ids) > _FEW_DEVICES:
        conditions.append(f"q.device_id = ANY ({query.argument(list(wanted.device_ids), 'text[]')})")
    if reason := {key: value for key, value in (("path", wanted.path), ("rule", wanted.rule)) if value}:
        conditions.append(f"q.reasons @> {query.argument(json.dumps([reason]), 'text')}::jsonb")
    if wanted.start is not None:
        conditions.append(f"q.receive_time >= {query.argument(wanted.start, 'timestamptz')}")
    if wanted.end is not None:
        conditions.append(f"q.receive_time < {query.argument(wanted.end, 'timestamptz')}")
    if wanted.revision:
        conditions.append(f"q.revision = {query.argument(wanted.revision, 'bigint')}")
    return conditions
