"""RouteService over gRPC, on a real Postgres."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import grpc
import pytest
from dataflow.validator.v1 import contract_pb2, route_pb2, route_service_pb2, route_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_service import SERVICE, RouteServicer
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.testing import reason_of, validator_database

pytestmark = pytest.mark.postgres


@dataclass
class Setup:
    pool: Pool
    registry: Registry
    stub: "route_service_pb2_grpc.RouteServiceAsyncStub"

    async def create(self, filter_: str, rule: str = "", contract: str = "weather") -> route_pb2.Route:
        request = route_service_pb2.CreateRouteRequest(
            filter=filter_, device_rule=rule, contract=contract_pb2.ContractRef(name=contract)
        )
        return (await self.stub.CreateRoute(request)).route


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(cluster) as pool:
        async with pool.acquire() as connection:
            await create_contract(
                connection, ContractSpec("weather", fields=(FieldSpec("t", FieldType.NUMBER),)), activate=True
            )
        registry = Registry()
        service = (
            route_service_pb2_grpc.add_RouteServiceServicer_to_server,
            RouteServicer(pool, registry),
            SERVICE,
        )
        async with in_process_server([service]) as server:
            yield Setup(pool, registry, route_service_pb2_grpc.RouteServiceStub(server.channel))


async def test_a_created_route_takes_topics_at_once(setup: Setup) -> None:
    """The answer spells the device rule out, and this validator resolves by it."""
    made = await setup.create("site/+/weather")
    assert (made.filter, made.contract, made.device_rule) == ("site/+/weather", "weather", "topic:2")
    got = await setup.stub.GetRoute(route_service_pb2.GetRouteRequest(route_id=made.route_id))
    assert got.route == made
    resolved = await setup.stub.ResolveTopic(route_service_pb2.ResolveTopicRequest(topic="site/a/weather"))
    assert resolved.route == made
    nothing = await setup.stub.ResolveTopic(route_service_pb2.ResolveTopicRequest(topic="other"))
    assert not nothing.HasField("route")


async def test_the_most_specific_route_takes_a_topic(setup: Setup) -> None:
    """A wider filter beside a narrower one is no tie."""
    await setup.create("#")
    narrow = await setup.create("site/+/weather")
    resolved = await setup.stub.ResolveTopic(route_service_pb2.ResolveTopicRequest(topic="site/a/weather"))
    assert resolved.route.route_id == narrow.route_id


async def test_ties_are_refused_with_both_filters(setup: Setup) -> None:
    """ROUTE_CONFLICT names the filter and the other one."""
    await setup.create("a/+/c")
    for filter_ in ("a/b/+", "a/+/c"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.create(filter_)
        assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
        assert reason_of(caught.value) == ("ROUTE_CONFLICT", {"filter": filter_, "other": "a/+/c"})


async def test_what_is_no_route_is_refused(setup: Setup) -> None:
    """INVALID_ARGUMENT, ROUTE_INVALID."""
    for filter_, rule in (("a/#/b", ""), ("a/b", "topic:3"), ("a", "nowhere")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.create(filter_, rule)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason_of(caught.value)[0] == "ROUTE_INVALID"


async def test_a_wildcard_is_no_topic(setup: Setup) -> None:
    """ResolveTopic takes topics, not filters."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.ResolveTopic(route_service_pb2.ResolveTopicRequest(topic="a/+"))
    assert reason_of(caught.value)[0] == "ROUTE_INVALID"


async def test_missing_things_are_not_found(setup: Setup) -> None:
    """An unknown contract and an unknown route have their own reasons."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.create("a", contract="nothing")
    assert reason_of(caught.value)[0] == "CONTRACT_NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.GetRoute(route_service_pb2.GetRouteRequest(route_id="nothing"))
    assert reason_of(caught.value) == ("ROUTE_NOT_FOUND", {"route": "nothing"})


async def test_a_deleted_route_is_gone(setup: Setup) -> None:
    """Its topic is unrouted, and deleting again finds nothing."""
    made = await setup.create("a")
    request = route_service_pb2.DeleteRouteRequest(route_id=made.route_id)
    await setup.stub.DeleteRoute(request)
    assert setup.registry.current.routes.resolve("a") is None
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.DeleteRoute(request)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_routes_are_listed_by_filter_in_pages(setup: Setup) -> None:
    """Every route once, in order; a token of another list is refused."""
    filters = sorted(f"topic/{number}/+" for number in range(7))
    for filter_ in filters:
        await setup.create(filter_)
    found, token, first_token = [], "", ""
    while True:
        page = await setup.stub.ListRoutes(route_service_pb2.ListRoutesRequest(page_size=2, page_token=token))
        found += [route.filter for route in page.routes]
        token = page.next_page_token
        first_token = first_token or token
        if not token:
            break
    assert found == filters
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.ListUnroutedTopics(route_service_pb2.ListUnroutedTopicsRequest(page_token=first_token))
    assert reason_of(caught.value)[0] == "PAGE_TOKEN_INVALID"


async def test_unrouted_topics_come_by_their_messages(setup: Setup) -> None:
    """Most messages first, then by topic, over several pages; other kinds do not count."""
    for topic, count, kind in (("b", 2, "UNROUTED"), ("c", 5, "UNROUTED"), ("a", 2, "UNROUTED"), ("d", 9, "REFUSED")):
        await setup.pool.execute(
            "INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, "
            "receive_time, message_id, id_kind, content_hash, batch_id, position) "
            "SELECT '', 0, $1, '', $2, '', 0, '[]', '2024-01-01'::timestamptz + n * interval '1 s', gen_random_uuid(), 'd', n, "
            "gen_random_uuid(), 0 FROM generate_series(1, $3::int) n",
            kind,
            topic,
            count,
        )
    found, token = [], ""
    while True:
        page = await setup.stub.ListUnroutedTopics(
            route_service_pb2.ListUnroutedTopicsRequest(page_size=1, page_token=token)
        )
        found += [(topic.topic, topic.message_count, topic.last_receive_time.ToSeconds()) for topic in page.topics]
        if not (token := page.next_page_token):
            break
    base = 1_704_067_200
    assert found == [("c", 5, base + 5), ("a", 2, base + 2), ("b", 2, base + 2)]
