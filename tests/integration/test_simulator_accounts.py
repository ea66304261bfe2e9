"""What the simulator reads from Postgres: the ledger's difference, rows against the log, and when rows were visible."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, postgres_cluster
from dataflow_simulator.accounts import Account
from dataflow_simulator.bench_rows import BenchTable, count_rows, row_latencies
from dataflow_simulator.failures import UnreachableError
from dataflow_simulator.load import LaneLog
from dataflow_simulator.packets import FIRST_SEQUENCE, LANE_STRIDE
from dataflow_simulator.visibility import Snapshot, watch
from dataflow_validator.testing import validator_database

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

pytestmark = pytest.mark.postgres

_TABLE = BenchTable("bench_c_0", "event_time")


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def pool(cluster: PostgresCluster) -> AsyncIterator[Pool]:
    async with validator_database(cluster) as made:
        yield made


@pytest.fixture
async def dsn(pool: Pool, cluster: PostgresCluster) -> str:
    return cluster.dsn_of(await pool.fetchval("SELECT current_database()"))


async def _commit(pool: Pool, messages: int, counts: dict[str, dict[str, dict[str, int]]], parked: int = 0) -> None:
    """Writes what a validator writes for one batch, as far as accounts look at it."""
    sums = {
        outcome: sum(sum(by.get(outcome, {}).values()) for by in counts.values())
        for outcome in ("stored", "duplicate", "conflict", "quarantined")
    }
    async with pool.acquire() as connection, connection.transaction():
        batch_id = await connection.fetchval("SELECT gen_random_uuid()")
        if not parked:
            await connection.execute(
                "INSERT INTO validator.batch VALUES ($1, 'b', gen_random_uuid(), 1, $2)", batch_id, messages
            )
        await connection.execute(
            "INSERT INTO validator.ledger VALUES ($1, 'b', gen_random_uuid(), 1, 1, 'n', $2, $3, $4, $5, $6, $7, $8)",
            batch_id, sum(sums.values()) + parked, *sums.values(), parked, json.dumps(counts),
        )  # fmt: skip


async def test_an_account_counts_what_came_after_it_was_opened(pool: Pool, dsn: str) -> None:
    """Earlier batches do not count, the bridge's own messages about connections neither."""
    await _commit(pool, 5, {"station": {"stored": {"a": 5}}})
    async with await Account.open(dsn) as account:
        await _commit(
            pool,
            3,
            {"station": {"stored": {"a": 1}, "quarantined": {"a": 1}}, "device_connection": {"stored": {"a": 1}}},
        )
        await _commit(pool, 1, {"station": {"stored": {"a": 3}, "duplicate": {"b": 2}, "conflict": {"b": 1}}})
        sums = await account.so_far()
    assert (sums.messages, sums.stored, sums.quarantined, sums.duplicate, sums.conflict) == (3, 4, 1, 2, 1)


async def test_waiting_ends_when_all_is_accounted_for(pool: Pool, dsn: str) -> None:
    """Messages, not items: an array is one message; messages about connections are not waited for instead."""
    async with await Account.open(dsn) as account:
        await _commit(pool, 3, {"device_connection": {"stored": {"a": 3}}})
        waiting = asyncio.create_task(account.wait_for(2, 30))
        await _commit(pool, 1, {"station": {"stored": {"a": 10}}})
        await asyncio.sleep(0)
        assert not waiting.done()
        await _commit(pool, 1, {}, parked=1)
        sums, reached = await waiting
    assert reached
    assert (sums.messages, sums.stored, sums.parked) == (2, 10, 1)


async def test_waiting_gives_up(dsn: str) -> None:
    """Time that runs out is said, not hidden."""
    async with await Account.open(dsn) as account:
        _, reached = await account.wait_for(1, 0.1)
    assert not reached


async def test_an_absent_ledger_is_not_reachable(cluster: PostgresCluster) -> None:
    """A database without a validator's schema has no ledger."""
    with pytest.raises(UnreachableError, match="ledger"):
        await Account.open(cluster.create_database())


async def _insert(connection: Connection, device: str, sequences: list[int], sent: datetime) -> None:
    await connection.executemany(
        "INSERT INTO readings.bench_c_0 (device_id, event_time, message_id, seq) VALUES ($1, $2, gen_random_uuid(), $3)",
        [(device, sent, FIRST_SEQUENCE + number) for number in sequences],
    )


@pytest.fixture
async def table(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        'CREATE TABLE readings.bench_c_0 (device_id text COLLATE "C", event_time timestamptz, message_id uuid, seq bigint, '
        "stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id())"
    )
    yield connection
    await connection.close()


async def test_rows_are_counted_against_the_log(table: Connection) -> None:
    """A second copy is a duplicate, a missing acknowledged one is lost, an unacknowledged row hides no loss."""
    now = datetime.now(UTC)
    await _insert(table, "run-00000", [0, 1, 2, 2, 4], now)
    await _insert(table, "run-00001", [0, 1, LANE_STRIDE], now)
    await _insert(table, "run1-0000", [0, 1], now)
    lanes = [
        LaneLog("run-00000", 0, FIRST_SEQUENCE, 5, (FIRST_SEQUENCE + 4,)),
        LaneLog("run-00001", 0, FIRST_SEQUENCE, 2, ()),
        LaneLog("run-00001", 0, FIRST_SEQUENCE + LANE_STRIDE, 1, ()),
    ]
    counts = await count_rows(table, [_TABLE], "run", lanes)
    assert (counts.rows, counts.stored, counts.duplicates, counts.lost, counts.quarantined) == (8, 7, 1, 1, 0)


class Arrivals(list[Snapshot]):
    """Snapshots that somebody can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._arrived = asyncio.Event()

    def append(self, snapshot: Snapshot) -> None:
        super().append(snapshot)
        self._arrived.set()

    async def after(self, moment: float) -> None:
        while not self or self[-1].time < moment:
            self._arrived.clear()
            await self._arrived.wait()


async def test_a_row_is_late_by_the_time_until_others_see_it(table: Connection, dsn: str) -> None:
    """From the intended send to the first snapshot after the commit, not to the insert."""
    snapshots = Arrivals()
    watching = asyncio.create_task(watch(dsn, snapshots))
    try:
        await snapshots.after(0.0)
        sent = datetime.now(UTC) - timedelta(seconds=2)
        async with table.transaction():
            await _insert(table, "run-00000", [0, 1, 2], sent)
            inserted = time.time()
            assert (await row_latencies(table, [_TABLE], "run", snapshots)) == (None, None)
        committed = time.time()
        await snapshots.after(committed)
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    median, high = await row_latencies(table, [_TABLE], "run", snapshots)
    assert median is not None
    assert median == high
    assert median >= 1000 * (inserted - sent.timestamp())
    assert median <= 1010.1 * (snapshots[-1].time - sent.timestamp())
