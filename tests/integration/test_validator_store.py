"""The store transaction on a real Postgres: once, conflicts, culprits, counts."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import asyncpg
import orjson
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Connection, Pool
from dataflow_mesh.testing import PostgresCluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.spec import ConflictRule, ContractSpec, FieldSpec, FieldType
from dataflow_validator.failure import LaneError
from dataflow_validator.judged import JudgedBatch, judge_batch
from dataflow_validator.statements import statements
from dataflow_validator.store import CatalogChangedError, Stored, store
from dataflow_validator.testing import validator_database

FIELDS = (
    FieldSpec("device_id", FieldType.STRING),
    FieldSpec("ts", FieldType.TIMESTAMP),
    FieldSpec("temp", FieldType.NUMBER, min=-40, max=50),
)
IDENTITY = ContractSpec(name="by_identity", fields=FIELDS, identity=("device_id", "ts"), event_time="ts")
CONTENT = ContractSpec(name="by_content", fields=FIELDS, event_time="ts")
TIMELESS = ContractSpec(name="timeless", fields=(FIELDS[0], FIELDS[2]))
BOTH = replace(IDENTITY, name="both", conflict=ConflictRule.BOTH)


class Shop:
    """A database with contracts, and a short way to store messages."""

    def __init__(self, pool: Pool, rules: Rules) -> None:
        self.pool = pool
        self.rules = rules

    def judged(self, *messages: tuple[str, object], ids: Sequence[str] = (), dup: bool = False) -> JudgedBatch:
        batch = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=new_boot_id(), sequence=1)
        for index, (topic, payload) in enumerate(messages):
            body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
            batch.messages.add(
                topic=topic, payload=body, receive_time_us=1_790_000_000_000_000 + index, maybe_duplicate=dup
            )
            if ids:
                batch.messages[index].message_id = ids[index]
        data = pack(batch)
        return judge_batch(Entry("n", keys.BATCHES, b"1-1", batch.batch_id, data, Origin.NEW), batch, self.rules)

    async def store(self, *batches: JudgedBatch, isolate: bool = False) -> Stored:
        async with self.pool.acquire() as connection:
            return await store(connection, batches, isolate=isolate)

    async def send(self, *messages: tuple[str, object], ids: Sequence[str] = (), dup: bool = False) -> Stored:
        return await self.store(self.judged(*messages, ids=ids, dup=dup))

    async def row(self, query: str, *arguments: object) -> asyncpg.Record:
        row = await self.pool.fetchrow(query, *arguments)
        assert row is not None
        return row

    async def count(self, table: str) -> int:
        return int(await self.pool.fetchval(f"SELECT count(*) FROM {table}"))


@pytest.fixture
async def shop(postgres_server: PostgresCluster) -> AsyncIterator[Shop]:
    async with validator_database(postgres_server) as pool:
        async with pool.acquire() as connection:
            for spec in (IDENTITY, CONTENT, TIMELESS, BOTH):
                async with connection.transaction():
                    await create_contract(connection, spec, activate=True)
                    await create_route(connection, f"{spec.name}/#", spec.name)
            registry = Registry()
            await registry.refresh(connection)
        yield Shop(pool, Rules(registry.current))


def reading(temp: object = 1.5, ts: str = "2026-01-01T00:00:00Z", device: str = "d1") -> dict[str, object]:
    return {"device_id": device, "ts": ts, "temp": temp}


async def test_an_accepted_item_is_one_row(shop: Shop) -> None:
    """With its typed columns, revision and no quarantine."""
    assert await shop.send(("by_identity/x", reading())) == Stored(1, stored=1)
    row = await shop.row("SELECT * FROM readings.by_identity")
    assert (row["device_id"], row["temp"], row["revision"], row["maybe_duplicate"]) == ("d1", 1.5, 1, False)
    assert await shop.count("validator.quarantine") == 0


async def test_a_batch_that_comes_again_changes_nothing(shop: Shop) -> None:
    """The claim makes a second copy, a redelivery, another validator a no-op."""
    judged = shop.judged(("by_identity/x", reading()), ("by_identity/x", b"no json"))
    first = await shop.store(judged)
    second = await shop.store(judged)
    assert (first.batches, second.batches) == (1, 0)
    assert await shop.count("readings.by_identity") == 1
    assert await shop.count("validator.quarantine") == 1
    assert await shop.count("validator.ledger") == await shop.count("validator.raw_log") == 1


@pytest.mark.parametrize("topic", ["by_identity/x", "by_content/x"])
async def test_a_resent_item_is_a_duplicate(shop: Shop, topic: str) -> None:
    """Ids of kinds a and c recognise it in another batch and within one."""
    await shop.send((topic, reading()))
    result = await shop.send((topic, reading()), (topic, reading()), (topic, reading(2)))
    assert (result.stored, result.duplicate) == ((0, 2) if topic == "by_identity/x" else (1, 2))
    assert result.stored + result.duplicate + result.conflict == 3


async def test_spelling_makes_no_conflict(shop: Shop) -> None:
    """The content hash is by value."""
    await shop.send(("by_identity/x", b'{"device_id":"d1","ts":"2026-01-01T00:00:00Z","temp":5}'))
    result = await shop.send(("by_identity/x", b'{ "temp": 5.0, "ts":"2026-01-01T00:00:00Z","device_id":"d1"}'))
    assert (result.duplicate, result.conflict) == (1, 0)


async def test_other_content_under_the_same_key_is_kept_as_a_conflict(shop: Shop) -> None:
    """The first one stays the row; the other one keeps its bytes; sent again it is a duplicate."""
    await shop.send(("by_identity/x", reading(1)))
    other = orjson.dumps(reading(2))
    assert (await shop.send(("by_identity/x", other))).conflict == 1
    assert (await shop.send(("by_identity/x", other))).duplicate == 1
    assert await shop.pool.fetchval("SELECT temp FROM readings.by_identity") == 1
    row = await shop.row("SELECT kind, payload FROM validator.quarantine")
    assert tuple(row) == ("CONFLICT", other)


async def test_a_conflict_within_one_batch_is_kept_too(shop: Shop) -> None:
    """The first in order is the row."""
    result = await shop.send(
        ("by_identity/x", reading(1)), ("by_identity/x", reading(2)), ("by_identity/x", reading(1))
    )
    assert (result.stored, result.conflict, result.duplicate) == (1, 1, 1)
    assert await shop.pool.fetchval("SELECT temp FROM readings.by_identity") == 1


async def test_both_stores_conflicts_as_rows_once(shop: Shop) -> None:
    """By contract option the later one is a row of its own id, also when it comes again."""
    await shop.send(("both/x", reading(1)))
    await shop.send(("both/x", reading(2)), ("both/x", reading(2)))
    result = await shop.send(("both/x", reading(2)), ("both/x", reading(1)))
    assert (result.duplicate, result.stored) == (2, 0)
    assert sorted(r["temp"] for r in await shop.pool.fetch("SELECT temp FROM readings.both")) == [1, 2]
    assert await shop.count("validator.quarantine") == 0


async def test_sender_ids_are_kept_once_without_event_time(shop: Shop) -> None:
    """validator.seen recognises a resend whose receive time differs."""
    item = {"device_id": "d1", "temp": 1}
    await shop.send(("timeless/x", item), ids=["m-1"])
    result = await shop.send(("timeless/x", item), ("timeless/x", item), ids=["m-1", "m-2"])
    assert (result.stored, result.duplicate) == (1, 1)
    assert (await shop.send(("timeless/x", {"device_id": "d1", "temp": 9}), ids=["m-1"])).conflict == 1
    assert await shop.count("readings.timeless") == 2


async def test_without_anything_to_recognise_it_a_resend_is_a_marked_row(shop: Shop) -> None:
    """Kind d: a second row, and DUP makes it maybe_duplicate."""
    item = {"device_id": "d1", "temp": 1}
    await shop.send(("timeless/x", item))
    await shop.send(("timeless/x", item), dup=True)
    rows = await shop.pool.fetch("SELECT maybe_duplicate FROM readings.timeless")
    assert sorted(r["maybe_duplicate"] for r in rows) == [False, True]


async def test_array_messages_are_items(shop: Shop) -> None:
    """Each element is judged alone; refused ones keep exactly their own bytes."""
    body = b'[{"device_id":"d1","ts":"2026-01-01T00:00:00Z","temp":1}, {"device_id":"d1" ,"ts":"x","temp":1}, 7]'
    result = await shop.send(("by_identity/x", body))
    assert (result.stored, result.quarantined) == (1, 2)
    rows = await shop.pool.fetch("SELECT element, payload FROM validator.quarantine ORDER BY element")
    assert [tuple(r) for r in rows] == [(1, b'{"device_id":"d1" ,"ts":"x","temp":1}'), (2, b"7")]


async def test_two_refused_items_of_one_identity_are_both_kept(shop: Shop) -> None:
    """They are two acknowledged items; each of them sent again is a duplicate."""
    first = await shop.send(("by_identity/x", reading("bad")), ("by_identity/x", reading("worse")))
    again = await shop.send(("by_identity/x", reading("bad")), ("by_identity/x", reading("worse")))
    assert (first.quarantined, again.quarantined, again.duplicate) == (2, 0, 2)


async def test_an_unrouted_message_is_kept(shop: Shop) -> None:
    """With its bytes and the reason."""
    assert (await shop.send(("nowhere", b"\x00\xff"))).quarantined == 1
    row = await shop.row("SELECT kind, topic, payload, reasons FROM validator.quarantine")
    assert (row["kind"], row["topic"], row["payload"]) == ("UNROUTED", "nowhere", b"\x00\xff")


async def test_a_culprit_costs_only_itself(shop: Shop) -> None:
    """What Postgres refuses by SQLSTATE 23 is found by bisection and quarantined; the rest is stored."""
    await shop.pool.execute("ALTER TABLE readings.by_content ADD CONSTRAINT cold CHECK (temp < 40)")
    messages = [("by_content/x", reading(45 if i in {3, 77} else i % 30, device=f"d{i}")) for i in range(100)]
    judged = shop.judged(*messages, ("by_identity/x", reading()))
    with pytest.raises(asyncpg.CheckViolationError):
        await shop.store(judged)
    assert await shop.count("validator.batch") == 0
    result = await shop.store(judged, isolate=True)
    assert (result.stored, result.quarantined) == (99, 2)
    rows = await shop.pool.fetch("SELECT kind, device_id FROM validator.quarantine ORDER BY device_id")
    assert [tuple(r) for r in rows] == [("UNSTORABLE", "d3"), ("UNSTORABLE", "d77")]


async def test_a_broken_table_stops_its_lane_and_stores_nothing_of_the_transaction(shop: Shop) -> None:
    """SQLSTATE 42 is nobody's data."""
    await shop.pool.execute("DROP TABLE readings.by_content")
    with pytest.raises(LaneError) as stopped:
        await shop.send(("by_identity/x", reading()), ("by_content/x", reading()))
    assert stopped.value.contract == "by_content"
    assert await shop.count("readings.by_identity") == await shop.count("validator.batch") == 0


async def test_a_changed_catalogue_makes_it_be_judged_again(shop: Shop) -> None:
    """No batch is stored by rules that are not the active ones."""
    judged = shop.judged(("by_identity/x", reading()))
    await shop.pool.execute("UPDATE validator.catalog SET version = version + 1")
    with pytest.raises(CatalogChangedError):
        await shop.store(judged)
    assert await shop.count("validator.batch") == 0


async def test_the_ledger_accounts_for_every_item(shop: Shop) -> None:
    """By batch in its columns, by contract, outcome and device in its counts."""
    await shop.send(("by_identity/x", reading(1)))
    judged = shop.judged(
        ("by_identity/x", reading(1)),
        ("by_identity/x", reading(2)),
        ("by_identity/x", reading(3, device="d2")),
        ("by_content/x", reading("no")),
        ("nowhere", b""),
    )
    await shop.store(judged)
    row = await shop.row("SELECT * FROM validator.ledger WHERE batch_id = $1", judged.batch_id)
    assert isinstance(row["batch_id"], UUID)
    assert (row["items"], row["stored"], row["duplicate"], row["conflict"], row["quarantined"]) == (5, 1, 1, 1, 2)
    assert orjson.loads(row["counts"]) == {
        "by_identity": {"stored": {"d2": 1}, "duplicate": {"d1": 1}, "conflict": {"d1": 1}},
        "by_content": {"quarantined": {"d1": 1}},
        "": {"quarantined": {"": 1}},
    }


class _Forgetful:
    """A connection beside which retention forgets all seen ids, between the two statements that ask for them."""

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self._connection, self._pool = connection, pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        if query == statements("store")["find_seen"]:
            await self._pool.execute("DELETE FROM validator.seen")
        return await self._connection.fetch(query, *arguments)


async def test_an_id_that_is_forgotten_while_it_is_looked_up_is_new(shop: Shop) -> None:
    """Retention may delete an id after it was found to be there, and before its content is asked for."""
    message = ("timeless/x", {"device_id": "d1", "temp": 1.5})
    assert await shop.send(message, ids=["m1"]) == Stored(1, stored=1)
    # Behind another one, so that it comes at another time than before.
    judged = shop.judged(message, message, message, ids=["m0", "m1", "m1"])
    async with shop.pool.acquire() as connection:
        forgetful = cast("Connection", _Forgetful(connection, shop.pool))
        assert await store(forgetful, [judged]) == Stored(1, stored=2, duplicate=1)
    assert await shop.count("readings.timeless") == 3
