"""The account: every message is one row or one quarantined item, with the verdict of exactly the revision that it carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from tests.benchmarks.contract_edits.rules import CONTRACT, MAX_ADDED, MODES, Rules

_TABLE: Final = f'readings."{CONTRACT}"'
_SLACK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Edit:
    """One activation.

    Attributes:
        revision: Which revision judges from then on.
        asked: When it was asked for, in seconds since 1970.
        answered: When it was answered: it was committed before.
    """

    revision: int
    asked: float
    answered: float


async def stored(connection: asyncpg.Connection[asyncpg.Record]) -> int:
    """Counts what of the messages is stored, as row or in quarantine."""
    return int(
        await connection.fetchval(
            f"SELECT (SELECT count(*) FROM {_TABLE}) + (SELECT count(*) FROM validator.quarantine WHERE contract = $1)",
            CONTRACT,
        )
    )


async def account(
    connection: asyncpg.Connection[asyncpg.Record], rules: Sequence[Rules], edits: Sequence[Edit], acknowledged: int
) -> dict[str, Any]:
    """Compares what is stored with what the rules say of each number.

    Args:
        connection: To the stack's database, after all is stored.
        rules: Of every revision.
        edits: In their order, the first one the contract's making.
        acknowledged: The messages are 0 up to this number.
    """
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(
        "CREATE TEMP TABLE said AS SELECT * FROM unnest($1::int[], $2::int[], $3::int[], $4::int[]) "
        "AS s (revision, highest, excluded, added)",
        [one.revision for one in rules],
        [one.highest for one in rules],
        [one.excluded for one in rules],
        [one.added for one in rules],
    )
    await connection.execute(
        "CREATE TEMP TABLE refused AS SELECT (payload ->> 'n')::bigint AS n, q.revision, q.kind, q.batch_id, "
        "jsonb_array_length(q.reasons) AS reasons FROM (SELECT convert_from(payload, 'UTF8')::jsonb AS payload, "
        "revision, kind, batch_id, reasons FROM validator.quarantine WHERE contract = $1) q",
        CONTRACT,
    )
    return {
        **await _everything_once(connection, acknowledged),
        "wrong_rows": await connection.fetchval(
            f"SELECT count(*) FROM {_TABLE} r LEFT JOIN said s USING (revision) WHERE s.revision IS NULL "
            f"OR r.value > s.highest OR r.value <> n % 100 OR r.mode <> 'm' || n % {MODES} OR n % {MODES} = s.excluded"
        ),
        "wrong_columns": await _wrong_columns(connection),
        "wrong_refusals": await connection.fetchval(
            "SELECT count(*) FROM refused r LEFT JOIN said s USING (revision) WHERE s.revision IS NULL OR r.kind <> 'REFUSED' "
            f"OR r.reasons <> (n % 100 > s.highest)::int + (n % {MODES} = s.excluded)::int OR r.reasons = 0"
        ),
        **await _revisions_in_order(connection, edits),
        "longest_gap_between_transactions_ms": round(await _longest_gap(connection, edits[0].asked) * 1000),
    }


async def _everything_once(connection: asyncpg.Connection[asyncpg.Record], acknowledged: int) -> dict[str, int]:
    row = await connection.fetchrow(
        f"SELECT count(*) AS items, count(DISTINCT n) AS numbers, count(*) FILTER (WHERE kept) AS rows "
        f"FROM (SELECT n, true AS kept FROM {_TABLE} UNION ALL SELECT n, false FROM refused) a WHERE n < $1",
        acknowledged,
    )
    assert row is not None, "an aggregate gives a row"
    return {
        "rows": row["rows"],
        "refused": row["items"] - row["rows"],
        "lost": acknowledged - row["numbers"],
        "twice": row["items"] - row["numbers"],
    }


async def _wrong_columns(connection: asyncpg.Connection[asyncpg.Record]) -> int:
    """Rows whose optional columns are not exactly the fields of their revision."""
    names = {
        row["attname"]
        for row in await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0", _TABLE
        )
    }
    added = [f"x{place}" for place in range(MAX_ADDED) if f"x{place}" in names]
    if not added:
        return 0
    filled, value = f"num_nonnulls({', '.join(added)})", f"coalesce({', '.join(added)})"
    return int(
        await connection.fetchval(
            f"SELECT count(*) FROM {_TABLE} r JOIN said s USING (revision) "
            f"WHERE {filled} <> (n % {MAX_ADDED} < s.added)::int OR (n % {MAX_ADDED} < s.added AND {value} IS DISTINCT FROM n)"
        )
    )


async def _revisions_in_order(
    connection: asyncpg.Connection[asyncpg.Record], edits: Sequence[Edit]
) -> dict[str, float]:
    """Counts transactions of two revisions, of an older one than was active, and of one that nobody had asked for."""
    row = await connection.fetchrow(
        f"""WITH judged AS (
            SELECT l.batch_id, l.stored_xid, l.commit_time AS begun FROM validator.ledger l
        ), used AS (
            SELECT j.stored_xid, j.begun, r.revision FROM judged j JOIN refused r USING (batch_id)
            UNION
            SELECT j.stored_xid, j.begun, r.revision
            FROM (SELECT DISTINCT stored_xid, begun FROM judged) j
            JOIN (SELECT DISTINCT stored_xid, revision FROM {_TABLE}) r USING (stored_xid)
        ), transactions AS (
            SELECT stored_xid, min(begun) AS begun, min(revision) AS lowest, max(revision) AS highest FROM used GROUP BY 1
        ), edits AS (
            SELECT * FROM unnest($1::int[], $2::double precision[], $3::double precision[]) AS e (revision, asked, answered)
        ), expected AS (
            SELECT t.*,
                (SELECT max(revision) FROM edits WHERE answered < extract(epoch FROM t.begun)) AS at_least,
                (SELECT max(revision) FROM edits WHERE asked < extract(epoch FROM t.begun) + $4) AS at_most
            FROM transactions t
        )
        SELECT count(*) AS transactions, count(*) FILTER (WHERE lowest <> highest) AS mixed,
               count(*) FILTER (WHERE lowest < at_least) AS stale, count(*) FILTER (WHERE highest > at_most) AS early
        FROM expected""",
        [edit.revision for edit in edits],
        [edit.asked for edit in edits],
        [edit.answered for edit in edits],
        _SLACK_SECONDS,
    )
    assert row is not None, "an aggregate gives a row"
    return {
        "store_transactions": row["transactions"],
        "transactions_of_two_revisions": row["mixed"],
        "transactions_of_an_old_revision": row["stale"],
        "transactions_of_a_revision_too_early": row["early"],
    }


async def _longest_gap(connection: asyncpg.Connection[asyncpg.Record], since: float) -> float:
    """The longest time between the beginnings of two store transactions, whoever's."""
    return float(
        await connection.fetchval(
            "SELECT coalesce(max(extract(epoch FROM gap)), 0) FROM (SELECT commit_time - lag(commit_time) OVER (ORDER BY "
            "commit_time) AS gap FROM (SELECT DISTINCT commit_time FROM validator.batch WHERE commit_time > to_timestamp($1)) b) g",
            since,
        )
    )
