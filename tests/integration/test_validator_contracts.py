"""ContractService over gRPC, on a real Postgres."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import grpc
import pytest
from dataflow.validator.v1 import contract_pb2, contract_service_pb2, contract_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_service import SERVICE, ContractServicer
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.testing import reason_of, validator_database, violations_of
from google.protobuf import duration_pb2, struct_pb2

pytestmark = pytest.mark.postgres


@dataclass
class Setup:
    pool: Pool
    registry: Registry
    stub: "contract_service_pb2_grpc.ContractServiceAsyncStub"

    async def create(
        self, name: str, spec: contract_pb2.ContractSpec, *, activate: bool = False, request_id: str = ""
    ) -> contract_pb2.Contract:
        request = contract_service_pb2.CreateContractRequest(
            name=name, spec=spec, activate=activate, request_id=request_id
        )
        return (await self.stub.CreateContract(request)).contract


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


def spec() -> contract_pb2.ContractSpec:
    return contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="temp", type=contract_pb2.FIELD_TYPE_NUMBER, unit="°C", min=-50, max=60),
            contract_pb2.Field(name="/a/b", type=contract_pb2.FIELD_TYPE_INTEGER, required=False, nullable=True),
            contract_pb2.Field(
                name="mode",
                type=contract_pb2.FIELD_TYPE_STRING,
                enum=[struct_pb2.Value(string_value="on"), struct_pb2.Value(string_value="off")],
                default=struct_pb2.Value(string_value="on"),
            ),
            contract_pb2.Field(name="ts", type=contract_pb2.FIELD_TYPE_TIMESTAMP),
        ],
        identity=["ts"],
        event_time_field="ts",
        coercion=contract_pb2.COERCION_LOSSLESS,
        description="weather",
    )


async def test_a_created_contract_says_its_columns(setup: Setup) -> None:
    """The answer spells out defaults and where each field is stored, and judging follows at once."""
    made = await setup.create("weather", spec(), activate=True)
    assert [(field.column_name, field.column_type) for field in made.spec.fields] == [
        ("temp", "double precision"),
        ("a.b", "bigint"),
        ("mode", "text"),
        ("ts", "timestamptz"),
    ]
    assert (made.active_revision, made.latest_revision, made.builtin) == (1, 1, False)
    assert made.spec.unknown_fields == contract_pb2.UNKNOWN_FIELDS_IGNORE
    assert made.spec.conflict_policy == contract_pb2.CONFLICT_POLICY_FIRST
    assert made.spec.dedupe_window.ToSeconds() == 7 * 86_400
    assert "weather" in setup.registry.current.contracts
    got = await setup.stub.GetContract(
        contract_service_pb2.GetContractRequest(contract=contract_pb2.ContractRef(name="weather"))
    )
    assert got.contract == made


async def test_a_contract_made_of_a_shown_one_is_equal(setup: Setup) -> None:
    """What GetContract gives can be sent to CreateContract again."""
    first = await setup.create("one", spec())
    second = await setup.create("two", first.spec)
    assert second.spec == first.spec


async def test_a_json_schema_gives_the_fields(setup: Setup) -> None:
    """Without fields the columns are derived from the schema, which alone judges."""
    schema = (
        '{"type": "object", "properties": {"t": {"type": "number"}, "ts": {"type": "string", "format": "date-time"}}}'
    )
    made = await setup.create("s", contract_pb2.ContractSpec(json_schema=schema, event_time_field="ts"))
    assert [(field.name, field.column_type) for field in made.spec.fields] == [
        ("t", "double precision"),
        ("ts", "timestamptz"),
    ]


async def test_fields_and_json_schema_judge_together(setup: Setup) -> None:
    """With both, the fields are the columns and the schema is kept as it is."""
    both = spec()
    both.json_schema = '{"properties": {"temp": {"multipleOf": 0.5}}}'
    made = await setup.create("both", both)
    assert len(made.spec.fields) == 4
    assert made.spec.json_schema == '{"properties":{"temp":{"multipleOf":0.5}}}'


async def test_a_schema_that_cannot_judge_is_refused(setup: Setup) -> None:
    """No JSON, no schema, or a reference to somewhere else: CONTRACT_INVALID, and nothing is made."""
    remote, pattern = '{"$ref": "https://example.com/schema"}', '{"properties": {"a": {"pattern": "("}}}'
    for schema in ("{", remote, '{"type": "nothing"}', "[]", pattern):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.create("bad", contract_pb2.ContractSpec(json_schema=schema))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason_of(caught.value)[0] == "CONTRACT_INVALID"
        assert violations_of(caught.value)
    assert await setup.pool.fetchval("SELECT count(*) FROM validator.contract") == 0


async def test_all_problems_come_at_once(setup: Setup) -> None:
    """BadRequest lists each mistake."""
    bad = spec()
    bad.identity.append("nowhere")
    bad.event_time_field = "temp2"
    bad.event_time_max_ahead.CopyFrom(duration_pb2.Duration(seconds=86_400 * 9))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.create("bad", bad)
    assert len(violations_of(caught.value)) == 3


async def test_a_taken_name_is_refused(setup: Setup) -> None:
    """ALREADY_EXISTS with the name, unless it is the same request."""
    await setup.create("weather", spec(), request_id="r1")
    await setup.create("weather", spec(), request_id="r1")
    for request_id, reason in (("r2", "CONTRACT_EXISTS"), ("", "CONTRACT_EXISTS")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.create("weather", spec(), request_id=request_id)
        assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
        assert reason_of(caught.value) == (reason, {"contract": "weather"})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.create("other", spec(), request_id="r1")
    assert reason_of(caught.value)[0] == "REQUEST_ID_REUSED"


async def test_contracts_are_listed_by_name_in_pages(setup: Setup) -> None:
    """Every contract once, in order, whatever the page size."""
    names = [f"c{number}" for number in range(7)]
    for name in reversed(names):
        await setup.create(name, spec())
    found, token = [], ""
    while True:
        page = await setup.stub.ListContracts(contract_service_pb2.ListContractsRequest(page_size=3, page_token=token))
        found += [contract.name for contract in page.contracts]
        if not (token := page.next_page_token):
            break
    assert found == names
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.ListContracts(contract_service_pb2.ListContractsRequest(page_token="garbage"))
    assert reason_of(caught.value)[0] == "PAGE_TOKEN_INVALID"


async def test_a_page_stays_below_what_clients_take(setup: Setup) -> None:
    """Large contracts make small pages instead of a message that is refused."""
    large = spec()
    large.json_schema = '{"description": "' + "x" * 900_000 + '"}'
    for number in range(6):
        await setup.create(f"c{number}", large)
    sizes, token = [], ""
    while True:
        page = await setup.stub.ListContracts(contract_service_pb2.ListContractsRequest(page_token=token))
        assert page.ByteSize() < 4 * 1024 * 1024
        sizes.append(len(page.contracts))
        if not (token := page.next_page_token):
            break
    assert sizes == [3, 3]


async def test_activation_follows_the_request(setup: Setup) -> None:
    """Revision 0 means the newest; an unknown one is not found."""
    await setup.create("weather", spec())
    ref = contract_pb2.ContractRef(name="weather")
    made = await setup.stub.ActivateRevision(contract_service_pb2.ActivateRevisionRequest(contract=ref))
    assert made.contract.active_revision == 1
    assert "weather" in setup.registry.current.contracts
    for name, revision in (("weather", 9), ("nothing", 0), ("nul\0", 0)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.stub.ActivateRevision(
                contract_service_pb2.ActivateRevisionRequest(
                    contract=contract_pb2.ContractRef(name=name), revision=revision
                )
            )
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert reason_of(caught.value)[0] == "CONTRACT_NOT_FOUND"
