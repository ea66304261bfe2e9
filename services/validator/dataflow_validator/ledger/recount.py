"""Counts again what the ledger says was stored and quarantined: from the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.pages import STATEMENT_TIMEOUT_MS
from dataflow_validator.readings.rows import readings_table
from dataflow_validator.statements import statements

_TRANSACTIONS: Final = statements("ledger")["transactions"]


@dataclass(frozen=True, slots=True)
class Counted:
    """What the ledger says of a time, beside what is there.

    Attributes:
        ledger_stored: Readings, says the ledger.
        found_stored: Rows of the same transactions.
        ledger_quarantined: Items in quarantine, says the ledger, conflicts included.
        found_quarantined: Items of the same batches.
        differing: Contracts with fewer or more rows than the ledger says.
    """

    ledger_stored: int
    found_stored: int
    ledger_quarantined: int
    found_quarantined: int
    differing: Sequence[str]


async def recount(pool: Pool, start: datetime, end: datetime) -> Counted:
    """Counts, in one snapshot, what was committed by transactions that began in a time.

    Raises:
        asyncpg.QueryCanceledError: It took too long.
        asyncpg.PostgresError, OSError: Postgres failed.
    """
    sql = {name: text.replace("{transactions}", _TRANSACTIONS) for name, text in statements("ledger").items()}
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
        totals = await connection.fetchrow(sql["recount"], start, end)
        assert totals is not None
        found_quarantined = await connection.fetchval(sql["found_quarantined"], start, end)
        found_stored, differing = 0, []
        for record in await connection.fetch(sql["stored_by_contract"], start, end):
            name = record["contract"]
            found = await _rows(connection, name, start, end)
            found_stored += found
            if found != record["stored"]:
                differing.append(name)
    return Counted(totals["stored"], found_stored, totals["quarantined"], found_quarantined, differing)


async def _rows(connection: Connection, contract: str, start: datetime, end: datetime) -> int:
    if not contract:
        return 0
    # The range first, by the indexed expression (docs/adr/0007): the list alone would read the whole table.
    query = f"""
        WITH written AS MATERIALIZED ({_TRANSACTIONS})
        SELECT count(*) FROM {readings_table(contract)}
        WHERE (stored_xid::text)::bigint >= (SELECT min((stored_xid::text)::bigint) FROM written)
          AND (stored_xid::text)::bigint <= (SELECT max((stored_xid::text)::bigint) FROM written)
          AND stored_xid IN (SELECT stored_xid FROM written)"""  # noqa: S608 - a contract's name is an identifier
    return int(await connection.fetchval(query, start, end))
