"""The SQL behind LedgerService.ListLedgerEntries. Pure: text and arguments, no connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dataflow_validator.readings.queries import Query

_SUMS: Final = ", ".join(
    f"coalesce(sum(d.value::bigint) FILTER (WHERE o.key = '{outcome}'), 0)::bigint AS {outcome}"
    for outcome in ("stored", "duplicate", "conflict", "quarantined")
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; what is empty or `None` does not narrow.

    Attributes:
        bridge_id: Of this bridge.
        boot_id: Of this life of it; minutes have none.
        contract: With items of this contract, which alone are counted.
        device_id: With items of this device, which alone are counted.
        start: Committed from this time on.
        end: Committed before this time.
    """

    bridge_id: str = ""
    boot_id: UUID | None = None
    contract: str = ""
    device_id: str = ""
    start: datetime | None = None
    end: datetime | None = None


def batch_query(wanted: Wanted, before: tuple[str, str] | None, limit: int) -> Query:
    """One entry for each batch, the newest transaction first.

    Args:
        wanted: Which ones.
        before: Transaction and batch id of the last one of the page before.
        limit: At most so many.
    """
    query = Query()
    where = _where(query, wanted, "l.commit_time")
    if wanted.boot_id is not None:
        where.append(f"l.boot_id = {query.argument(wanted.boot_id, 'uuid')}")
    if before is not None:
        xid, batch_id = query.argument(before[0], "text"), query.argument(UUID(before[1]), "uuid")
        where.append(f"(l.stored_xid, l.batch_id) < ({xid}::xid8, {batch_id})")
    columns = "l.stored_xid::text AS xid, l.batch_id, l.commit_time AS time, l.bridge_id, l.boot_id, l.sequence, l.node"
    totals = "l.stored, l.duplicate, l.conflict, l.quarantined, l.parked"
    source = "validator.ledger l"
    if wanted.contract or wanted.device_id:
        inside = []
        if wanted.contract:
            name = query.argument(wanted.contract, "text")
            inside.append(f"c.key = {name}")
            where.append(f"l.counts ? {name}")
        if wanted.device_id:
            inside.append(f"d.key = {query.argument(wanted.device_id, 'text')}")
        source += (
            f" CROSS JOIN LATERAL (SELECT count(*) AS parts, {_SUMS}"  # noqa: S608 - constants and placeholders
            " FROM jsonb_each(l.counts) c, jsonb_each(c.value) o, jsonb_each_text(o.value) d"
            f" WHERE {' AND '.join(inside)}) n"
        )
        where.append("n.parts > 0")
        totals = "n.stored, n.duplicate, n.conflict, n.quarantined, 0 AS parked"
    query.sql = (
        f"SELECT {columns}, {totals} FROM {source}{_text(where)} "  # noqa: S608 - as above
        f"ORDER BY l.stored_xid DESC, l.batch_id DESC LIMIT {query.argument(limit, 'bigint')}"
    )
    return query


def minute_query(wanted: Wanted, before: tuple[datetime, str, str, str] | None, limit: int) -> Query:
    """One entry for each minute, bridge, contract and device, the newest first.

    Args:
        wanted: Which ones.
        before: Minute, bridge, contract and device of the last one of the page before.
        limit: At most so many.
    """
    query = Query()
    where = _where(query, wanted, "l.minute")
    if wanted.contract:
        where.append(f"l.contract = {query.argument(wanted.contract, 'text')}")
    if wanted.device_id:
        where.append(f"l.device_id = {query.argument(wanted.device_id, 'text')}")
    if before is not None:
        minute = query.argument(before[0], "timestamptz")
        texts = ", ".join(query.argument(part, "text") for part in before[1:])
        where.append(f"(l.minute, l.bridge_id, l.contract, l.device_id) < ({minute}, {texts})")
    query.sql = (
        "SELECT l.minute AS time, l.bridge_id, l.contract, l.device_id, "  # noqa: S608 - constants and placeholders
        f"l.stored, l.duplicate, l.conflict, l.quarantined, l.parked FROM validator.ledger_minute l{_text(where)} "
        "ORDER BY l.minute DESC, l.bridge_id DESC, l.contract DESC, l.device_id DESC "
        f"LIMIT {query.argument(limit, 'bigint')}"
    )
    return query


def _where(query: Query, wanted: Wanted, time: str) -> list[str]:
    where = []
    if wanted.bridge_id:
        where.append(f"l.bridge_id = {query.argument(wanted.bridge_id, 'text')}")
    if wanted.start is not None:
        where.append(f"{time} >= {query.argument(wanted.start, 'timestamptz')}")
    if wanted.end is not None:
        where.append(f"{time} < {query.argument(wanted.end, 'timestamptz')}")
    return where


def _text(where: list[str]) -> str:
    return f" WHERE {' AND '.join(where)}" if where else ""
