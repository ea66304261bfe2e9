"""Reconciles what was acknowledged with what Postgres holds, by SQL alone, and says what led to each thing that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import asyncpg
from dataflow_ring.batch import unpack

from tests.chaos.prove.checks import CHECKS, COLUMNS, INDEXES, ITEMS, JOURNAL_TABLES, PLACES
from tests.chaos.prove.history import History
from tests.chaos.prove.journal import Journal

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_EXAMPLES: Final = 5
_STATEMENT_SECONDS: Final = 900.0
_LATEST_BATCH_SECONDS: Final = 300.0
"""So long after a message was sent its batch is looked for."""


@dataclass(slots=True)
class Findings:
    """What a reconciliation says."""

    counts: dict[str, Any] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)
    """By check: how many, the first few, and for items what led to it."""


async def reconcile(
    connection: Connection, journal: Journal, *, deaths: int, history: History | None = None
) -> Findings:
    """Compares the journal with the tables.

    Args:
        connection: As an owner of the tables. Makes temporary tables.
        journal: What was sent and acknowledged.
        deaths: Of validators and of Postgres: so many lone tries may have been left open.
        history: What was done; for the account of what led to a violation.
    """
    await load(connection, journal)
    findings = Findings(await _counts(connection, journal))
    for name, statement in CHECKS.items():
        arguments = [deaths] if "$1" in statement else []
        few = f"SELECT count(*) OVER () AS in_all, t.* FROM ({statement}) t LIMIT {_EXAMPLES}"
        records = await connection.fetch(few, *arguments, timeout=_STATEMENT_SECONDS)
        if records:
            shown = [f"{records[0]['in_all']} in all"]
            for record in records:
                shown.append(" ".join(f"{key}={value}" for key, value in record.items() if key != "in_all"))
                if history is not None and record.get("n") is not None:
                    shown += [f"    {line}" for line in await _story(connection, int(record["n"]), history)]
            findings.violations[name] = shown
    return findings


async def load(connection: Connection, journal: Journal) -> None:
    """Copies the journal into temporary tables, and finds the place of every item."""
    journal.flush()
    await connection.execute(JOURNAL_TABLES)
    for name, (table, columns) in COLUMNS.items():
        await connection.copy_to_table(
            table, source=journal.path(name), columns=columns, format="text", timeout=_STATEMENT_SECONDS
        )
    for statements in (ITEMS, PLACES, INDEXES):
        await connection.execute(statements, timeout=_STATEMENT_SECONDS)


async def _story(connection: Connection, number: int, history: History) -> Sequence[str]:
    """Returns in lines what happened to one item: sent, acknowledged, batches, places, and the faults around it."""
    sendings = await connection.fetch(
        "SELECT s.*, (SELECT array_agg(what || ' at ' || at ORDER BY at) FROM event e WHERE e.sending = s.sending) AS events,"
        " (SELECT max(at) FROM event e WHERE e.sending = s.sending) AS last_at"
        " FROM sending s JOIN carried c USING (sending) WHERE c.n = $1 ORDER BY sent_at", number,
    )  # fmt: skip
    if not sendings:
        return ["nobody sent it"]
    lines = [
        f"sent at {one['sent_at']:.3f} s by {one['publisher']} to {one['topic']}: {', '.join(one['events'] or ['nothing'])}"
        for one in sendings
    ]
    first = sendings[0]["sent_at"]
    last = max(one["last_at"] or one["sent_at"] for one in sendings)
    places = await connection.fetch("SELECT place, marked, batch_id FROM place WHERE n = $1", number)
    lines.append(f"found: {', '.join(' '.join(str(value) for value in one) for one in places) or 'nowhere'}")
    lines += await _batches(connection, number, sendings[0]["topic"], history.now() - first)
    lines += [f"around it: {event}" for event in history.around(first, last)]
    return lines


async def _batches(connection: Connection, number: int, topic: str, seconds_ago: float) -> list[str]:
    """Returns the committed batches that have an item, found by looking into the raw log of that time."""
    marker = f'"n": {number},'.encode()
    async with connection.transaction():
        cursor = connection.cursor(
            "SELECT r.batch_id, r.bytes, b.bridge_id, b.sequence, r.commit_time, l.node FROM validator.raw_log r"
            " LEFT JOIN validator.batch b USING (batch_id) LEFT JOIN validator.ledger l USING (batch_id)"
            " WHERE r.commit_time BETWEEN now() - make_interval(secs => $1) AND now() - make_interval(secs => $2)",
            seconds_ago + 1.0, seconds_ago - _LATEST_BATCH_SECONDS, prefetch=200,
        )  # fmt: skip
        found = [
            f"in batch {row['batch_id']}: {row['bridge_id']} sequence {row['sequence']}, read from {row['node']},"
            f" committed {row['commit_time']:%H:%M:%S.%f}"
            async for row in cursor
            if any(message.topic == topic and marker in message.payload for message in unpack(row["bytes"]).messages)
        ]
    return found or ["in no committed batch"]


async def _counts(connection: Connection, journal: Journal) -> dict[str, Any]:
    places = await connection.fetch("SELECT contract, place, count(*) AS c FROM place GROUP BY 1, 2 ORDER BY 1, 2")
    ledger = await connection.fetchrow(
        "SELECT count(*) AS batches, sum(items) AS items, sum(stored) AS stored, sum(duplicate) AS duplicate,"
        " sum(conflict) AS conflict, sum(quarantined) AS quarantined FROM validator.ledger"
    )
    extra = await connection.fetchrow(
        "SELECT coalesce(sum(c - 1), 0) AS extra, coalesce(sum(least(marked, c - 1)), 0) AS marked FROM ("
        " SELECT n, count(*) AS c, count(*) FILTER (WHERE marked) AS marked FROM place"
        " WHERE contract = 'prove_d' AND place = 'row' GROUP BY 1 HAVING count(*) > 1) t"
    )
    by_way = await connection.fetch(
        "SELECT split_part(publisher, '-', 1) AS way, split_part(publisher, '-', 2) AS kind, count(*) AS sent,"
        " count(e.sending) AS acknowledged"
        " FROM sending s LEFT JOIN event e ON e.sending = s.sending AND e.what = 'ack' GROUP BY 1, 2 ORDER BY 1, 2",
        timeout=_STATEMENT_SECONDS,
    )
    assert ledger is not None
    assert extra is not None
    by_contract: dict[str, dict[str, int]] = {}
    for record in places:
        by_contract.setdefault(record["contract"], {})[record["place"]] = record["c"]
    acknowledged_by: dict[str, dict[str, int]] = {}
    for record in by_way:
        acknowledged_by.setdefault(record["way"], {})[record["kind"]] = record["acknowledged"]
    totals = journal.totals
    return {
        "messages_published": totals.sendings,
        "messages_acknowledged": totals.acknowledged,
        "acknowledged_by": acknowledged_by,
        "packets_resent": totals.again,
        "items_distinct": totals.items,
        "found": by_contract,
        "extra_rows_of_kind_d": int(extra["extra"]),
        "extra_rows_of_kind_d_marked": int(extra["marked"]),
        "ledger": {key: int(value or 0) for key, value in ledger.items()},
        "suspects_left": await connection.fetchval("SELECT count(*) FROM validator.suspect"),
    }
