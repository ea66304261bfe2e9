"""RouteService over gRPC, on a real Postgres."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import grpc
import pytest
from dataflow.validator.v1 import contract_pb2, inference_pb2, route_pb2, route_service_pb2, route_service_pb2_grpc
from dataflow_mesh.lease import Lease
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_messages import read_spec
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_service import SERVICE, RouteServicer
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.quarantine.limits import QuarantineLimiter
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


async def test_an_update_changes_what_is_given_and_checks_the_etag(setup: Setup) -> None:
    """A pin stays until it is taken away; who read an older route is told so."""
    made = await setup.create("a/+")
    async with setup.pool.acquire() as connection:
        spec = ContractSpec("other", fields=(FieldSpec("device_id", FieldType.STRING),))
        await create_contract(connection, spec, activate=True)

    async def update(etag: str = "", **changed: object) -> route_pb2.Route:
        request = route_service_pb2.UpdateRouteRequest(route_id=made.route_id, etag=etag, **changed)  # type: ignore[arg-type]
        return (await setup.stub.UpdateRoute(request)).route

    pinned = await update(made.etag, pinned_revision=1)
    assert (pinned.pinned_revision, pinned.device_rule, pinned.contract) == (1, "topic:2", "weather")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await update(made.etag, pinned_revision=0)
    assert reason_of(caught.value)[0] == "ETAG_MISMATCH"
    assert (await update(device_rule="identity")).pinned_revision == 1
    moved = await update(contract=contract_pb2.ContractRef(name="other"), device_rule="")
    assert (moved.contract, moved.pinned_revision, moved.device_rule) == ("other", 0, "payload:/device_id")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await update(pinned_revision=9)
    assert reason_of(caught.value)[0] == "CONTRACT_NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await update(device_rule="topic:3")
    assert reason_of(caught.value)[0] == "ROUTE_INVALID"
    assert setup.registry.current.routes.matching("a/x")[0].contract == "other"


async def test_a_resolved_topic_says_why_its_route_wins(setup: Setup) -> None:
    """All that match, the most specific first, each with its reason; and the revision that judges."""
    for filter_ in ("#", "a/#", "a/+/c", "+/b/#"):
        await setup.create(filter_)
    answer = await setup.stub.ResolveTopic(route_service_pb2.ResolveTopicRequest(topic="a/b/c"))
    assert [(match.route.filter, match.why) for match in answer.matches] == [
        ("a/+/c", "the most specific: 2 of 3 levels literal"),
        ("+/b/#", "fewer literal levels than 'a/+/c': 1, not 2"),
        ("a/#", "fewer literal levels than 'a/+/c': 1, not 2"),
        ("#", "fewer literal levels than 'a/+/c': 0, not 2"),
    ]
    assert (answer.route.filter, answer.revision) == ("a/+/c", 1)


async def _put(setup: Setup, topic: str, payload: bytes, second: int, count: int = 1) -> None:
    await setup.pool.execute(
        "INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, "
        "receive_time, message_id, id_kind, content_hash, batch_id, position) SELECT '', 0, 'UNROUTED', '', $1, $2, 0, '[]', "
        "'2024-01-01Z'::timestamptz + make_interval(secs => $3), gen_random_uuid(), 'd', 1, gen_random_uuid(), 0 "
        "FROM generate_series(1, $4)",
        topic,
        payload,
        second,
        count,
    )


async def test_unrouted_topics_follow_what_comes_and_goes(setup: Setup) -> None:
    """Counts, times and a sample, of the topics that a filter matches; at once, folded or not."""
    await _put(setup, "x/a", b"old", 1, count=3)
    await _put(setup, "x/a", b"new", 9)
    await _put(setup, "y/b", b"\xff", 5)
    lease = Lease(setup.pool, "validator", "upkeep", "one", expire_seconds=3600.0)
    await lease.claim()
    for _ in range(2):
        found = (await setup.stub.ListUnroutedTopics(route_service_pb2.ListUnroutedTopicsRequest())).topics
        assert [(one.topic, one.message_count, one.sample, one.sample_size_bytes) for one in found] == [
            ("x/a", 4, b"new", 3),
            ("y/b", 1, b"\xff", 1),
        ]
        assert (found[0].last_receive_time.ToSeconds() - found[0].first_receive_time.ToSeconds()) == 8
        await QuarantineLimiter(setup.pool, lease).round()
    await setup.pool.execute("DELETE FROM validator.quarantine WHERE payload = 'old'")
    request = route_service_pb2.ListUnroutedTopicsRequest(topic_filter="x/+")
    assert [one.message_count for one in (await setup.stub.ListUnroutedTopics(request)).topics] == [1]


async def test_a_contract_is_inferred_from_what_waits(setup: Setup) -> None:
    """The newest and the oldest messages of each topic; made as proposed, it judges them."""
    for second in range(60):
        await _put(
            setup, f"pump/{second % 3}/state", b'{"ts": %d, "temp": %d.5}' % (1704067200 + second, second), second
        )
    await _put(setup, "other", b"{}", 1)
    request = route_service_pb2.InferContractRequest(topic_filter="pump/#", name="pump")
    found = (await setup.stub.InferContract(request)).inference
    assert (found.waiting, found.messages, found.items) == (60, 60, 60)
    assert (found.source, found.device_rule) == (inference_pb2.SAMPLE_SOURCE_UNROUTED, "topic:2")
    assert [(seen.name, seen.share, seen.field.type) for seen in found.fields] == [
        ("ts", 1.0, contract_pb2.FIELD_TYPE_TIMESTAMP),
        ("temp", 1.0, contract_pb2.FIELD_TYPE_NUMBER),
    ]
    assert found.spec.event_time_field == "ts"
    assert (found.fields[1].least, found.fields[1].greatest) == (0.5, 59.5)
    async with setup.pool.acquire() as connection:
        await create_contract(connection, read_spec("pump", found.spec), activate=True)
    assert (await setup.create("pump/#", found.device_rule, contract="pump")).contract == "pump"


async def test_nothing_is_inferred_from_nothing(setup: Setup) -> None:
    """No sample, no contract; a filter that is none is refused."""
    found = (await setup.stub.InferContract(route_service_pb2.InferContractRequest(topic_filter="a"))).inference
    assert not found.HasField("spec")
    assert found.warnings
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.InferContract(route_service_pb2.InferContractRequest(topic_filter="a/#/b"))
    assert reason_of(caught.value)[0] == "ROUTE_INVALID"
