"""Revisions over gRPC on a real Postgres: made while others read and write, activated, pinned, watched, deleted."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import grpc
import pytest
from dataflow.validator.v1 import (
    contract_pb2,
    contract_service_pb2,
    contract_service_pb2_grpc,
    quarantine_pb2,
    reading_pb2,
    reading_service_pb2,
    reading_service_pb2_grpc,
)
from dataflow_mesh.postgres import Connection, Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_service import SERVICE, ContractServicer
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.contracts.names import Column
from dataflow_validator.contracts.spec import FieldType
from dataflow_validator.errors import TableLockedError
from dataflow_validator.quarantine.filters import wanted_of
from dataflow_validator.readings.added_columns import actual_columns, add_columns
from dataflow_validator.readings.service import ReadingServicer
from dataflow_validator.testing import reason_of, validator_database, violations_of
from google.protobuf import json_format, struct_pb2

pytestmark = pytest.mark.postgres

REF = contract_pb2.ContractRef(name="weather")
NONE = contract_pb2.COMPATIBILITY_MODE_NONE


@dataclass
class Setup:
    pool: Pool
    registry: Registry
    stub: "contract_service_pb2_grpc.ContractServiceAsyncStub"
    readings: "reading_service_pb2_grpc.ReadingServiceAsyncStub"

    async def create(self, *, activate: bool = True, **options: object) -> contract_pb2.Contract:
        request = contract_service_pb2.CreateContractRequest(
            name="weather",
            spec=spec(),
            activate=activate,
            options=contract_pb2.ContractOptions(**options),  # type: ignore[arg-type]
        )
        return (await self.stub.CreateContract(request)).contract

    async def revise(
        self,
        *fields: contract_pb2.Field,
        activate: bool = False,
        etag: str = "",
        request_id: str = "",
        temp_max: float | None = None,
    ) -> contract_service_pb2.CreateRevisionResponse:
        return await self.stub.CreateRevision(
            contract_service_pb2.CreateRevisionRequest(
                contract=REF, spec=spec(*fields, temp_max=temp_max), activate=activate, etag=etag, request_id=request_id
            )
        )

    async def get(self) -> contract_pb2.Contract:
        return (await self.stub.GetContract(contract_service_pb2.GetContractRequest(contract=REF))).contract

    async def update(self, **changes: object) -> contract_pb2.Contract:
        request = contract_service_pb2.UpdateContractRequest(contract=REF, **changes)  # type: ignore[arg-type]
        return (await self.stub.UpdateContract(request)).contract

    async def activate(self, revision: int, etag: str = "") -> contract_service_pb2.ActivateRevisionResponse:
        return await self.stub.ActivateRevision(
            contract_service_pb2.ActivateRevisionRequest(contract=REF, revision=revision, etag=etag)
        )

    async def delete(self, etag: str = "") -> contract_service_pb2.DeleteContractResponse:
        return await self.stub.DeleteContract(contract_service_pb2.DeleteContractRequest(contract=REF, etag=etag))


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(cluster) as pool:
        registry = Registry()
        stopping = asyncio.Event()
        service = (
            contract_service_pb2_grpc.add_ContractServiceServicer_to_server,
            ContractServicer(pool, registry, stopping),
            SERVICE,
        )
        readings = (
            reading_service_pb2_grpc.add_ReadingServiceServicer_to_server,
            ReadingServicer(pool),
            "dataflow.validator.v1.ReadingService",
        )
        async with in_process_server([service, readings]) as server:
            watch = asyncio.create_task(registry.watch(pool, stopping))
            yield Setup(
                pool,
                registry,
                contract_service_pb2_grpc.ContractServiceStub(server.channel),
                reading_service_pb2_grpc.ReadingServiceStub(server.channel),
            )
            stopping.set()
            await watch


def field(name: str, kind: int = contract_pb2.FIELD_TYPE_NUMBER, **rules: object) -> contract_pb2.Field:
    return contract_pb2.Field(name=name, type=kind, **{"required": False, **rules})  # type: ignore[arg-type]


def spec(*more: contract_pb2.Field, temp_max: float | None = None, identity: str = "ts") -> contract_pb2.ContractSpec:
    return contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="temp", type=contract_pb2.FIELD_TYPE_NUMBER, max=temp_max),
            contract_pb2.Field(name="ts", type=contract_pb2.FIELD_TYPE_TIMESTAMP),
            *more,
        ],
        identity=[identity],
        event_time_field="ts",
    )


async def insert_row(connection: Connection, revision: int = 1) -> None:
    await connection.execute(
        "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision) "
        "VALUES ('d', now(), now(), gen_random_uuid(), 1, $1)",
        revision,
    )


async def test_a_revision_adds_its_columns_and_waits_to_be_activated(setup: Setup) -> None:
    """It gets the next number and its columns; the one before judges until somebody activates it."""
    await setup.create()
    made = await setup.revise(field("humidity"), field("/a/b", contract_pb2.FIELD_TYPE_INTEGER))
    assert (made.created, made.revision.revision, made.revision.active) == (True, 2, False)
    assert list(made.added_columns) == ["humidity", "a.b"]
    assert (made.contract.active_revision, made.contract.latest_revision) == (1, 2)
    assert setup.registry.current.contracts["weather"].revision == 1
    async with setup.pool.acquire() as connection:
        columns = await actual_columns(connection, "weather")
    assert (columns["humidity"], columns["a.b"]) == ("double precision", "bigint")
    answer = await setup.activate(2)
    assert answer.contract.active_revision == 2
    assert setup.registry.current.contracts["weather"].revision == 2


async def test_equal_rules_make_no_revision(setup: Setup) -> None:
    """Whoever applies the same file again changes nothing, and may activate by it."""
    await setup.create(activate=False)
    again = await setup.revise(activate=True)
    assert (again.created, again.revision.revision, again.contract.active_revision) == (False, 1, 1)


async def test_the_same_request_makes_one_revision(setup: Setup) -> None:
    """A repeated request_id answers with the revision of the first time; for other rules it is refused."""
    await setup.create()
    first, second = await asyncio.gather(*(setup.revise(field("humidity"), request_id="r") for _ in range(2)))
    assert {first.revision.revision, second.revision.revision} == {2}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.revise(field("pressure"), request_id="r")
    assert reason_of(caught.value)[0] == "REQUEST_ID_REUSED"


async def test_revisions_made_at_once_follow_each_other(setup: Setup) -> None:
    """Each of many authors gets a number and columns of his own."""
    await setup.create()
    made = await asyncio.gather(*(setup.revise(field(f"f{n}")) for n in range(6)))
    assert sorted(one.revision.revision for one in made) == [2, 3, 4, 5, 6, 7]
    async with setup.pool.acquire() as connection:
        assert {f"f{n}" for n in range(6)} <= (await actual_columns(connection, "weather")).keys()


async def test_an_etag_guards_against_lost_updates(setup: Setup) -> None:
    """Every change gives another etag; whoever has an old one is told the current one."""
    etags = [(await setup.create(compatibility=NONE)).etag]
    etags.append((await setup.revise(field("humidity"), etag=etags[-1])).contract.etag)
    etags.append((await setup.activate(2, etag=etags[-1])).contract.etag)
    etags.append((await setup.update(redrive=contract_pb2.REDRIVE_OFF, etag=etags[-1])).etag)
    assert len(set(etags)) == 4
    for change in (
        lambda: setup.revise(field("pressure"), etag=etags[0]),
        lambda: setup.activate(1, etag=etags[1]),
        lambda: setup.update(redrive=contract_pb2.REDRIVE_ON, etag=etags[2]),
        lambda: setup.delete(etag=etags[2]),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await change()
        assert reason_of(caught.value) == ("ETAG_MISMATCH", {"current": etags[3]})
    assert (await setup.get()).etag == etags[3]


async def test_what_is_fixed_never_changes(setup: Setup) -> None:
    """Also in mode NONE: identity, event time, and the types of columns; all findings are listed at once."""
    await setup.create(compatibility=NONE)
    other = spec(identity="temp")
    other.fields[0].type = contract_pb2.FIELD_TYPE_STRING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.CreateRevision(contract_service_pb2.CreateRevisionRequest(contract=REF, spec=other))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    reason, metadata = reason_of(caught.value)
    assert (reason, metadata["revision"]) == ("REVISION_INCOMPATIBLE", "1")
    problems = violations_of(caught.value)
    assert any("the identity is" in problem for problem in problems)
    assert any("'temp' is string (text) now" in problem for problem in problems)


async def test_a_column_that_holds_more_is_used_again(setup: Setup) -> None:
    """An integer goes into a numeric column that an earlier revision made."""
    await setup.create(compatibility=NONE)
    await setup.revise(field("n", contract_pb2.FIELD_TYPE_INTEGER, max=1e30))
    made = await setup.revise(field("n", contract_pb2.FIELD_TYPE_INTEGER, max=10))
    assert (made.revision.revision, list(made.added_columns)) == (3, [])


async def test_revisions_are_listed_by_pages_and_never_change(setup: Setup) -> None:
    """The newest first; a page goes on where the one before ended, whatever was made since."""
    await setup.create(compatibility=NONE)
    for limit in range(4):
        await setup.revise(temp_max=float(limit))
    request = contract_service_pb2.ListRevisionsRequest(contract=REF, page_size=2)
    seen: list[tuple[int, float]] = []
    while True:
        page = await setup.stub.ListRevisions(request)
        seen += [(one.revision, one.spec.fields[0].max) for one in page.revisions]
        await setup.revise(temp_max=100.0 + len(seen))
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert seen == [(5, 3.0), (4, 2.0), (3, 1.0), (2, 0.0), (1, 0.0)]
    got = await setup.stub.GetRevision(contract_service_pb2.GetRevisionRequest(contract=REF, revision=3))
    assert (got.revision.revision, got.revision.spec.fields[0].max) == (3, 1.0)


async def test_a_forgotten_transaction_neither_gets_columns_nor_stops_inserts(setup: Setup) -> None:
    """While somebody's open transaction has read the table, others insert, and the caller is told who it is."""
    await setup.create()
    writing = asyncio.Event()
    async with setup.pool.acquire() as forgotten, setup.pool.acquire() as writer, setup.pool.acquire() as adder:
        await forgotten.execute("SET application_name = 'psql'; SET idle_in_transaction_session_timeout = 0")
        await writer.execute("SET lock_timeout = 250")

        async def write() -> int:
            done = 0
            while not writing.is_set():
                await insert_row(writer)
                done += 1
            return done

        async with forgotten.transaction():
            await forgotten.fetch("SELECT * FROM readings.weather")
            inserting = asyncio.create_task(write())
            column = Column("humidity", "double precision", "humidity", FieldType.NUMBER)
            with pytest.raises(TableLockedError) as caught:
                await add_columns(adder, "weather", [column], seconds=1.0)
            assert caught.value.metadata["application"] == "psql"
            assert caught.value.metadata["pid"] == str(forgotten.get_server_pid())
        await add_columns(adder, "weather", [column], seconds=20.0)
        writing.set()
        assert await inserting > 0
        assert "humidity" in await actual_columns(adder, "weather")


async def test_statements_prepared_before_a_column_came_go_on(setup: Setup) -> None:
    """Neither inserts nor reads of an open connection notice the change."""
    await setup.create()
    async with setup.pool.acquire() as connection:
        await insert_row(connection)
        read = "SELECT device_id, revision FROM readings.weather"
        assert len(await connection.fetch(read)) == 1
        await setup.revise(field("humidity"))
        async with connection.transaction():
            await insert_row(connection)
            assert len(await connection.fetch(read)) == 2


async def test_options_are_changed_one_by_one(setup: Setup) -> None:
    """What an update does not name stays; an empty message of days means for ever."""
    made = await setup.create(readings_days=30)
    assert (made.compatibility, made.redrive) == (contract_pb2.COMPATIBILITY_MODE_BACKWARD, contract_pb2.REDRIVE_ASK)
    changed = await setup.update(rollup_days=contract_pb2.KeepDays(days=365), description="of the roof")
    assert (changed.readings_days, changed.rollup_days, changed.description) == (30, 365, "of the roof")
    cleared = await setup.update(readings_days=contract_pb2.KeepDays())
    assert not cleared.HasField("readings_days")
    assert cleared.rollup_days == 365
    assert (await setup.update(description="of the roof")).etag == cleared.etag


async def test_a_deleted_contract_leaves_its_rows_and_says_so(setup: Setup) -> None:
    """Routes hold it; then its table and its revisions stay, and the same name goes on with them."""
    await setup.create(compatibility=NONE)
    await setup.revise(field("humidity"), activate=True)
    async with setup.pool.acquire() as connection:
        await insert_row(connection, 2)
        await create_route(connection, "w/+", "weather")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.delete()
        assert reason_of(caught.value) == ("CONTRACT_IN_USE", {"contract": "weather", "routes": "w/+"})
        await connection.execute("DELETE FROM validator.route")
    gone = await setup.delete()
    assert (gone.table, gone.revisions) == ('readings."weather"', 2)
    assert await setup.pool.fetchval("SELECT target FROM validator.audit_event") == "contract:weather"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.get()
    assert reason_of(caught.value)[0] == "CONTRACT_NOT_FOUND"
    assert "weather" not in setup.registry.current.contracts

    unfit = contract_service_pb2.CreateContractRequest(name="weather", spec=spec(identity="temp"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.CreateContract(unfit)
    assert reason_of(caught.value)[0] == "REVISION_INCOMPATIBLE"
    again = await setup.create()
    assert (again.active_revision, again.latest_revision) == (3, 3)
    assert await setup.pool.fetchval("SELECT count(*) FROM readings.weather") == 1
    page = await setup.stub.ListRevisions(contract_service_pb2.ListRevisionsRequest(contract=REF))
    assert [(one.revision, one.active) for one in page.revisions] == [(3, True), (2, False), (1, False)]


async def test_a_table_that_no_contract_made_is_left_alone(setup: Setup) -> None:
    """Its name is taken."""
    await setup.pool.execute("CREATE TABLE readings.weather (n integer)")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.create()
    assert reason_of(caught.value)[0] == "CONTRACT_EXISTS"


@pytest.mark.parametrize("redrive", ["OFF", "ASK", "ON"])
async def test_an_activation_minds_what_was_refused(setup: Setup, redrive: str) -> None:
    """OFF says nothing, ASK counts and names the command, ON makes the job in the same transaction."""
    await setup.create(redrive=contract_pb2.Redrive.Value(f"REDRIVE_{redrive}"), compatibility=NONE)
    await setup.pool.execute(
        "INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, "
        "receive_time, message_id, id_kind, content_hash, batch_id, position) "
        "SELECT 'weather', 1, k, 'd', 't', '', 0, '[]', now(), gen_random_uuid(), 'a', 1, gen_random_uuid(), 0 "
        "FROM unnest(ARRAY['REFUSED', 'UNSTORABLE', 'UNPARSABLE', 'CONFLICT']) AS k"
    )
    advice = (await setup.revise(temp_max=90.0, activate=True)).redrive
    jobs = await setup.pool.fetch("SELECT job_id::text, kind, request::text FROM validator.job")
    if redrive == "OFF":
        assert (advice.quarantined, advice.command, jobs) == (0, "", [])
    elif redrive == "ASK":
        assert (advice.quarantined, advice.more, jobs) == (2, False, [])
        assert advice.command == "dataflow quarantine replay --contract weather"
    else:
        assert [(advice.quarantined, advice.job_id)] == [(2, job["job_id"]) for job in jobs]
        assert jobs[0]["kind"] == "REPLAY_QUARANTINED"
        read = json_format.ParseDict(json.loads(jobs[0]["request"])["filter"], quarantine_pb2.QuarantineFilter())
        assert wanted_of(read) is not None
        assert read.contract == "weather"
    assert not (await setup.activate(2)).redrive.quarantined


async def test_a_watch_gives_what_there_is_and_each_change(setup: Setup) -> None:
    """In order, with the contract as it stands; resumed by a sequence it leaves nothing out."""
    await setup.create(compatibility=NONE)
    watch = setup.stub.WatchContracts(contract_service_pb2.WatchContractsRequest())
    changes = aiter(watch)
    first = (await anext(changes)).change
    assert (first.kind, first.name, first.revision) == (contract_pb2.CONTRACT_CHANGE_KIND_EXISTING, "weather", 1)
    await setup.revise(field("humidity"), activate=True)
    await setup.update(description="x")
    await setup.delete()
    seen = [(await anext(changes)).change for _ in range(4)]
    kinds = [contract_pb2.ContractChangeKind.Name(change.kind).rpartition("_")[2] for change in seen]
    assert kinds == ["REVISED", "ACTIVATED", "UPDATED", "DELETED"]
    assert [change.revision for change in seen] == [2, 2, 2, 2]
    assert not seen[3].HasField("contract")
    watch.cancel()
    resumed = setup.stub.WatchContracts(contract_service_pb2.WatchContractsRequest(after_sequence=seen[1].sequence))
    rest = aiter(resumed)
    assert [(await anext(rest)).change.sequence for _ in range(2)] == [seen[2].sequence, seen[3].sequence]
    resumed.cancel()


async def test_a_watch_of_some_contracts_hears_of_no_others(setup: Setup) -> None:
    """Changes of others only move it on."""
    await setup.create(compatibility=NONE)
    request = contract_service_pb2.WatchContractsRequest(names=["other"], after_sequence=0)
    watch = setup.stub.WatchContracts(request)
    await setup.revise(temp_max=1.0)
    other = contract_service_pb2.CreateContractRequest(name="other", spec=spec(), activate=True)
    await setup.stub.CreateContract(other)
    change = (await anext(aiter(watch))).change
    assert (change.name, change.kind) == ("other", contract_pb2.CONTRACT_CHANGE_KIND_CREATED)
    watch.cancel()


async def test_any_revision_can_be_compiled(setup: Setup) -> None:
    """Jobs judge by the one they want, active or not."""
    await setup.create(compatibility=NONE)
    await setup.revise(temp_max=10.0, activate=True)
    async with setup.pool.acquire() as connection:
        first = await setup.registry.compiled(connection, "weather", 1)
        second = await setup.registry.compiled(connection, "weather", 2)
        assert second is setup.registry.current.contracts["weather"]
        assert await setup.registry.compiled(connection, "weather", 1) is first
    item = {"temp": 20.0, "ts": "2026-01-01T00:00:00Z"}
    assert (first.is_valid(item), second.is_valid(item)) == (True, False)


async def test_enum_values_make_a_revision(setup: Setup) -> None:
    """Rules that touch no column change nothing but the judging."""
    await setup.create(compatibility=NONE)
    mode = field("mode", contract_pb2.FIELD_TYPE_STRING, enum=[struct_pb2.Value(string_value="on")])
    assert list((await setup.revise(mode)).added_columns) == ["mode"]
    mode.enum.append(struct_pb2.Value(string_value="off"))
    assert list((await setup.revise(mode)).added_columns) == []


async def test_readers_see_the_fields_of_all_revisions(setup: Setup) -> None:
    """A field that only an old or only a new revision has is listed and aggregated, with the type of its column."""
    await setup.create(compatibility=NONE)
    await setup.revise(field("old", contract_pb2.FIELD_TYPE_INTEGER, max=1e30), activate=True)
    await setup.revise(field("new"))
    insert = (
        "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, {}) "
        "VALUES ($1, '2026-01-01', now(), gen_random_uuid(), 1, $2, $3)"
    )
    await setup.pool.execute(insert.format("old"), "a", 2, 10)
    await setup.pool.execute(insert.format("new"), "b", 3, 0.5)
    for active in (2, 3, 1):
        await setup.activate(active)
        listed = await setup.readings.ListReadings(
            reading_service_pb2.ListReadingsRequest(filter=reading_pb2.ReadingFilter(contract="weather"))
        )
        assert [dict(reading.fields) for reading in listed.readings] == [
            {"old": reading_pb2.Value(decimal_value="10")},
            {"new": reading_pb2.Value(number_value=0.5)},
        ]
        aggregated = await setup.readings.AggregateReadings(
            reading_service_pb2.AggregateReadingsRequest(
                filter=reading_pb2.ReadingFilter(contract="weather"),
                fields=["old", "new"],
                aggregates=[reading_service_pb2.AGGREGATE_SUM],
            )
        )
        assert {name: cells.sum for name, cells in aggregated.buckets[0].fields.items()} == {"old": 10.0, "new": 0.5}
