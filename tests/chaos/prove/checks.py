"""The account in SQL: what was sent and acknowledged on one side, what Postgres holds on the other, and what must agree.

The payload of every item holds a number that no other item has. So "lost" and "twice" are decided by looking for the
number, not by what the system says of itself; what it says of itself (the ledger) is then held against that.
"""

from __future__ import annotations

from typing import Final

from tests.chaos.prove.messages import LANES, PREFIX

JOURNAL_TABLES: Final = """
DROP TABLE IF EXISTS pg_temp.sent_item, pg_temp.sending, pg_temp.carried, pg_temp.event, pg_temp.item, pg_temp.place;
CREATE TEMP TABLE sent_item (n bigint, contract text, kind text, fate text, contest bigint);
CREATE TEMP TABLE sending (sending bigint, publisher text, topic text, sent_at double precision, counted boolean);
CREATE TEMP TABLE carried (sending bigint, n bigint);
CREATE TEMP TABLE event (sending bigint, what text, at double precision);
CREATE TEMP TABLE place (
    n bigint, contract text NOT NULL, place text NOT NULL, id_kind text, marked boolean, batch_id uuid);
"""
"""The journal as it is; `sent_item` is item.tsv."""

COLUMNS: Final = {
    "item": ("sent_item", ("n", "contract", "kind", "fate", "contest")),
    "sending": ("sending", ("sending", "publisher", "topic", "sent_at", "counted")),
    "carried": ("carried", ("sending", "n")),
    "event": ("event", ("sending", "what", "at")),
}
"""Table and columns of each file of the journal."""

ITEMS: Final = """
CREATE TEMP TABLE item AS
WITH happened AS (
    SELECT sending, count(*) FILTER (WHERE what = 'ack') AS acknowledged, count(*) FILTER (WHERE what = 'again') AS again
    FROM event GROUP BY 1),
gone_out AS (
    SELECT c.n, count(*) AS sent, coalesce(sum(h.acknowledged), 0)::bigint AS acknowledged,
           coalesce(sum(h.again), 0)::bigint AS resent, bool_and(s.counted) AS counted
    FROM carried c JOIN sending s USING (sending) LEFT JOIN happened h USING (sending) GROUP BY 1),
contested AS (SELECT DISTINCT contest FROM sent_item WHERE contest <> n)
SELECT i.n, i.contract, i.kind, CASE WHEN c.contest IS NULL THEN i.fate ELSE 'contested' END AS fate, i.contest,
       coalesce(g.sent, 0) AS sent, coalesce(g.acknowledged, 0) AS acknowledged, coalesce(g.resent, 0) AS resent,
       coalesce(g.counted, true) AS counted
FROM sent_item i LEFT JOIN gone_out g USING (n) LEFT JOIN contested c USING (contest)
"""
"""One line for each item: how often it went out, in how many acknowledged messages."""

PLACES: Final = (
    "".join(
        f"INSERT INTO place SELECT n, '{lane.contract}', 'row', NULL, maybe_duplicate, NULL"
        f' FROM readings."{lane.contract}";'
        for lane in LANES
    )
    + rf"""
INSERT INTO place
SELECT substring(convert_from(payload, 'UTF8') FROM '"n": (\d+)')::bigint,
       CASE kind WHEN 'UNROUTED' THEN split_part(topic, '/', 1) ELSE contract END,
       CASE kind WHEN 'UNPARSABLE' THEN 'refused' ELSE lower(kind) END, id_kind::text, NULL, batch_id
FROM validator.quarantine
WHERE starts_with(topic, '{PREFIX}');
"""
)
"""Where each item is, once for every time that it is there."""

INDEXES: Final = """
CREATE INDEX ON pg_temp.item (n); CREATE INDEX ON pg_temp.place (n);
CREATE INDEX ON pg_temp.carried (n); CREATE INDEX ON pg_temp.sending (sending); CREATE INDEX ON pg_temp.event (sending);
ANALYZE pg_temp.item; ANALYZE pg_temp.place; ANALYZE pg_temp.carried; ANALYZE pg_temp.sending; ANALYZE pg_temp.event;
"""

_BOOKED: Final = f"""
    SELECT c.contract, o.outcome, sum(d.items::bigint) AS items
    FROM validator.ledger l, jsonb_each(l.counts) AS c (contract, outcomes),
         jsonb_each(c.outcomes) AS o (outcome, devices), jsonb_each_text(o.devices) AS d (device, items)
    WHERE c.contract = '' OR starts_with(c.contract, '{PREFIX}') GROUP BY 1, 2"""

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
        SELECT n, i.contract, i.kind, count(*), array_agg(p.place) AS places FROM place p JOIN item i USING (n)
        WHERE i.kind <> 'd' AND p.id_kind IS DISTINCT FROM 'd' GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "twice: more often than it was sent again": """
        SELECT n, i.contract, count(*), min(i.sent + i.resent) AS sent FROM place p JOIN item i USING (n)
        WHERE i.counted GROUP BY 1, 2 HAVING count(*) > min(i.sent + i.resent)""",
    "twice: extra rows that are not marked maybe_duplicate": """
        SELECT n, i.contract, count(*) FROM place p JOIN item i USING (n)
        WHERE p.marked IS FALSE GROUP BY 1, 2
        HAVING count(*) > min(CASE WHEN i.counted THEN 1 ELSE i.sent + i.resent END)""",
    "marked maybe_duplicate, and never sent again": """
        SELECT n, i.contract FROM place p JOIN item i USING (n) WHERE p.marked AND i.resent = 0 AND i.counted""",
    "contested: not exactly one row": """
        SELECT i.contest AS n, count(*) AS items, count(*) FILTER (WHERE p.place = 'row') AS rows
        FROM item i LEFT JOIN place p USING (n) WHERE i.fate = 'contested'
        GROUP BY 1 HAVING bool_or(i.acknowledged > 0) AND count(*) FILTER (WHERE p.place = 'row') <> 1""",
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
    "ledger: counts other than what is there": f"""
        WITH booked AS ({_BOOKED}),
        there AS (
            SELECT CASE place WHEN 'unrouted' THEN '' ELSE contract END AS contract,
                   CASE place WHEN 'row' THEN 'stored' WHEN 'conflict' THEN 'conflict' ELSE 'quarantined' END AS outcome,
                   count(*) AS items FROM place GROUP BY 1, 2)
        SELECT contract, outcome, b.items AS booked, t.items AS there
        FROM booked b FULL JOIN there t USING (contract, outcome)
        WHERE outcome <> 'duplicate' AND b.items IS DISTINCT FROM t.items""",
    "ledger: fewer items than were acknowledged, or more than were sent": f"""
        WITH booked AS ({_BOOKED}), total AS (SELECT coalesce(sum(items), 0) AS items FROM booked),
        sent AS (
            SELECT sum(acknowledged) AS least, CASE WHEN bool_and(counted) THEN sum(sent + resent) END AS most FROM item)
        SELECT items, least, most FROM total, sent WHERE items < least OR items > most""",
    "sequence: acknowledged by its bridge, never committed": """
        SELECT bridge_id, boot_id, through, committed FROM (
            SELECT l.bridge_id, l.boot_id, max(l.acknowledged_through) AS through FROM validator.ledger l GROUP BY 1, 2) t
        CROSS JOIN LATERAL (
            SELECT count(*) AS committed FROM validator.batch b
            WHERE b.boot_id = t.boot_id AND b.sequence <= t.through) c
        WHERE committed <> through""",
    "parked: though nothing is wrong with it": "SELECT batch_id, node, reason FROM validator.parked",
    "suspect: more lone deaths than deaths": """
        SELECT batch_id, lone_deaths FROM validator.suspect WHERE lone_deaths > 0
        AND (SELECT sum(lone_deaths) FROM validator.suspect) > $1::bigint""",
}
"""By name: a statement that returns what does not agree. One with `$1` is given the deaths of readers.

What a client sends to a broker again becomes another message there, which nothing marks (the DUP flag is not passed on,
[MQTT-3.3.1-3]): of kind d it is another row.
"""
