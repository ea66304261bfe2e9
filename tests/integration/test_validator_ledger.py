"""The check of the ledger on a real Postgres and real ring nodes: on its way, parked, unreachable, lost, found again."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID, uuid4

import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, RedisServer
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, pack
from dataflow_ring.connection import NodeConnection
from dataflow_ring.nodes import admit
from dataflow_validator.ledger import survey as ledger_survey
from dataflow_validator.ledger.check import State, check_ledger
from dataflow_validator.ledger.ring import RingLooker
from dataflow_validator.ledger.survey import BatchKey
from dataflow_validator.ledger.watch import LedgerWatch
from dataflow_validator.parked.records import parked_identity
from dataflow_validator.statements import statements
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

BRIDGE_TABLES = """
    CREATE SCHEMA bridge;
    CREATE TABLE bridge.node (name text, url text, state text, incarnation text);
    CREATE TABLE bridge.instance (bridge_id text, boot_id uuid, acknowledged_through bigint, seen_time timestamptz);
"""


@dataclass
class Bench:
    """A ring, a database, and one life of one bridge."""

    pool: Pool
    servers: Sequence[RedisServer]
    boot_id: UUID = field(default_factory=uuid4)
    ring: RingLooker = field(init=False)

    def __post_init__(self) -> None:
        self.ring = RingLooker(self.pool, node_seconds=2.0)

    def key(self, sequence: int) -> BatchKey:
        return BatchKey("b", self.boot_id, sequence)

    def entry(self, sequence: int, acknowledged: int = 0) -> tuple[bytes, bytes]:
        """Give id and bytes of a batch."""
        batch = Batch(
            batch_id=new_batch_id(),
            bridge_id="b",
            boot_id=self.boot_id.bytes,
            sequence=sequence,
            acknowledged_through=acknowledged,
        )
        batch.messages.add(topic="t", payload=b"{}" * 5_000)
        return batch.batch_id, pack(batch)

    async def commit(self, *sequences: int, acknowledged: int = 0) -> None:
        """Write ledger rows, as a store transaction does."""
        for sequence in sequences:
            await self.pool.execute(
                "INSERT INTO validator.ledger VALUES"
                " (gen_random_uuid(), 'b', $1, $2, $3, 'n', 1, 1, 0, 0, 0, 0, '{\"c\": {\"stored\": {\"d\": 1}}}')",
                self.boot_id,
                sequence,
                acknowledged,
            )

    async def append(self, sequence: int, server: int = 0, stream: bytes = keys.BATCHES) -> None:
        """Put a batch on a node, as a bridge does."""
        batch_id, data = self.entry(sequence)
        async with NodeConnection(self.servers[server].url) as node:
            await node.call(b"XADD", stream, b"*", b"batch_id", batch_id, b"primary", b"n0", b"bytes", data)

    async def says(self, acknowledged_through: int) -> None:
        """Have the bridge say how far it is."""
        await self.pool.execute("DELETE FROM bridge.instance")
        await self.pool.execute(
            "INSERT INTO bridge.instance VALUES ('b', $1, $2, now())", self.boot_id, acknowledged_through
        )

    async def states(self) -> dict[int, State]:
        """Check, and give the state of each open sequence."""
        check = await check_ledger(self.pool, self.ring)
        return {key.sequence: state for key, state in check.states.items()}


@pytest.fixture
async def bench(postgres_server: PostgresCluster, redis_nodes: list[RedisServer]) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(validator_database(postgres_server))
        await pool.execute(BRIDGE_TABLES)
        for number, server in enumerate(redis_nodes[:2]):
            admission = await admit(server.url)
            await pool.execute(
                "INSERT INTO bridge.node VALUES ($1, $2, 'ACTIVE', $3)", f"n{number}", server.url, admission.incarnation
            )
        yield Bench(pool, redis_nodes)


async def watch(bench: Bench, holder: str = "one") -> LedgerWatch:
    """Give the watch of a leader."""
    lease = Lease(bench.pool, "validator", "upkeep", holder, expire_seconds=3600.0)
    assert await lease.claim() is not None
    minutes = count()  # of a clock that has always gone on far enough for the ring to be looked at again
    return LedgerWatch(bench.pool, lease, RingLooker(bench.pool), clock=lambda: 60.0 * next(minutes))


async def test_nothing_acknowledged_is_nothing_open(bench: Bench) -> None:
    """A fresh system is complete, and batches beyond what is acknowledged are nobody's business."""
    assert await bench.states() == {}
    await bench.commit(1, 3)
    assert await bench.states() == {}


async def test_an_acknowledged_batch_that_is_nowhere_is_missing(bench: Bench) -> None:
    """Known to be acknowledged from the bridge itself, or from a later batch."""
    await bench.commit(1, 2, 4)
    await bench.says(4)
    assert await bench.states() == {3: State.MISSING}
    await bench.says(0)
    await bench.commit(6, acknowledged=5)
    assert await bench.states() == {3: State.MISSING, 5: State.MISSING}


@pytest.mark.parametrize("stream", [keys.BATCHES, keys.COPIES])
async def test_a_batch_on_any_node_is_on_its_way(bench: Bench, stream: bytes) -> None:
    """First copies and further ones count, whichever node holds them."""
    await bench.says(3)
    await bench.commit(1)
    await bench.append(2, server=0, stream=stream)
    await bench.append(3, server=1, stream=stream)
    assert await bench.states() == {2: State.IN_RING, 3: State.IN_RING}


async def test_a_batch_that_a_node_brought_back_is_on_its_way(bench: Bench) -> None:
    """Until a validator has parked it, it is on the node in a stream of its own."""
    await bench.says(1)
    await bench.append(1, stream=keys.RETURNED + b":1")
    async with NodeConnection(bench.servers[0].url) as node:
        await node.call(b"SADD", keys.RETURNED, keys.RETURNED + b":1")
    assert await bench.states() == {1: State.IN_RING}


async def test_with_a_node_away_nothing_is_called_lost(bench: Bench) -> None:
    """What is not found may be there; what another node holds is on its way even so."""
    await bench.says(2)
    await bench.append(2, server=0)
    bench.servers[1].stop()
    assert await bench.states() == {1: State.UNREACHABLE, 2: State.IN_RING}
    bench.servers[1].start()
    assert await bench.states() == {1: State.MISSING, 2: State.IN_RING}


async def test_a_parked_batch_is_accounted_for(bench: Bench) -> None:
    """By its row in the ledger, also where an older version parked it without one."""
    await bench.says(2)
    for sequence in (1, 2):
        batch_id, data = bench.entry(sequence)
        arguments = (UUID(bytes=batch_id), "n", "why", data)
        if sequence == 1:
            await bench.pool.execute(statements("store")["park_batch"], *arguments, *parked_identity(data))
        else:
            await bench.pool.execute(
                "INSERT INTO validator.parked (batch_id, node, reason, bytes, boot_id, sequence) VALUES ($1, $2, $3, $4, $5, 2)",
                *arguments,
                bench.boot_id,
            )
    assert await bench.states() == {2: State.PARKED}
    row = await bench.pool.fetchrow("SELECT sequence, items, parked FROM validator.ledger")
    assert row is not None
    assert tuple(row) == (1, 1, 1)


async def test_the_watch_looks_twice_before_it_looks_at_the_ring(bench: Bench) -> None:
    """What is just being committed is no reason to look through a loaded ring."""
    await bench.says(1)
    leader = await watch(bench)
    first = await leader.run_once()
    assert first.states == {bench.key(1): State.IN_RING}
    second = await leader.run_once()
    assert second.missing == [bench.key(1)]


async def test_a_loss_is_written_down_and_taken_back(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """An error with a stable action, a row that every validator sees, and the end of both when the batch turns up."""
    await bench.commit(2)
    await bench.says(2)
    leader = await watch(bench)
    for _ in range(3):
        await leader.run_once()
    assert await bench.pool.fetchval(statements("ledger")["missing"]) == 1
    cries = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(cries) == 1
    assert "missing" in cries[0].message
    await bench.commit(1)
    await leader.run_once()
    assert await bench.pool.fetchval(statements("ledger")["missing"]) == 0


async def test_a_new_leader_does_not_forget_a_loss(bench: Bench) -> None:
    """What was written down is looked for at once, without having been open before."""
    await bench.says(1)
    leader = await watch(bench)
    await leader.run_once()
    await leader.run_once()
    await bench.pool.execute("UPDATE validator.lease SET expires_at = now() - interval '1 s'")
    follower = await watch(bench, "two")
    assert (await follower.run_once()).missing == [bench.key(1)]
    assert await bench.pool.fetchval(statements("ledger")["missing"]) == 1
    await bench.commit(2)
    await bench.says(2)
    with pytest.raises(LeaseLostError):
        await leader.run_once()


async def test_what_is_complete_is_not_looked_at_again(bench: Bench) -> None:
    """The watch remembers how far, so that retention may drop the rows; a loss does not hold it back."""
    await bench.commit(1, 2, 4, 5)
    await bench.says(5)
    leader = await watch(bench)
    await leader.run_once()
    assert await bench.pool.fetchval("SELECT complete_through FROM validator.ledger_boot") == 2
    await leader.run_once()
    await leader.run_once()
    assert await bench.pool.fetchval("SELECT complete_through FROM validator.ledger_boot") == 5
    await bench.pool.execute("DELETE FROM validator.ledger")
    assert await bench.states() == {3: State.MISSING}


async def test_many_batches_in_the_ring_are_found_over_several_looks(bench: Bench) -> None:
    """A look that has too little time says that it did not see everything, and the next one goes on."""
    for sequence in range(1, 41):
        await bench.append(sequence)
    await bench.says(40)
    assert set((await bench.states()).values()) == {State.IN_RING}
    bench.ring = RingLooker(bench.pool, node_seconds=0.0)
    assert set((await bench.states()).values()) == {State.UNREACHABLE}


async def test_a_ring_that_is_far_behind_is_left_alone_for_a_while(bench: Bench) -> None:
    """After a look that took long, what was written down stays as it is until the next one."""
    await bench.says(1)
    leader = await watch(bench)
    await leader.run_once()
    await leader.run_once()
    await bench.append(1)
    leader._look_at = float("inf")
    assert (await leader.run_once()).missing == [bench.key(1)]
    leader._look_at = 0.0
    assert (await leader.run_once()).states == {bench.key(1): State.IN_RING}


async def test_a_long_ledger_is_looked_through_step_by_step(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody has looked for long, each check goes as far as it may, and says what it left out."""
    monkeypatch.setattr(ledger_survey, "MAX_WINDOW", 3)
    await bench.commit(*range(1, 8))
    await bench.says(8)
    first = await check_ledger(bench.pool, bench.ring)
    assert (first.states, first.survey.unseen) == ({}, 5)
    leader = await watch(bench)
    seen = []
    for _ in range(3):
        await leader.run_once()
        seen.append(await bench.pool.fetchval("SELECT complete_through FROM validator.ledger_boot"))
    assert seen == [3, 6, 7]
    assert await bench.states() == {8: State.MISSING}
