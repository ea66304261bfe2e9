"""Deleting and exporting everything of one device, on a real Postgres, by the code of live data and of job workers."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from dataflow.ring.v1.batch_pb2 import Batch, Message
from dataflow.validator.v1 import (
    device_data_pb2,
    device_data_service_pb2,
    device_data_service_pb2_grpc,
    job_pb2,
)
from dataflow_mesh.lease import Lease
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, new_boot_id, pack, unpack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog import contract_records, route_records
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.device import device_id_of
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.devices import delete, export, logged
from dataflow_validator.devices.delete import DeleteDeviceData
from dataflow_validator.devices.service import SERVICE, DeviceDataServicer
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import Part
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.messages import job_message
from dataflow_validator.jobs.records import get_job
from dataflow_validator.jobs.runner import Runner
from dataflow_validator.judged import judge_batch
from dataflow_validator.ledger.fold import Fold
from dataflow_validator.quarantine.limits import QuarantineLimiter
from dataflow_validator.readings.partitions import Partitions, months_of
from dataflow_validator.readings.rows import event_months
from dataflow_validator.store import store
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

_NOW_US = 1_700_000_000_000_000


@dataclass
class Setup:
    pool: Pool
    registry: Registry
    stub: "device_data_service_pb2_grpc.DeviceDataServiceAsyncStub"
    export_dir: Path
    partitions: Partitions = field(default_factory=Partitions)
    boot_id: bytes = field(default_factory=new_boot_id)
    sequence: int = 0

    async def contract(self, name: str, topic_filter: str, rule: str) -> None:
        spec = ContractSpec(
            name,
            fields=(
                FieldSpec("id", FieldType.STRING, required=False),
                FieldSpec("t", FieldType.TIMESTAMP),
                FieldSpec("v", FieldType.NUMBER),
            ),
            event_time="t",
        )
        async with self.pool.acquire() as connection:
            await contract_records.create_contract(connection, spec, activate=True)
            await route_records.create_route(connection, topic_filter, name, rule)

    async def send(self, *messages: Message, park: bool = False) -> UUID:
        """Stores one batch as live data is stored, or parks it."""
        self.sequence += 1
        batch = Batch(
            batch_id=new_batch_id(), boot_id=self.boot_id, bridge_id="b1", sequence=self.sequence, messages=messages
        )
        data = pack(batch)
        async with self.pool.acquire() as connection:
            if park:
                await connection.execute(
                    "INSERT INTO validator.parked (batch_id, node, reason, bytes) VALUES ($1, 'n1', 'test', $2)",
                    UUID(bytes=batch.batch_id),
                    data,
                )
                return UUID(bytes=batch.batch_id)
            catalog = await self.registry.refresh(connection)
            entry = Entry("n1", keys.BATCHES, b"", batch.batch_id, data, Origin.SUSPECT)
            judged = judge_batch(entry, unpack(data), Rules(catalog))
            for contract, moments in event_months([judged]).items():
                await self.partitions.ensure(self.pool, contract, months_of(moments))
            await store(connection, [judged])
        return UUID(bytes=batch.batch_id)

    async def run(self, job: job_pb2.Job) -> job_pb2.Job:
        """Works on jobs until none is left."""
        while True:
            runner = Runner(self.pool, Registry(), Partitions(), KINDS, f"w-{uuid4()}", self.export_dir)
            if not await runner.run_once():
                break
        async with self.pool.acquire() as connection:
            done = job_message(await get_job(connection, UUID(job.job_id)))
        assert done.state == job_pb2.JOB_STATE_SUCCEEDED, done
        return done

    async def delete(self, device: str, *, dry_run: bool = False) -> job_pb2.Job:
        response = await self.stub.DeleteDeviceData(
            device_data_service_pb2.DeleteDeviceDataRequest(device_id=device, dry_run=dry_run)
        )
        return await self.run(response.job)

    async def everything(self) -> str:
        """All text and bytes of all tables but jobs, audit and marks, which a worker removes; the compressed ones unpacked."""
        lease = Lease(self.pool, "validator", "upkeep", "test", expire_seconds=3600.0)
        await lease.claim()
        await QuarantineLimiter(self.pool, lease).round()
        found = []
        for row in await self.pool.fetch(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname IN ('readings', 'validator', 'rollup') AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND c.relname NOT LIKE 'job%' AND c.relname NOT IN ('audit_event', 'rollup_mark', 'lease')"
        ):
            table = f'{row["nspname"]}."{row["relname"]}"'
            for line in await self.pool.fetch(f"SELECT row_to_json(r)::text AS line FROM {table} r"):
                document = json.loads(line["line"])
                if row["relname"] in {"raw_log", "parked"}:
                    document["bytes"] = str(unpack(bytes.fromhex(document["bytes"][2:])))
                elif row["relname"] == "quarantine":
                    document["payload"] = bytes.fromhex(document["payload"][2:]).decode("utf-8", "replace")
                found.append(f"{table}: {json.dumps(document, ensure_ascii=False)}")
        return "\n".join(found)


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster, tmp_path: Path) -> AsyncIterator[Setup]:
    async with validator_database(cluster) as pool:
        service = (
            device_data_service_pb2_grpc.add_DeviceDataServiceServicer_to_server,
            DeviceDataServicer(pool),
            SERVICE,
        )
        async with in_process_server([service]) as server:
            stub = device_data_service_pb2_grpc.DeviceDataServiceStub(server.channel)
            yield Setup(pool, Registry(), stub, tmp_path)


def message(topic: str, content: object, *, device: str = "", message_id: str = "") -> Message:
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Message(topic=topic, payload=payload, device_id=device, message_id=message_id, receive_time_us=_NOW_US)


def reading(second: int, value: object = 1.5, **more: object) -> dict[str, object]:
    return {"t": f"2023-11-14T20:00:{second:02}Z", "v": value, **more}


async def fill(setup: Setup, device: str) -> None:
    """Data of a device everywhere, beside that of another one."""
    await setup.contract("by_topic", "s/+", "topic:2")
    await setup.contract("by_payload", "p", "payload:/id")
    for name in (device, "other-one"):
        await setup.send(
            message(f"s/{name}" if "/" not in name else "s/x", reading(1), message_id=f"{name}:1"),
            message("p", reading(2, id=name)),
            message("p", reading(3, "bad", id=name)),
            message("p", {"id": name}),
            message("un/routed", b"\xff\x00", device=name),
        )
        await setup.send(
            message("p", [reading(4, id=name), reading(5, id="other-one"), reading(6, "bad", id=name)]),
            message("p", {"v": 1}, device=name),
            park=False,
        )
        await setup.send(message("p", reading(9, id=name)), message("p", reading(9, id="other-one")), park=True)


async def test_nothing_is_left_of_a_deleted_device(setup: Setup) -> None:
    """Rows, quarantine, raw log, parked batches and counts; the other device keeps all of its own."""
    await fill(setup, "pump-7")
    before = await setup.everything()
    done = await setup.delete("pump-7")
    after = await setup.everything()
    assert "pump-7" in before
    assert "pump-7" not in after
    assert dict(done.device_deletion.rows) == {"by_topic": 1, "by_payload": 2}
    assert done.device_deletion.quarantined == 5
    assert done.device_deletion.messages == 8
    assert done.device_deletion.parked_messages == 1
    assert done.device_deletion.unfound_items == 0
    kept = {
        line for line in before.splitlines() if "other-one" in line and "pump-7" not in line and "readings." in line
    }
    assert kept <= set(after.splitlines())
    marks = await setup.pool.fetch(
        "SELECT DISTINCT contract, hour FROM validator.rollup_mark WHERE 'pump-7' = ANY (devices)"
    )
    assert {row["contract"] for row in marks} <= {"by_topic", "by_payload"}


class _Killed(BaseException):
    """The worker died."""


class _Dying(DeleteDeviceData):
    """Dies before its steps of these numbers: what came before is committed, what it was about to do is not."""

    def __init__(self, deaths: set[int]) -> None:
        self.steps = 0
        self.deaths = deaths

    async def step(self, context: JobContext, part: Part) -> None:
        self.steps += 1
        if self.steps in self.deaths:
            raise _Killed
        await super().step(context, part)


async def test_a_deletion_that_was_killed_goes_on_and_counts_each_thing_once(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dying before any step changes neither what is left nor what the result says."""
    monkeypatch.setattr(logged, "_PAGE", 2)
    monkeypatch.setattr(delete, "_CHUNK", 1)
    await fill(setup, "pump-7")
    foreseen = (await setup.delete("pump-7", dry_run=True)).device_deletion
    response = await setup.stub.DeleteDeviceData(device_data_service_pb2.DeleteDeviceDataRequest(device_id="pump-7"))
    dying = _Dying(set(range(2, 200, 3)))
    while True:
        runner = Runner(setup.pool, Registry(), Partitions(), {dying.name: dying}, f"w-{uuid4()}")
        try:
            if not await runner.run_once():
                break
        except* _Killed:
            # Its lease ends with it.
            await setup.pool.execute("UPDATE validator.job_part SET expires_at = now() WHERE state = 'RUNNING'")
    done = (await setup.run(response.job)).device_deletion
    assert dying.steps > 10
    assert done == foreseen
    assert "pump-7" not in await setup.everything()


async def test_a_second_deletion_finds_nothing(setup: Setup) -> None:
    """And both are audited, with who asked."""
    await fill(setup, "pump-7")
    await setup.delete("pump-7")
    again = (await setup.delete("pump-7")).device_deletion
    assert again == type(again)(device_id="pump-7")
    events = await setup.stub.ListAuditEvents(
        device_data_service_pb2.ListAuditEventsRequest(target="device:pump-7", page_size=3)
    )
    assert [event.action for event in events.events] == ["DeviceDataDeleted", "DeleteDeviceData", "DeviceDataDeleted"]
    assert events.events[2].detail["quarantined"] == 5
    assert events.next_page_token


async def test_the_audit_cannot_be_changed(setup: Setup) -> None:
    """Not even by the owner of the table."""
    await setup.delete("pump-7")
    for statement in ("UPDATE validator.audit_event SET actor = ''", "DELETE FROM validator.audit_event"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await setup.pool.execute(statement)


async def test_a_dry_run_changes_nothing(setup: Setup) -> None:
    """It counts what the deletion then removes."""
    await fill(setup, "pump-7")
    before = await setup.everything()
    foreseen = (await setup.delete("pump-7", dry_run=True)).device_deletion
    assert await setup.everything() == before
    assert foreseen == (await setup.delete("pump-7")).device_deletion
    assert foreseen.messages > 0


async def test_what_was_routed_otherwise_when_it_came_is_found(setup: Setup) -> None:
    """The ledger knows that the batch held the device, and the message names it."""
    await setup.contract("by_topic", "s/+", "topic:2")
    await setup.send(message("s/pump-7", reading(1)), message("s/other", reading(1)))
    async with setup.pool.acquire() as connection:
        route = await route_records.find_route(connection, "s/+")
        assert route is not None
        await route_records.delete_route(connection, str(route.route_id))
    done = (await setup.delete("pump-7")).device_deletion
    assert (done.messages, done.unfound_items) == (1, 0)
    left = await setup.everything()
    assert "pump-7" not in left
    assert "s/other" in left


async def test_what_had_no_route_when_it_came_goes_with_its_device(setup: Setup) -> None:
    """A route that was made later says whose it is: the ledger counted it under no device."""
    await setup.send(message("late/pump-7", reading(1)), message("late/other", reading(1)))
    await setup.contract("by_topic", "late/+", "topic:2")
    done = (await setup.delete("pump-7")).device_deletion
    assert (done.messages, done.unfound_items) == (1, 0)
    assert done.quarantined == 1
    topics = await setup.pool.fetch("SELECT topic FROM validator.quarantine")
    assert [row["topic"] for row in topics] == ["late/other"]
    rows = await setup.pool.fetch("SELECT bytes FROM validator.raw_log")
    assert [one.topic for row in rows for one in unpack(row["bytes"]).messages] == ["", "late/other"]


async def test_what_waits_of_others_in_a_shared_array_stays(setup: Setup) -> None:
    """Only the device's elements are emptied; the others keep what their ids are made from."""
    whole = [reading(1, id="pump-7"), reading(2, id="other")]
    await setup.send(message("late", whole))
    await setup.contract("by_payload", "late", "payload:/id")
    response = await setup.stub.ExportDeviceData(device_data_service_pb2.ExportDeviceDataRequest(device_id="pump-7"))
    exported = (await setup.run(response.job)).device_export
    assert "other" not in _text_of(exported)
    assert (await setup.delete("pump-7")).device_deletion.quarantined == 1
    row = await setup.pool.fetchrow("SELECT payload, message_sha1 FROM validator.quarantine")
    assert row is not None
    assert json.loads(row["payload"]) == [None, whole[1]]
    assert row["message_sha1"] == hashlib.sha1(json.dumps(whole).encode(), usedforsecurity=False).digest()


def _text_of(exported: device_data_pb2.DeviceExportResult) -> str:
    return "".join((Path(exported.directory) / file.name).read_text() for file in exported.files)


async def test_counts_of_the_ledger_stay_the_same_without_the_name(setup: Setup) -> None:
    """Minutes and batches count the device's items under no name."""
    await fill(setup, "pump-7")
    lease = Lease(setup.pool, "validator", "upkeep", "fold", expire_seconds=3600.0)
    await lease.claim()
    await Fold(setup.pool, lease).run_once()
    query = "SELECT contract, sum(stored) s, sum(quarantined) q FROM validator.ledger_minute GROUP BY 1 ORDER BY 1"
    before = await setup.pool.fetch(query)
    await setup.delete("pump-7")
    assert await setup.pool.fetch(query) == before
    assert not await setup.pool.fetchval("SELECT count(*) FROM validator.ledger_minute WHERE device_id = 'pump-7'")


async def test_strange_ids_are_taken_as_they_are(setup: Setup) -> None:
    """Whatever an id is written like, exactly that device goes: nothing is a pattern, a path or SQL."""
    naughty = json.loads((Path(__file__).parents[1] / "contracts/samples/hostile/blns.json").read_text())
    ids = [text for text in dict.fromkeys(naughty) if device_id_of(text) == text]
    ids = [*ids[::12], "a/b", "#", "+", "%", "_", "a\\b", '"', "{x}", "$1", " ", "{}", "\u202e", "é" * 200]
    await setup.contract("by_payload", "p", "payload:/id")
    await setup.send(
        *(message("p", reading(1, id=name)) for name in ids),
        *(message("p", reading(2, "bad", id=name)) for name in ids),
    )
    for number, name in enumerate(ids, start=1):
        done = (await setup.delete(name)).device_deletion
        assert (done.messages, dict(done.rows), done.quarantined) == (2, {"by_payload": 1}, 1), name
        assert done.unfound_items == 0
        assert await setup.pool.fetchval("SELECT count(*) FROM readings.by_payload") == len(ids) - number


def _file_names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_an_export_has_everything_of_the_device_and_nothing_else(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, items with their bytes, messages as they came; each file whole, with its checksum."""
    monkeypatch.setattr(export, "_ROWS", 1)
    await fill(setup, "pump-7")
    response = await setup.stub.ExportDeviceData(device_data_service_pb2.ExportDeviceDataRequest(device_id="pump-7"))
    result = (await setup.run(response.job)).device_export
    assert dict(result.rows) == {"by_topic": 1, "by_payload": 2}
    assert (result.quarantined, result.messages, result.parked_messages) == (5, 8, 1)
    directory = Path(result.directory)
    assert sorted(file.name for file in result.files) == _file_names(directory)
    lines: dict[str, list[dict[str, object]]] = {}
    for file in result.files:
        data = (directory / file.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size_bytes, file.sha256)
        lines.setdefault(file.name.rpartition("-")[0], []).extend(map(json.loads, data.splitlines()))
    assert [line["v"] for line in lines["readings-by_payload"]] == [1.5, 1.5]
    assert {line["device_id"] for name in lines if name.startswith("readings") for line in lines[name]} == {"pump-7"}
    assert {"topic": "un/routed", "payload_base64": "/wA="}.items() <= lines["quarantine"][2].items()
    payloads = [json.loads(str(line["payload"])) for line in lines["messages"] if "payload" in line]
    assert reading(4, id="pump-7") in payloads
    assert "other-one" not in json.dumps(lines)
