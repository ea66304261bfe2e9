"""The contract language over gRPC, on a real Postgres: documents in and out, and single payloads judged."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from dataflow.validator.v1 import (
    contract_language_pb2,
    contract_pb2,
    contract_service_pb2,
    contract_service_pb2_grpc,
    quarantine_pb2,
)
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_service import SERVICE, ContractServicer
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.testing import reason_of, validator_database, violations_of
from google.protobuf import struct_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]

pytestmark = pytest.mark.postgres

FIWARE = Path(__file__).parents[1] / "contracts" / "samples" / "contracts" / "fiware"


@dataclass
class Setup:
    pool: Pool
    registry: Registry
    stub: "contract_service_pb2_grpc.ContractServiceAsyncStub"

    async def create(self, name: str, spec: contract_pb2.ContractSpec) -> contract_pb2.Contract:
        request = contract_service_pb2.CreateContractRequest(name=name, spec=spec, activate=True)
        return (await self.stub.CreateContract(request)).contract

    async def read(self, document: object) -> contract_language_pb2.ImportJsonSchemaResponse:
        return await self.stub.ImportJsonSchema(
            contract_language_pb2.ImportJsonSchemaRequest(document=json.dumps(document))
        )

    async def write(self, name: str) -> dict[str, object]:
        request = contract_language_pb2.ExportJsonSchemaRequest(contract=contract_pb2.ContractRef(name=name))
        written: dict[str, object] = json.loads((await self.stub.ExportJsonSchema(request)).document)
        return written

    async def judge(self, **request: object) -> contract_language_pb2.JudgePayloadResponse:
        return await self.stub.JudgePayload(contract_language_pb2.JudgePayloadRequest(**request))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(cluster) as pool:
        registry = Registry()
        service = (
            contract_service_pb2_grpc.add_ContractServiceServicer_to_server,
            ContractServicer(pool, registry),
            SERVICE,
        )
        async with in_process_server([service]) as server:
            yield Setup(pool, registry, contract_service_pb2_grpc.ContractServiceStub(server.channel))


def weather() -> contract_pb2.ContractSpec:
    number = contract_pb2.FIELD_TYPE_NUMBER
    return contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="ts", type=contract_pb2.FIELD_TYPE_TIMESTAMP),
            contract_pb2.Field(name="/air/temp", type=number, exclusive_min=-50, max=60, unit="°C"),
            contract_pb2.Field(
                name="winds",
                type=contract_pb2.FIELD_TYPE_ARRAY,
                required=False,
                items=contract_pb2.Field(
                    type=contract_pb2.FIELD_TYPE_OBJECT,
                    members=[
                        contract_pb2.Field(name="speed", type=number, min=0),
                        contract_pb2.Field(name="at", type=contract_pb2.FIELD_TYPE_TIMESTAMP, time_unit="ms"),
                    ],
                ),
            ),
            contract_pb2.Field(
                name="raw",
                type=contract_pb2.FIELD_TYPE_BINARY,
                required=False,
                encoding=contract_pb2.BINARY_ENCODING_HEX,
                max_length=4,
            ),
            contract_pb2.Field(name="any", type=contract_pb2.FIELD_TYPE_JSON, required=False),
        ],
        identity=["ts"],
        event_time_field="ts",
        event_time_unit="rfc3339",
        unknown_fields=contract_pb2.UNKNOWN_FIELDS_KEEP,
        coercion=contract_pb2.COERCION_LOSSLESS,
    )


async def test_a_contract_says_back_all_that_it_was_given(setup: Setup) -> None:
    """Every word of the language survives the proto, Postgres and an export."""
    made = await setup.create("weather", weather())
    again = await setup.create("weather2", made.spec)
    assert again.spec == made.spec
    assert made.spec.fields[1].exclusive_min == -50
    assert made.spec.fields[2].items.members[1].time_unit == "ms"
    assert made.spec.fields[3].column_type == "bytea"
    assert made.spec.fields[4].type == contract_pb2.FIELD_TYPE_JSON
    assert made.spec.event_time_unit == "rfc3339"
    imported = await setup.read(await setup.write("weather"))
    assert imported.spec == made.spec
    assert imported.name == "weather"
    assert list(imported.warnings) == []


async def test_a_judged_payload_has_the_values_of_its_row(setup: Setup) -> None:
    """Typed values by field, the rest as `extra`, and the id and time that a row would get."""
    await setup.create("weather", weather())
    payload = {
        "ts": "2025-06-01T12:00:00Z",
        "air": {"temp": "20.5"},
        "winds": [{"speed": 3, "at": 1748779200000}],
        "raw": "0aFF",
        "any": None,
        "more": 1,
    }
    answer = await setup.judge(
        contract=contract_pb2.ContractRef(name="weather"), text=json.dumps(payload), device_id="dev-1"
    )
    assert (answer.item_count, answer.accepted_count, answer.revision) == (1, 1, 1)
    [item] = answer.items
    assert item.accepted
    assert item.fields["/air/temp"].number_value == 20.5
    assert item.fields["raw"].binary_value == b"\x0a\xff"
    assert item.fields["ts"].timestamp_value.seconds == 1748779200
    assert item.event_time.seconds == 1748779200
    assert item.extra.struct_value["more"] == 1
    assert item.device_id == "dev-1"
    assert item.message_id_kind == contract_language_pb2.MESSAGE_ID_KIND_IDENTITY
    assert await setup.pool.fetchval('SELECT count(*) FROM readings."weather"') == 0


async def test_all_reasons_come_back_at_once(setup: Setup) -> None:
    """Also those inside of arrays, each with its pointer."""
    await setup.create("weather", weather())
    payload = {"ts": "2025-06-01T12:00:00", "air": {"temp": -50}, "winds": [{"speed": -1, "at": 1}], "raw": "0"}
    answer = await setup.judge(contract=contract_pb2.ContractRef(name="weather"), text=json.dumps(payload))
    [item] = answer.items
    assert not item.accepted
    assert item.kind == quarantine_pb2.QUARANTINE_KIND_REFUSED
    assert {(why.path, why.rule) for why in item.reasons} == {
        ("/ts", "timestamp"),
        ("/air/temp", "exclusiveMinimum"),
        ("/winds/0/speed", "minimum"),
        ("/raw", "hex"),
    }
    assert (item.device_id, item.message_id) == ("", "")


async def test_unsaved_rules_judge_any_form_of_content(setup: Setup) -> None:
    """Bytes, text and JSON are the same payload; an array gives a verdict for each item."""
    spec = contract_pb2.ContractSpec(fields=[contract_pb2.Field(name="n", type=contract_pb2.FIELD_TYPE_INTEGER)])
    listed = struct_pb2.Value(
        list_value=struct_pb2.ListValue(
            values=[
                struct_pb2.Value(struct_value=struct_pb2.Struct(fields={"n": struct_pb2.Value(number_value=number)}))
                for number in (1, 1.5)
            ]
        )
    )
    for content in ({"payload": b'[{"n":1},{"n":1.5}]'}, {"text": '[{"n":1},{"n":1.5}]'}, {"json": listed}):
        answer = await setup.judge(spec=spec, **content)
        assert [item.accepted for item in answer.items] == [True, False]
        assert (answer.item_count, answer.accepted_count, answer.revision) == (2, 1, 0)
    garbage = await setup.judge(spec=spec, payload=b"\xff")
    assert [item.kind for item in garbage.items] == [quarantine_pb2.QUARANTINE_KIND_UNPARSABLE]


async def test_a_route_says_where_the_device_is(setup: Setup) -> None:
    """With a topic the route's own device rule counts, and its failure is a reason."""
    await setup.create("weather", weather())
    async with setup.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO validator.route (filter, contract, device_rule) VALUES ('w/#', 'weather', 'topic:2')"
        )
        await connection.execute("UPDATE validator.catalog SET version = version + 1")
        await setup.registry.refresh(connection)
    good = json.dumps({"ts": "2025-06-01T12:00:00Z", "air": {"temp": 1}})
    reference = contract_pb2.ContractRef(name="weather")
    [found] = (await setup.judge(contract=reference, text=good, topic="w/station-7")).items
    assert found.device_id == "station-7"
    [missing] = (await setup.judge(contract=reference, text=good, topic="w")).items
    assert [why.rule for why in missing.reasons] == ["device"]


async def test_published_data_models_become_contracts(setup: Setup) -> None:
    """A bundled model keeps judging by itself and has typed columns; one with remote references says how to bundle."""
    bundled = json.loads((FIWARE / "NoiseLevelObserved.schema.bundled.json").read_text())
    imported = await setup.read(bundled)
    assert imported.spec.fields_from_schema
    columns = {field.name: field.column_type for field in imported.spec.fields}
    assert columns["id"] == "text"
    assert columns["/address/addressLocality"] == "text"
    assert columns["LAeq"] == "double precision"
    made = await setup.create("noise", imported.spec)
    again = (await setup.read(await setup.write("noise"))).spec
    assert json.loads(again.json_schema) == json.loads(made.spec.json_schema)
    assert list(again.fields) == list(made.spec.fields)
    remote = json.loads((FIWARE / "NoiseLevelObserved.schema.original_remote_refs.json").read_text())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.read(remote)
    assert reason_of(caught.value)[0] == "CONTRACT_INVALID"
    [description] = violations_of(caught.value)
    assert '"$defs"' in description


async def test_problems_name_their_place_and_the_message_is_short(setup: Setup) -> None:
    """Each violation has the path of the field at fault; the message only counts them."""
    wrong = contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="a", type=contract_pb2.FIELD_TYPE_STRING, min=1),
            contract_pb2.Field(name="b", type=contract_pb2.FIELD_TYPE_NUMBER, pattern="x"),
        ],
        identity=["c"],
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.create("wrong", wrong)
    assert caught.value.details() == "contract 'wrong' cannot be made: 3 problems, in the violations"
    bad = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad) for detail in rpc_status.from_call(caught.value).details)
    assert {violation.field for violation in bad.field_violations} == {
        "spec.fields[0].min",
        "spec.fields[1].pattern",
        "spec.identity[0]",
    }
