"""TestContract over a real raw log and quarantine: exact counts of what a contract would say and change."""

import base64
import dataclasses
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, pack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog.contract_records import ContractOptions, create_contract
from dataflow_validator.catalog.fitness import Mode
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.revision_records import create_revision
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.jobs.contract_test.kind import NAME, ContractTestJob
from dataflow_validator.jobs.contract_test.request import CandidateRoute, TestRequest
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.records import create_job, get_job
from dataflow_validator.jobs.runner import Runner
from dataflow_validator.judged import judge_batch
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.store import store
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

ROOM = ContractSpec(
    "room",
    (
        FieldSpec("device_id", FieldType.STRING),
        FieldSpec("ts", FieldType.TIMESTAMP),
        FieldSpec("temperature", FieldType.NUMBER, min=0, max=40),
    ),
    identity=("device_id", "ts"),
    event_time="ts",
)
START = datetime(2026, 1, 1, tzinfo=UTC)


def with_temperature(**rules: object) -> ContractSpec:
    """Give the contract with other rules for its temperature."""
    changed = dataclasses.replace(ROOM.fields[2], **rules)  # type: ignore[arg-type]
    return dataclasses.replace(ROOM, fields=(*ROOM.fields[:2], changed))


def item(number: int, temperature: object, **more: object) -> bytes:
    """Write one message."""
    moment = (START + timedelta(seconds=number)).isoformat()
    return orjson.dumps({"device_id": f"d{number % 3}", "ts": moment, "temperature": temperature, **more})


@dataclass
class Bench:
    pool: Pool
    registry: Registry
    boot_id: UUID = field(default_factory=uuid4)
    sequence: int = 0

    async def store(self, *payloads: bytes, topic: str = "rooms/a", at: datetime = START) -> None:
        """Store one batch in one transaction; each message has a time of receipt of its own."""
        self.sequence += 1
        batch = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=self.boot_id.bytes, sequence=self.sequence)
        microseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) + self.sequence * 1_000
        for number, payload in enumerate(payloads):
            batch.messages.add(topic=topic, payload=payload, receive_time_us=microseconds + number)
        entry = Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW)
        async with self.pool.acquire() as connection:
            await self.registry.refresh(connection)
            judged = judge_batch(entry, batch, Rules(self.registry.current))
            await store(connection, [judged])

    async def test(self, request: TestRequest) -> dict[str, Any]:
        """Run a test to its end and give its result."""
        async with self.pool.acquire() as connection:
            made = await create_job(connection, NAME, request.to_json(), request_id="", created_by="ann", dry_run=True)
        runner = Runner(self.pool, Registry(), Partitions(), {NAME: ContractTestJob()}, "one")
        while await runner.run_once():
            pass
        async with self.pool.acquire() as connection:
            job = await get_job(connection, made.job_id)
        assert job.state == "SUCCEEDED", job.error
        assert job.result is not None
        assert job.done == job.total
        return job.result

    async def run(self, kind: str, request: dict[str, Any]) -> dict[str, int]:
        """Run a job that changes something, and give what it counted of the contract."""
        async with self.pool.acquire() as connection:
            made = await create_job(connection, kind, request, request_id="", created_by="ann")
        runner = Runner(self.pool, Registry(), Partitions(), KINDS, "one")
        while await runner.run_once():
            pass
        async with self.pool.acquire() as connection:
            job = await get_job(connection, made.job_id)
        assert job.state == "SUCCEEDED", job.error
        assert job.result is not None
        counted = {entry["contract"]: entry for entry in job.result["contracts"]}
        return {key: value for key, value in counted.get("room", {}).items() if isinstance(value, int) and value}

    async def counts(self, spec: ContractSpec, **asked: Any) -> dict[str, int]:
        """Give the counts above 0 of a test of rules that are not saved."""
        result = await self.test(TestRequest("room", spec=spec, **asked))
        return {key: value for key, value in result.items() if isinstance(value, int) and value and key != "messages"}


@pytest.fixture
async def bench(postgres_server: PostgresCluster) -> AsyncIterator[Bench]:
    async with validator_database(postgres_server) as pool:
        registry = Registry()
        async with pool.acquire() as connection:
            options = ContractOptions(compatibility=Mode.NONE)
            await create_contract(connection, ROOM, activate=True, options=options)
            await create_route(connection, "rooms/+", "room", "payload:/device_id")
            await registry.refresh(connection)
        yield Bench(pool, registry)


async def test_looser_rules_would_accept_what_is_in_quarantine(bench: Bench) -> None:
    """Rows stay as they are; what was out of range is good; what is no JSON stays."""
    await bench.store(*[item(number, 20.5) for number in range(10)])
    await bench.store(*[item(100 + number, 55) for number in range(5)], item(200, 21), b"no json")
    assert await bench.counts(with_temperature(max=60)) == {
        "items": 17,
        "accepted": 16,
        "unparsable": 1,
        "rows_unchanged": 11,
        "quarantined_accepted": 5,
        "quarantined_refused": 1,
    }


async def test_stricter_rules_would_refuse_rows(bench: Bench) -> None:
    """By clause and field, with samples of the original bytes; nothing is changed."""
    await bench.store(*[item(number, number) for number in range(40)])
    result = await bench.test(TestRequest("room", spec=with_temperature(max=29)))
    assert (result["rows_unchanged"], result["rows_refused"], result["refused"]) == (30, 10, 10)
    assert result["clauses"] == [{"path": "/temperature", "rule": "maximum", "items": 10}]
    assert len(result["samples"]) == 10
    assert result["samples"][0]["reasons"][0]["rule"] == "maximum"
    assert await bench.pool.fetchval("SELECT count(*) FROM readings.room") == 40
    assert await bench.pool.fetchval("SELECT count(*) FROM validator.quarantine") == 0


async def test_new_field_would_change_the_rows_that_have_it(bench: Bench) -> None:
    """Values before and after are shown by column."""
    await bench.store(*[item(number, 20) for number in range(4)], item(9, 20, humidity=55))
    wider = dataclasses.replace(ROOM, fields=(*ROOM.fields, FieldSpec("humidity", FieldType.NUMBER, required=False)))
    result = await bench.test(TestRequest("room", spec=wider))
    assert (result["rows_unchanged"], result["rows_changed"]) == (4, 1)
    (sample,) = result["samples"]
    assert sample["changes"] == {"humidity": {"before": None, "after": 55}}


async def test_item_that_was_logged_twice_counts_once(bench: Bench) -> None:
    """Resends, in one batch and in several, of rows and of quarantined items."""
    await bench.store(item(1, 20), item(1, 20), item(2, 55))
    await bench.store(item(1, 20), item(2, 55), item(3, 20), b"x", b"x", b"y")
    assert await bench.counts(with_temperature(max=60)) == {
        "items": 5,
        "accepted": 3,
        "unparsable": 2,
        "rows_unchanged": 2,
        "quarantined_accepted": 1,
        "quarantined_refused": 2,
    }


async def test_quarantined_items_of_one_key_make_one_row(bench: Bench) -> None:
    """The first one would be the row, also where it comes in an earlier page; a row that is there wins over both."""
    await bench.store(item(1, 50), item(2, 20), item(2, 70))
    await bench.store(item(1, 51))
    assert await bench.counts(with_temperature(max=80)) == {
        "items": 4,
        "accepted": 4,
        "rows_unchanged": 1,
        "quarantined_accepted": 1,
        "quarantined_conflict": 2,
    }


async def test_test_is_narrowed_by_time_and_device(bench: Bench) -> None:
    """Only items that were received then, and of those devices, count."""
    for day in range(3):
        await bench.store(
            *[item(100 * day + number, 20 + number) for number in range(30)], at=START + timedelta(days=day)
        )
    counts = await bench.counts(
        with_temperature(max=40 - 10.5),
        start=START + timedelta(days=1),
        end=START + timedelta(days=2),
        device_ids=frozenset({"d1"}),
    )
    numbers = [100 + number for number in range(30) if (100 + number) % 3 == 1 and number <= 20]
    quarantined = [100 + number for number in range(30) if (100 + number) % 3 == 1 and number > 20]
    refused = [number for number in numbers if number - 100 + 20 > 29.5]
    assert counts == {
        "items": len(numbers) + len(quarantined),
        "accepted": len(numbers) - len(refused),
        "refused": len(refused) + len(quarantined),
        "rows_unchanged": len(numbers) - len(refused),
        "rows_refused": len(refused),
        "quarantined_refused": len(quarantined),
    }


async def test_rows_without_their_messages_are_said_to_be_unknown(bench: Bench) -> None:
    """The answer is approximate, and says of how many rows nothing is known."""
    await bench.store(item(1, 20), item(2, 20))
    await bench.pool.execute("DELETE FROM validator.raw_log")
    await bench.store(item(3, 20))
    result = await bench.test(TestRequest("room", spec=with_temperature(max=30)))
    assert (result["rows_unchanged"], result["rows_not_logged"], result["approximate"]) == (1, 2, True)
    assert "2 rows" in result["approximate_reason"]


async def test_route_that_is_not_made_yet_takes_unrouted_items(bench: Bench) -> None:
    """They are judged as the route would have them judged."""
    await bench.store(item(1, 20), item(2, 99), topic="halls/a")
    await bench.store(item(3, 20), topic="other/a")
    route = CandidateRoute("halls/+", DeviceRule.parse("payload:/device_id"))
    assert await bench.counts(ROOM, route=route) == {
        "items": 2,
        "accepted": 1,
        "refused": 1,
        "quarantined_accepted": 1,
        "quarantined_refused": 1,
    }


async def test_elements_of_array_messages_are_items(bench: Bench) -> None:
    """Each counts, and its sample is its own bytes."""
    elements = [item(number, 10 * number) for number in range(6)]
    await bench.store(b"[" + b",".join(elements) + b"]")
    result = await bench.test(TestRequest("room", spec=with_temperature(max=35)))
    assert (result["items"], result["rows_unchanged"], result["rows_refused"]) == (6, 4, 1)
    assert result["quarantined_refused"] == 1
    payloads = {base64.b64decode(sample["payload"]) for sample in result["samples"]}
    assert payloads == {elements[4], elements[5]}


async def test_rows_that_other_transactions_wrote_are_found_by_their_keys(bench: Bench) -> None:
    """After a replay or a backfill a row carries another transaction's id."""
    await bench.store(*[item(number, 20) for number in range(10)])
    await bench.pool.execute("UPDATE readings.room SET stored_xid = pg_current_xact_id() WHERE device_id = 'd1'")
    assert await bench.counts(with_temperature(max=30)) == {"items": 10, "accepted": 10, "rows_unchanged": 10}


async def test_many_parts_count_what_one_would(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the raw log is cut."""
    monkeypatch.setattr("dataflow_validator.jobs.contract_test.kind._BATCHES_PER_PART", 1)
    for number in range(12):
        await bench.store(*[item(10 * number + index, 3 * index + number) for index in range(10)])
    temperatures = [3 * index + number for number in range(12) for index in range(10)]
    counts = await bench.counts(with_temperature(max=20))
    assert counts == {
        "items": 120,
        "accepted": sum(value <= 20 for value in temperatures),
        "refused": sum(value > 20 for value in temperatures),
        "rows_unchanged": sum(value <= 20 for value in temperatures),
        "rows_refused": sum(value > 20 for value in temperatures),
    }


async def test_test_says_what_replay_and_backfill_then_do(bench: Bench) -> None:
    """Of a history with resends, arrays, nonsense, and rows that come, go and change.

    Where one key has several contents, Backfill may let another one of them be the row: its own dry run says so.
    """
    chance = random.Random(7)
    for _ in range(40):
        numbers = [chance.randrange(300) for _ in range(25)]
        single = [item(number, number % 70 - 10, hum=number) for number in numbers]
        array = b"[" + b",".join(item(300 + number, number % 60) for number in numbers[:5]) + b"]"
        await bench.store(*single, array, b"{", item(1_000 + chance.randrange(30), "warm"))
    changed = with_temperature(min=-5, max=35)
    changed = dataclasses.replace(changed, fields=(*changed.fields, FieldSpec("hum", FieldType.NUMBER, required=False)))
    foreseen = await bench.test(TestRequest("room", spec=changed))
    async with bench.pool.acquire() as connection:
        revised = await create_revision(connection, changed, activate=True)
    assert revised.contract.active_revision == 2
    replayed = await bench.run("REPLAY_QUARANTINED", {"filter": {"contract": "room"}})
    assert {
        "stored": foreseen["quarantined_accepted"],
        "refused": foreseen["quarantined_refused"],
        "conflict": foreseen["quarantined_conflict"],
        "duplicate": foreseen["quarantined_duplicate"],
    } == {key: replayed.get(key, 0) for key in ("stored", "refused", "conflict", "duplicate")}
    filled = await bench.run("BACKFILL", {"contract": "room", "revision": 2})
    assert filled["withdrawn"] == foreseen["rows_refused"] > 0
    assert filled["updated"] == foreseen["rows_unchanged"] + foreseen["rows_changed"]
    assert foreseen["rows_changed"] > 0
    assert foreseen["quarantined_accepted"] > 0
