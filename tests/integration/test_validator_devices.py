"""Deleting and exporting everything of one device, on a real Postgres, by the code of live data and of job workers."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from dataflow.ring.v1.batch_pb2 import Batch, Message
from dataflow.validator.v1 import (
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
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.devices.service import SERVICE, DeviceDataServicer
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.messages import job_message
from dataflow_validator.jobs.records import get_job
from dataflow_validator.jobs.runner import Runner
from dataflow_validator.judged import judge_batch
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

    async def run(self, job: job_pb2.Job, *, kill_after: int | None = None) -> job_pb2.Job:
        """Works on jobs until none is left; `kill_after` forgets the worker's memory between slices."""
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
            "AND c.relname NOT LIKE 'job%' AND c.relname NOT IN ('audit_event', 'rollup_mark')"
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
