"""The one filter of quarantined items: listing, counting, export, replay and purge all choose by it.

`conditions` is the only place that makes a WHERE of it. Times are those of receipt. Since ids follow the time of
quarantining, not of receipt, `id_range` says between which ids a time range lies: whoever reads pages by id asks it once
and neither walks over what is newer nor on to the oldest item of all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dataflow.validator.v1 import quarantine_pb2
from dataflow_mesh.postgres import Connection

from dataflow_validator.pages import storable
from dataflow_validator.readings.queries import Query
from dataflow_validator.time_messages import from_timestamp

KINDS: Final = ("REFUSED", "UNPARSABLE", "UNROUTED", "UNSTORABLE", "CONFLICT")
"""All kinds, as the table has them."""

MAX_ID: Final = 2**63 - 1
"""Above every id."""

KIND_VALUES: Final = {kind: quarantine_pb2.QuarantineKind.Value(f"QUARANTINE_KIND_{kind}") for kind in KINDS}
"""The enum's value of each kind."""

_KIND_NAMES: Final = {value: kind for kind, value in KIND_VALUES.items()}


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
        topic_filter: Topics that this MQTT filter matches.
    """

    contract: str = ""
    kinds: Sequence[str] = ()
    device_ids: Sequence[str] | None = None
    path: str = ""
    rule: str = ""
    start: datetime | None = None
    end: datetime | None = None
    revision: int = 0
    topic_filter: str = ""


def wanted_of(message: quarantine_pb2.QuarantineFilter) -> Wanted | None:
    """Reads the message of an RPC, or of a job's stored request.

    Returns:
        The filter; `None` where it names what cannot be in Postgres (a NUL, an unknown kind), so that nothing matches.

    Raises:
        InvalidArgumentError: A time is out of range.
    """
    texts = [message.contract, message.path, message.rule, message.topic_filter]
    devices = storable(list(dict.fromkeys(message.device_ids)))
    kinds = [_KIND_NAMES[kind] for kind in dict.fromkeys(message.kinds) if kind in _KIND_NAMES]
    if len(storable(texts)) < len(texts) or (message.kinds and not kinds):
        return None
    return Wanted(
        contract=message.contract,
        kinds=kinds,
        device_ids=devices if message.device_ids else None,
        path=message.path,
        rule=message.rule,
        start=from_timestamp(message.start_time, "filter.start_time") if message.HasField("start_time") else None,
        end=from_timestamp(message.end_time, "filter.end_time") if message.HasField("end_time") else None,
        revision=message.revision,
        topic_filter=message.topic_filter,
    )


def conditions(query: Query, wanted: Wanted, *, devices: bool = True) -> list[str]:
    """Gives what must hold of `validator.quarantine q`, to be joined by AND; empty for all items.

    Args:
        query: Takes the arguments.
        wanted: The filter.
        devices: False where the caller narrows by device in another way.
    """
    found = []
    if wanted.contract:
        found.append(f"q.contract = {query.argument(wanted.contract, 'text')}")
    if wanted.kinds:
        found.append(f"q.kind = ANY ({query.argument(list(wanted.kinds), 'text[]')})")
        if list(wanted.kinds) == ["UNROUTED"]:
            found.append("q.kind = 'UNROUTED'")  # a constant, so that the partial index over topics serves
    if devices and wanted.device_ids is not None:
        found.append(f"q.device_id = ANY ({query.argument(list(wanted.device_ids), 'text[]')})")
    if reason := {key: value for key, value in (("path", wanted.path), ("rule", wanted.rule)) if value}:
        found.append(f"q.reasons @> {query.argument(json.dumps([reason]), 'text')}::jsonb")
    if wanted.start is not None:
        found.append(f"q.receive_time >= {query.argument(wanted.start, 'timestamptz')}")
    if wanted.end is not None:
        found.append(f"q.receive_time < {query.argument(wanted.end, 'timestamptz')}")
    if wanted.revision:
        found.append(f"q.revision = {query.argument(wanted.revision, 'bigint')}")
    if wanted.topic_filter:
        found += _topic_conditions(query, wanted.topic_filter)
    return found


async def id_range(connection: Connection, wanted: Wanted) -> tuple[int, int]:
    """Says between which ids, both included, all items of the filter lie; only its times are looked at.

    Reads nothing but the index over receive times. Items that come later may lie above.

    Raises:
        asyncpg.PostgresError: Postgres failed.
    """
    if wanted.start is None and wanted.end is None:
        return 0, MAX_ID
    query = Query()
    where = " AND ".join(conditions(query, Wanted(start=wanted.start, end=wanted.end)))
    row = await connection.fetchrow(
        f"SELECT min(q.quarantine_id + 0) AS low, max(q.quarantine_id + 0) AS high FROM validator.quarantine q WHERE {where}",  # noqa: S608
        *query.arguments,
    )
    return (0, -1) if row is None or row["low"] is None else (row["low"], row["high"])


def topic_pattern(topic_filter: str) -> str:
    """Gives the regular expression of Postgres that matches what an MQTT topic filter matches."""
    levels = topic_filter.split("/")
    rest = levels[-1] == "#"
    named = ["[^/]*" if level == "+" else _escaped(level) for level in (levels[:-1] if rest else levels)]
    pattern = "/".join(named)
    if rest:
        pattern += "(/.*)?" if named else ".*"
    return f"^{'(?![$])' if levels[0] in {'+', '#'} else ''}{pattern}$"


def _topic_conditions(query: Query, topic_filter: str) -> list[str]:
    if "+" not in topic_filter and "#" not in topic_filter:
        return [f"q.topic = {query.argument(topic_filter, 'text')}"]
    found = [f"q.topic ~ {query.argument(topic_pattern(topic_filter), 'text')}"]
    levels = topic_filter.split("/")
    literal = levels[: next(index for index, level in enumerate(levels) if level in {"+", "#"})]
    if literal:
        # "a/#" matches "a" too: without the last "/".
        found.append(f"q.topic ^@ {query.argument('/'.join(literal), 'text')}")
    return found


def _escaped(level: str) -> str:
    return "".join(
        f"\\{character}" if character.isascii() and not character.isalnum() and character.isprintable() else character
        for character in level
    )
