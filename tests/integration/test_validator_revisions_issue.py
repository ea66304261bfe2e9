"""Revisions as a user of the RPCs meets them: modes and their explanations, lost updates, differences, deletion keeps data."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from dataflow.validator.v1 import (
    compatibility_pb2,
    contract_language_pb2,
    contract_pb2,
    contract_service_pb2,
    contract_service_pb2_grpc,
)
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_service import SERVICE, ContractServicer
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.testing import reason_of, validator_database, violations_of
from google.protobuf import json_format, timestamp_pb2

pytestmark = pytest.mark.postgres

REF = contract_pb2.ContractRef(name="room")
BACKWARD = compatibility_pb2.COMPATIBILITY_DIRECTION_BACKWARD
FORWARD = compatibility_pb2.COMPATIBILITY_DIRECTION_FORWARD


def rules(*fields: dict[str, Any], **more: Any) -> contract_pb2.ContractSpec:
    """Read rules as grpcurl would send them; a field's type may be written short."""
    for one in fields:
        one["type"] = f"FIELD_TYPE_{one['type'].upper()}"
    return json_format.ParseDict({"fields": list(fields), **more}, contract_pb2.ContractSpec())


def temp(**changes: Any) -> dict[str, Any]:
    return {"name": "temp", "type": "number", "min": 0, "max": 50, **changes}


@dataclass
class User:
    pool: Pool
    registry: Registry
    stub: "contract_service_pb2_grpc.ContractServiceAsyncStub"

    async def create(self, spec: contract_pb2.ContractSpec, mode: str = "BACKWARD") -> contract_pb2.Contract:
        request = contract_service_pb2.CreateContractRequest(
            name="room",
            spec=spec,
            activate=True,
            options=contract_pb2.ContractOptions(compatibility=self.mode(mode)),
        )
        return (await self.stub.CreateContract(request)).contract

    @staticmethod
    def mode(name: str) -> contract_pb2.CompatibilityMode.ValueType:
        return contract_pb2.CompatibilityMode.Value(f"COMPATIBILITY_MODE_{name}")

    async def revise(self, spec: contract_pb2.ContractSpec, **more: Any) -> contract_service_pb2.CreateRevisionResponse:
        return await self.stub.CreateRevision(
            contract_service_pb2.CreateRevisionRequest(contract=REF, spec=spec, **more)
        )

    async def set_mode(self, name: str) -> None:
        await self.stub.UpdateContract(
            contract_service_pb2.UpdateContractRequest(contract=REF, compatibility=self.mode(name))
        )

    async def check(
        self, spec: contract_pb2.ContractSpec, mode: str = "UNSPECIFIED", revision: int = 0
    ) -> compatibility_pb2.CheckCompatibilityResponse:
        return await self.stub.CheckCompatibility(
            compatibility_pb2.CheckCompatibilityRequest(
                contract=REF, spec=spec, mode=self.mode(mode), revision=revision
            )
        )

    async def judge(self, spec: contract_pb2.ContractSpec, payload: str) -> bool:
        answer = await self.stub.JudgePayload(
            contract_language_pb2.JudgePayloadRequest(
                spec=spec, payload=payload.encode(), receive_time=_timestamp(datetime(2026, 1, 1, tzinfo=UTC))
            )
        )
        return answer.accepted_count == answer.item_count

    async def refused(self, spec: contract_pb2.ContractSpec) -> list[str]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.revise(spec)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert reason_of(caught.value)[0] == "REVISION_INCOMPATIBLE"
        return violations_of(caught.value)


def _timestamp(moment: datetime) -> timestamp_pb2.Timestamp:
    written = timestamp_pb2.Timestamp()
    written.FromDatetime(moment)
    return written


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def user(cluster: PostgresCluster) -> AsyncIterator[User]:
    async with validator_database(cluster) as pool:
        registry = Registry()
        stopping = asyncio.Event()
        service = (
            contract_service_pb2_grpc.add_ContractServiceServicer_to_server,
            ContractServicer(pool, registry, stopping),
            SERVICE,
        )
        async with in_process_server([service]) as server:
            watch = asyncio.create_task(registry.watch(pool, stopping))
            yield User(pool, registry, contract_service_pb2_grpc.ContractServiceStub(server.channel))
            stopping.set()
            await watch


WIDER = {"min": -10}
NARROWER = {"min": 10}


@pytest.mark.parametrize(
    ("mode", "allows_wider", "allows_narrower"),
    [
        ("NONE", True, True),
        ("BACKWARD", True, False),
        ("FORWARD", False, True),
        ("FULL", False, False),
        ("BACKWARD_TRANSITIVE", True, False),
        ("FORWARD_TRANSITIVE", False, True),
        ("FULL_TRANSITIVE", False, False),
    ],
)
async def test_each_mode_allows_what_its_name_says(
    user: User, mode: str, allows_wider: bool, allows_narrower: bool
) -> None:
    """Wider bounds keep all that was accepted, narrower ones accept only that."""
    await user.create(rules(temp()), mode)
    for change, allowed in ((WIDER, allows_wider), (NARROWER, allows_narrower)):
        answer = await user.check(rules(temp(**change)))
        assert (answer.compatible, bool(answer.incompatibilities)) == (allowed, not allowed)
        assert answer.mode == user.mode(mode)
        if not allowed:
            assert "/temp" in " ".join(await user.refused(rules(temp(**change))))
    for change, allowed in ((WIDER, allows_wider), (NARROWER, allows_narrower)):
        if allowed:
            assert (await user.revise(rules(temp(**change)))).created
            break


@pytest.mark.parametrize("mode", ["BACKWARD", "FORWARD", "FULL", "FULL_TRANSITIVE"])
@pytest.mark.parametrize("unknown", ["IGNORE", "KEEP", "REJECT"])
async def test_adding_an_optional_field_is_compatible_in_every_mode(user: User, mode: str, unknown: str) -> None:
    """With fields and with a JSON Schema, whatever becomes of unknown members."""
    policy = {"unknown_fields": f"UNKNOWN_FIELDS_{unknown}"}
    await user.create(rules(temp(), **policy), mode)
    answer = await user.revise(
        rules(temp(), {"name": "note", "type": "string", "required": False, "max_length": 3}, **policy)
    )
    assert list(answer.added_columns) == ["note"]


async def test_adding_an_optional_property_of_a_json_schema_is_compatible(user: User) -> None:
    """An open schema and a closed one alike; the answer names the exemption with a message that shows it."""
    schema: dict[str, Any] = {"type": "object", "properties": {"temp": {"type": "number"}}, "required": ["temp"]}
    await user.create(contract_pb2.ContractSpec(json_schema=json.dumps(schema)), "FULL")
    schema["properties"]["note"] = {"type": "string"}
    spec = contract_pb2.ContractSpec(json_schema=json.dumps(schema))
    answer = await user.check(spec)
    assert (answer.compatible, list(answer.incompatibilities)) == (True, [])
    [exemption] = answer.exemptions
    assert (exemption.path, exemption.direction) == ("/note", BACKWARD)
    assert not await user.judge(spec, exemption.example.payload)
    assert (await user.revise(spec)).created


async def test_each_incompatibility_is_explained_by_field_with_an_instance(user: User) -> None:
    """Every finding names field and rule, what was and what is, and a message that one accepts and the other refuses."""
    old = rules(
        temp(),
        {"name": "mode", "type": "string", "enum": ["on", "off"]},
        {"name": "/n/depth", "type": "integer", "nullable": True},
        {"name": "list", "type": "array", "items": {"name": "", "type": "FIELD_TYPE_NUMBER"}, "required": False},
        {"name": "note", "type": "string", "required": False},
    )
    new = rules(
        temp(max=40),
        {"name": "mode", "type": "string", "enum": ["on"]},
        {"name": "/n/depth", "type": "integer"},
        {"name": "list", "type": "array", "items": {"name": "", "type": "FIELD_TYPE_INTEGER"}, "required": False},
        {"name": "note", "type": "string"},
    )
    await user.create(old)
    answer = await user.check(new)
    found = {(one.path, one.clause): one for one in answer.incompatibilities}
    assert set(found) == {
        ("/temp", "maximum"),
        ("/mode", "enum"),
        ("/n/depth", "type"),
        ("/list/*", "type"),
        ("/note", "required"),
    }
    for one in found.values():
        assert one.direction == BACKWARD
        assert one.old_rule
        assert one.new_rule
        assert await user.judge(old, one.counter_example.payload)
        assert not await user.judge(new, one.counter_example.payload)
    assert found["/temp", "maximum"].old_rule == "at most 50"
    assert found["/temp", "maximum"].new_rule == "at most 40"
    refused = await user.refused(new)
    assert len(refused) == len(found)
    assert all(one.counter_example.payload in " ".join(refused) for one in found.values())


async def test_transitive_modes_look_at_every_revision_before(user: User) -> None:
    """What the last revision widened away shows against an earlier one, and the answer says against which."""
    await user.create(rules(temp(max=10)), "FORWARD")
    await user.set_mode("NONE")
    await user.revise(rules(temp(max=50)))
    await user.set_mode("FORWARD")
    spec = rules(temp(max=30))
    assert (await user.check(spec)).compatible
    answer = await user.check(spec, "FORWARD_TRANSITIVE")
    assert list(answer.compared_revisions) == [2, 1]
    assert [(one.revision, one.path, one.direction) for one in answer.incompatibilities] == [(1, "/temp", FORWARD)]
    await user.set_mode("FORWARD_TRANSITIVE")
    assert "revision 1" in " ".join(await user.refused(spec))


async def test_what_belongs_to_the_contract_never_changes(user: User) -> None:
    """Not even without a mode: identity, event-time field, its unit, and the type of a column."""
    base = [{"name": "ts", "type": "timestamp"}, {"name": "n", "type": "integer"}]
    fixed = {"identity": ["n"], "event_time_field": "ts"}
    await user.create(rules(*map(dict, base), **fixed), "NONE")
    for change in (
        rules(*map(dict, base), identity=["ts"], event_time_field="ts"),
        rules(*map(dict, base), identity=["n"]),
        rules(*map(dict, base), **fixed, event_time_unit="ms"),
        rules({"name": "ts", "type": "timestamp"}, {"name": "n", "type": "string"}, **fixed),
    ):
        answer = await user.check(change)
        assert not answer.compatible
        assert answer.problems
        assert await user.refused(change)


async def test_a_type_that_does_not_fit_its_column_is_refused_also_after_the_field_was_gone(user: User) -> None:
    """The column with its rows is still there; the sentence says the way out."""
    await user.create(rules(temp(), {"name": "n", "type": "string", "required": False}), "NONE")
    await user.revise(rules(temp()))
    [problem] = await user.refused(rules(temp(), {"name": "n", "type": "integer", "required": False}))
    assert "another field name" in problem
    assert (await user.revise(rules(temp(), {"name": "N", "type": "integer", "required": False}))).created


async def test_etags_stop_lost_updates(user: User) -> None:
    """Of two who read the same contract, the second one to write is told so; nothing of its wish is done."""
    read = await user.create(rules(temp()))
    assert read.etag
    first = await user.revise(rules(temp(max=60)), etag=read.etag)
    assert first.contract.etag != read.etag
    for attempt in (
        user.revise(rules(temp(max=70)), etag=read.etag),
        user.stub.UpdateContract(
            contract_service_pb2.UpdateContractRequest(contract=REF, etag=read.etag, description="x")
        ),
        user.stub.ActivateRevision(
            contract_service_pb2.ActivateRevisionRequest(contract=REF, revision=2, etag=read.etag)
        ),
        user.stub.DeleteContract(contract_service_pb2.DeleteContractRequest(contract=REF, etag=read.etag)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await attempt
        assert reason_of(caught.value)[0] == "ETAG_MISMATCH"
    now = (await user.stub.GetContract(contract_service_pb2.GetContractRequest(contract=REF))).contract
    assert (now.etag, now.latest_revision, now.active_revision) == (first.contract.etag, 2, 1)


async def test_differences_are_told_in_order_and_page_by_page(user: User) -> None:
    """The contract's own rules, then fields in their new order; sentences for people and the parts for programs."""
    await user.create(rules(temp(), {"name": "old", "type": "string", "required": False}), "NONE")
    await user.revise(
        rules(
            {"name": "new", "type": "integer", "required": False},
            temp(max=60, unit="°C"),
            unknown_fields="UNKNOWN_FIELDS_KEEP",
        )
    )
    request = compatibility_pb2.DiffRevisionsRequest(contract=REF, page_size=2)
    seen: list[compatibility_pb2.RevisionChange] = []
    while True:
        answer = await user.stub.DiffRevisions(request)
        assert (answer.from_revision, answer.to_revision) == (1, 2)
        seen += answer.changes
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    names = compatibility_pb2.RevisionChangeKind.Name
    assert [
        (names(one.kind).rpartition("_")[2], one.field, one.clause, one.old_rule, one.new_rule) for one in seen
    ] == [
        ("CHANGED", "", "unknown", "ignore", "keep"),
        ("ADDED", "new", "", "", "integer"),
        ("ADDED", "temp", "unit", "", "°C"),
        ("CHANGED", "temp", "max", "50", "60"),
        ("REMOVED", "old", "", "string", ""),
    ]
    assert seen[3].sentence == "field 'temp': maximum changed from 50 to 60"
    assert "stays" in seen[4].sentence
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await user.stub.DiffRevisions(compatibility_pb2.DiffRevisionsRequest(contract=REF, from_revision=9))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_deleted_contract_keeps_its_rows_and_says_where(user: User) -> None:
    """Table, rows and revisions stay; a contract of the same name goes on with them, and only with what fits."""
    await user.create(rules(temp()))
    async with user.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO readings.room (device_id, event_time, receive_time, message_id, content_hash, revision, temp) "
            "VALUES ('d', now(), now(), gen_random_uuid(), 1, 1, 21.5)"
        )
    gone = await user.stub.DeleteContract(contract_service_pb2.DeleteContractRequest(contract=REF))
    assert gone.table in gone.message
    assert gone.revisions == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await user.stub.GetContract(contract_service_pb2.GetContractRequest(contract=REF))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    async with user.pool.acquire() as connection:
        assert await connection.fetchval("SELECT temp FROM readings.room") == 21.5
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await user.create(rules({"name": "temp", "type": "string"}))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    again = await user.create(rules(temp()))
    assert again.latest_revision == 2
