"""Reconciles what was acknowledged with what Postgres holds, by SQL alone, and names whatever does not agree.

The payload of every item holds a number that no other item has. So "lost" and "twice" are decided by looking for the
number, not by what the system says of itself; what it says of itself (the ledger) is then held against that.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import asyncpg

from tests.chaos.campaign_load import LANES, Journal

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_EXAMPLES: Final = 5

_TABLES: Final = """
DROP TABLE IF EXISTS pg_temp.item, pg_temp.place;
CREATE TEMP TABLE item (
    n bigint PRIMARY KEY, contract text NOT NULL, kind text NOT NULL, fate text NOT NULL, contest bigint NOT NULL,
    acknowledged bigint NOT NULL, sent bigint NOT NULL, resent bigint NOT NULL);
CREATE TEMP TABLE place (
    n bigint, contract text NOT NULL, place text NOT NULL, id_kind text, marked boolean, batch_id uuid);
"""

_QUARANTINED: Final = r"""
INSERT INTO place
SELECT substring(convert_from(payload, 'UTF8') FROM '"n": (\d+)')::bigint,
       CASE kind WHEN 'UNROUTED' THEN split_part(topic, '/', 1) ELSE contract END,
       CASE kind WHEN 'UNPARSABLE' THEN 'refused' ELSE lower(kind) END, id_kind::text, NULL, batch_id
FROM validator.quarantine
WHERE starts_with(topic, 'kill_')
"""

CHECKS: Final[dict[str, str]] = {
    "lost: acknowledged, and nowhere": """
        SELECT i.* FROM item i WHERE acknowledged > 0 AND NOT EXISTS (SELECT FROM place p WHERE p.n = i.n)""",
    "foreign: stored, and never sent": """
        SELECT p.* FROM place p LEFT JOIN item i USING (n) WHERE i.n IS NULL OR i.contract <> p.contract""",
    "wrong place": """
        SELECT i.n, i.contract, i.fate, p.place FROM place p JOIN item i USING (n)
        WHERE p.place <> i.fate AND NOT (i.fate = 'contested' AND p.place IN ('row', 'conflict'))""",
    "wrong kind of message id in quarantine": """
        SELECT i.n, i.contract, p.place, p.id_kind FROM place p JOIN item i USING (n)
        WHERE p.id_kind = 'd' AND i.kind <> 'd' AND NOT (i.kind IN ('a', 'c') AND p.place = 'unrouted')""",
    "twice: of a kind that is recognised": """
        SELECT n, i.contract, i.kind, count(*), array_agg(p.place) FROM place p JOIN item i USING (n)
        WHERE i.kind <> 'd' AND p.id_kind IS DISTINCT FROM 'd' GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "twice: more often than it was sent again": """
        SELECT n, i.contract, count(*), min(i.sent + i.resent) AS sent FROM place p JOIN item i USING (n)
        GROUP BY 1, 2 HAVING count(*) > min(i.sent + i.resent)""",
    "twice: extra rows that are not marked maybe_duplicate": """
        SELECT n, i.contract, count(*) FROM place p JOIN item i USING (n)
        WHERE p.marked IS FALSE GROUP BY 1, 2 HAVING count(*) > 1""",
    "marked maybe_duplicate, and never sent again": """
        SELECT n, i.contract FROM place p JOIN item i USING (n) WHERE p.marked AND i.resent = 0""",
    "contested: not exactly one row": """
        SELECT i.contest, count(*) AS items, count(*) FILTER (WHERE p.place = 'row') AS rows
        FROM item i LEFT JOIN place p USING (n) WHERE i.fate = 'contested' AND i.acknowledged > 0
        GROUP BY 1 HAVING count(*) FILTER (WHERE p.place = 'row') <> 1""",
    "ledger: sums of a batch do not agree": """
        SELECT batch_id, items, stored, duplicate, conflict, quarantined, parked FROM validator.ledger
        WHERE items <> stored + duplicate + conflict + quarantined + parked""",
    "ledger: not one line and one log for each batch": """
        SELECT b.batch_id, l.lines, r.logs FROM validator.batch b
        LEFT JOIN (SELECT batch_id, count(*) AS lines FROM validator.ledger GROUP BY 1) l USING (batch_id)
        LEFT JOIN (SELECT batch_id, count(*) AS logs FROM validator.raw_log GROUP BY 1) r USING (batch_id)
        WHERE l.lines IS DISTINCT FROM 1 OR r.logs IS DISTINCT FROM 1""",
    "ledger: a line without its batch": """
        SELECT l.batch_id FROM validator.ledger l LEFT JOIN validator.batch b USING (batch_id)
        WHERE b.batch_id IS NULL AND l.parked = 0""",
    "ledger: counts other than what is there": """
        WITH booked AS (
            SELECT c.contract, o.outcome, sum(d.items::bigint) AS items
            FROM validator.ledger l, jsonb_each(l.counts) AS c (contract, outcomes),
                 jsonb_each(c.outcomes) AS o (outcome, devices), jsonb_each_text(o.devices) AS d (device, items)
            WHERE c.contract = '' OR starts_with(c.contract, 'kill_') GROUP BY 1, 2),
        there AS (
            SELECT CASE place WHEN 'unrouted' THEN '' ELSE contract END AS contract,
                   CASE place WHEN 'row' THEN 'stored' WHEN 'conflict' THEN 'conflict' ELSE 'quarantined' END AS outcome,
                   count(*) AS items FROM place GROUP BY 1, 2)
        SELECT contract, outcome, b.items AS booked, t.items AS there
        FROM booked b FULL JOIN there t USING (contract, outcome)
        WHERE outcome <> 'duplicate' AND b.items IS DISTINCT FROM t.items""",
    "ledger: fewer items than were acknowledged, or more than were sent": """
        WITH booked AS (
            SELECT sum(d.items::bigint) AS items
            FROM validator.ledger l, jsonb_each(l.counts) AS c (contract, outcomes),
                 jsonb_each(c.outcomes) AS o (outcome, devices), jsonb_each_text(o.devices) AS d (device, items)
            WHERE c.contract = '' OR starts_with(c.contract, 'kill_')),
        sent AS (SELECT sum(acknowledged) AS least, sum(sent + resent) AS most FROM item)
        SELECT items, least, most FROM booked, sent WHERE coalesce(items, 0) NOT BETWEEN least AND most""",
    "sequence: acknowledged by its bridge, never committed": """
        SELECT bridge_id, boot_id, through, committed FROM (
            SELECT l.bridge_id, l.boot_id, max(l.acknowledged_through) AS through FROM validator.ledger l GROUP BY 1, 2) t
        CROSS JOIN LATERAL (
            SELECT count(*) AS committed FROM validator.batch b
            WHERE b.boot_id = t.boot_id AND b.sequence <= t.through) c
        WHERE committed <> through""",
    "parked: though nothing is wrong with it": "SELECT batch_id, node, reason FROM validator.parked",
}


@dataclass(slots=True)
class Findings:
    """What a reconciliation says."""

    counts: dict[str, Any] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)
    """By check: how many, and the first few."""


async def reconcile(connection: Connection, journal: Journal, *, deaths: int) -> Findings:
    """Compares the journal with the tables.

    Args:
        connection: As an owner of the tables. Makes temporary tables.
        journal: What was sent and acknowledged.
        deaths: Of validators and of Postgres: so many lone tries may have been left open.
    """
    await connection.execute(_TABLES)
    await connection.copy_records_to_table("item", records=_items(journal))
    for lane in LANES:
        await connection.execute(
            f"INSERT INTO place SELECT n, $1, 'row', NULL, maybe_duplicate, NULL FROM readings.\"{lane.contract}\"",
            lane.contract,
        )
    await connection.execute(_QUARANTINED)
    await connection.execute("CREATE INDEX ON pg_temp.place (n); ANALYZE pg_temp.place; ANALYZE pg_temp.item")
    findings = Findings(await _counts(connection, journal))
    for name, statement in CHECKS.items():
        await _look(connection, findings, name, statement)
    await _look(
        connection,
        findings,
        "suspect: more lone deaths than deaths",
        "SELECT batch_id, lone_deaths FROM validator.suspect WHERE lone_deaths > 0"
        f" AND (SELECT sum(lone_deaths) FROM validator.suspect) > {deaths}",
    )
    return findings


async def _look(connection: Connection, findings: Findings, name: str, statement: str) -> None:
    records = await connection.fetch(statement)
    if records:
        shown = [" ".join(f"{key}={value}" for key, value in record.items()) for record in records[:_EXAMPLES]]
        findings.violations[name] = [f"{len(records)} in all", *shown]


def _items(journal: Journal) -> list[tuple[object, ...]]:
    acknowledged: Counter[int] = Counter()
    sent: Counter[int] = Counter()
    resent: Counter[int] = Counter()
    for sending, numbers in enumerate(journal.sendings):
        for number in numbers:
            acknowledged[number] += sending in journal.acknowledged
            sent[number] += 1
            resent[number] += journal.resent[sending]
    return [
        (n, i.lane.contract, i.lane.kind, i.fate.value, i.group, acknowledged[n], sent[n], resent[n])
        for n, i in journal.items.items()
    ]


async def _counts(connection: Connection, journal: Journal) -> dict[str, Any]:
    places = await connection.fetch("SELECT contract, place, count(*) AS c FROM place GROUP BY 1, 2 ORDER BY 1, 2")
    ledger = await connection.fetchrow(
        "SELECT count(*) AS batches, sum(items) AS items, sum(stored) AS stored, sum(duplicate) AS duplicate,"
        " sum(conflict) AS conflict, sum(quarantined) AS quarantined FROM validator.ledger"
    )
    extra = await connection.fetchrow(
        "SELECT coalesce(sum(c - 1), 0) AS extra, coalesce(sum(marked), 0) AS marked FROM ("
        " SELECT n, count(*) AS c, count(*) FILTER (WHERE marked) AS marked FROM place"
        " WHERE contract = 'kill_d' AND place = 'row' GROUP BY 1 HAVING count(*) > 1) t"
    )
    assert ledger is not None
    assert extra is not None
    by_contract: dict[str, dict[str, int]] = {}
    for record in places:
        by_contract.setdefault(record["contract"], {})[record["place"]] = record["c"]
    return {
        "messages_published": len(journal.sendings),
        "messages_acknowledged": len(journal.acknowledged),
        "packets_resent": journal.resent.total(),
        "items_sent": sum(len(numbers) for numbers in journal.sendings),
        "items_distinct": len(journal.items),
        "found": by_contract,
        "extra_rows_of_kind_d": int(extra["extra"]),
        "extra_rows_of_kind_d_marked": int(extra["marked"]),
        "ledger": {key: int(value or 0) for key, value in ledger.items()},
        "suspects_left": await connection.fetchval("SELECT count(*) FROM validator.suspect"),
    }
