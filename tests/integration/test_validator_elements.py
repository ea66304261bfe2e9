"""Messages that are many items, on a real Postgres: each bad one is kept with its own bytes, and none costs the others time."""

from collections.abc import AsyncIterator

import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator import elements as elements_module
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.judged import JudgedBatch, judge_batch
from dataflow_validator.store import store
from dataflow_validator.testing import validator_database

SPEC = ContractSpec(
    name="good",
    fields=(
        FieldSpec("device_id", FieldType.STRING),
        FieldSpec("ts", FieldType.TIMESTAMP),
        FieldSpec("n", FieldType.INTEGER),
    ),
    event_time="ts",
    identity=("device_id", "ts"),
)


@pytest.fixture
async def shop(postgres_server: PostgresCluster) -> AsyncIterator[tuple[Pool, Rules]]:
    """Give a database with one contract, and the rules of it."""
    async with validator_database(postgres_server) as pool:
        registry = Registry()
        async with pool.acquire() as connection:
            async with connection.transaction():
                await create_contract(connection, SPEC, activate=True)
                await create_route(connection, "good", "good")
            await registry.refresh(connection)
        yield pool, Rules(registry.current)


def judge(rules: Rules, payload: bytes) -> JudgedBatch:
    batch = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=new_boot_id(), sequence=1)
    batch.messages.add(topic="good", payload=payload, receive_time_us=1_790_000_000_000_000)
    entry = Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW)
    return judge_batch(entry, batch, rules)


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often an array is split."""
    counted: list[int] = []
    split = elements_module._elements

    def count(text: str) -> object:
        counted.append(len(text))
        return split(text)

    monkeypatch.setattr(elements_module, "_elements", count)
    return counted


async def test_an_array_of_bad_items_is_split_once(shop: tuple[Pool, Rules], splits: list[int]) -> None:
    """Each is kept with its own bytes; the work grows with their number, not with its square."""
    judged = judge(shop[1], b"[" + b", ".join(b'{"n": %d}' % n for n in range(300)) + b"]")
    assert [row.payload for row in judged.refused] == [b'{"n": %d}' % n for n in range(300)]
    assert len(splits) == 1


async def test_an_array_of_conflicts_is_split_once(shop: tuple[Pool, Rules], splits: list[int]) -> None:
    """One identity with other content each time: the first is the row, the others are kept with their own bytes."""
    pool, rules = shop
    sent = [b'{"device_id": "d", "ts": "2026-01-01T00:00:00Z", "n": %d}' % n for n in range(50)]
    async with pool.acquire() as connection:
        stored = await store(connection, [judge(rules, b"[" + b",".join(sent) + b"]")])
        kept = await connection.fetch("SELECT payload FROM validator.quarantine ORDER BY element")
    assert (stored.stored, stored.conflict) == (1, 49)
    assert [row["payload"] for row in kept] == sent[1:]
    assert len(splits) == 1
