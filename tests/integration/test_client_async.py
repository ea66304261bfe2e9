"""The asyncio client against a real server in the same loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from dataflow.bridge.v1 import ingest_service_pb2, node_pb2, ring_service_pb2
from dataflow.insight.v1 import ask_service_pb2
from dataflow.validator.v1 import (
    contract_pb2,
    contract_service_pb2,
    quarantine_pb2,
    quarantine_service_pb2,
    reading_pb2,
    reading_service_pb2,
    route_pb2,
    route_service_pb2,
)
from dataflow_client import (
    AsyncClient,
    CallOptions,
    Connection,
    OutgoingMessage,
    RetryPolicy,
    Targets,
    errors,
    reading_filter,
)
from dataflow_client.testing import Failure, Hang, Script, serving_async

_QUICK = RetryPolicy(max_attempts=4, first_delay_seconds=0.0)
_AWAY = Failure(grpc.StatusCode.UNAVAILABLE, "away", "RING_UNAVAILABLE")


@pytest.fixture
async def script() -> Script:
    return Script()


@pytest.fixture
async def client(script: Script) -> AsyncIterator[AsyncClient]:
    async with serving_async(script) as target:
        connection = Connection(Targets(target, target, target), token="secret")
        async with AsyncClient(connection, CallOptions(retry=_QUICK, publish_retry=_QUICK)) as made:
            yield made


async def test_every_call_has_a_token_and_a_deadline(client: AsyncClient, script: Script) -> None:
    """No call waits for ever, none is anonymous."""
    script.on("GetContract", contract_service_pb2.GetContractResponse(contract=contract_pb2.Contract(name="c")))
    assert (await client.contracts.get("c")).name == "c"
    (call,) = script.calls["GetContract"]
    assert call.metadata["authorization"] == "Bearer secret"
    assert call.remaining_seconds is not None
    assert 0 < call.remaining_seconds < 60  # not gRPC's eternity


async def test_publish_repeats_the_same_ids_until_it_is_durable(client: AsyncClient, script: Script) -> None:
    """Failures in between change nothing in what is sent."""
    overloaded = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="BRIDGE_OVERLOADED", retry_after=0.0)
    accepted = ingest_service_pb2.PublishMessagesResponse(accepted_count=2)
    script.on("PublishMessages", _AWAY, overloaded, accepted)
    result = await client.publish([OutgoingMessage("t", b"1"), OutgoingMessage("t", {"a": 1})])
    first, second, third = script.requests("PublishMessages")
    assert first == second == third
    assert result.accepted_count == 2


async def test_publish_takes_an_asynchronous_source(client: AsyncClient, script: Script) -> None:
    """Messages may come as they arise; each batch is answered on its own."""
    script.on(
        "PublishMessages",
        lambda request: ingest_service_pb2.PublishMessagesResponse(accepted_count=len(request.messages)),
    )

    async def source() -> AsyncIterator[OutgoingMessage]:
        for number in range(10_001):
            yield OutgoingMessage("t", str(number))

    counts = [result.accepted_count async for result in client.ingest.publish_each(source())]
    assert counts == [10_000, 1]


async def test_publish_gives_up_at_its_deadline(client: AsyncClient, script: Script) -> None:
    """A bridge that asks for more time than there is ends the call at once."""
    script.on(
        "PublishMessages", Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="BRIDGE_OVERLOADED", retry_after=90)
    )
    with pytest.raises(errors.BridgeOverloadedError) as caught:
        await client.ingest.publish([OutgoingMessage("t", b"1")], timeout_seconds=5)
    assert caught.value.retry_after == 90
    assert len(script.calls["PublishMessages"]) == 1


async def test_error_carries_what_the_service_said(client: AsyncClient, script: Script) -> None:
    """Reason, metadata and every violation arrive as a class of their own."""
    script.on(
        "CreateContract",
        Failure(
            grpc.StatusCode.INVALID_ARGUMENT,
            "two problems",
            "CONTRACT_INVALID",
            {"contract": "c"},
            {"spec.fields[0].type": "missing", "spec.identity": "no such field"},
        ),
    )
    with pytest.raises(errors.ContractInvalidError) as caught:
        await client.contracts.create("c", contract_pb2.ContractSpec())
    assert [violation.field for violation in caught.value.violations] == ["spec.fields[0].type", "spec.identity"]
    assert caught.value.metadata == {"contract": "c"}
    assert isinstance(caught.value, errors.InvalidArgumentError)


async def test_lists_iterate_over_all_pages(client: AsyncClient, script: Script) -> None:
    """Each list fetches its next page with the token of the one before."""
    script.on(
        "ListReadings",
        reading_service_pb2.ListReadingsResponse(
            readings=[reading_pb2.Reading(device_id="a")],
            next_page_token="more",
        ),
        reading_service_pb2.ListReadingsResponse(readings=[reading_pb2.Reading(device_id="b")]),
    )
    start = datetime(2014, 1, 1, tzinfo=UTC)
    wanted = reading_filter("c", device_ids=["a", "b"], start_time=start)
    assert [reading.device_id async for reading in client.readings.list(wanted, newest_first=True)] == ["a", "b"]
    first, second = script.requests("ListReadings")
    assert (first.page_token, second.page_token) == ("", "more")
    assert first.filter == second.filter == wanted
    assert second.order == reading_service_pb2.READING_ORDER_NEWEST_FIRST


async def test_each_service_sends_what_it_was_given(client: AsyncClient, script: Script) -> None:
    """One call of every remaining RPC reaches its service with its arguments."""
    script.on("ListContracts", contract_service_pb2.ListContractsResponse(contracts=[contract_pb2.Contract(name="c")]))
    script.on("ActivateRevision", contract_service_pb2.ActivateRevisionResponse())
    script.on("CreateRoute", route_service_pb2.CreateRouteResponse(route=route_pb2.Route(route_id="1")))
    script.on("GetRoute", route_service_pb2.GetRouteResponse(route=route_pb2.Route(route_id="1")))
    script.on("ListRoutes", route_service_pb2.ListRoutesResponse(routes=[route_pb2.Route(route_id="1")]))
    script.on("DeleteRoute", route_service_pb2.DeleteRouteResponse())
    script.on("ResolveTopic", route_service_pb2.ResolveTopicResponse(route=route_pb2.Route(route_id="1")))
    script.on(
        "ListUnroutedTopics", route_service_pb2.ListUnroutedTopicsResponse(topics=[route_pb2.UnroutedTopic(topic="x")])
    )
    script.on("ListLatestReadings", reading_service_pb2.ListLatestReadingsResponse(readings=[reading_pb2.Reading()]))
    script.on(
        "AggregateReadings",
        reading_service_pb2.AggregateReadingsResponse(buckets=[reading_service_pb2.AggregateBucket(reading_count=3)]),
    )
    item = quarantine_pb2.QuarantinedItem(quarantine_id="q")
    script.on("ListQuarantined", quarantine_service_pb2.ListQuarantinedResponse(items=[item]))
    script.on("GetQuarantined", quarantine_service_pb2.GetQuarantinedResponse(item=item))
    script.on("AddNode", ring_service_pb2.AddNodeResponse(node=node_pb2.Node(name="n")))
    script.on("DrainNode", ring_service_pb2.DrainNodeResponse(node=node_pb2.Node(name="n")))
    script.on("CancelDrain", ring_service_pb2.CancelDrainResponse(node=node_pb2.Node(name="n")))
    script.on("RemoveNode", ring_service_pb2.RemoveNodeResponse(reached=True, abandoned_batches=3))
    script.on("GetNode", ring_service_pb2.GetNodeResponse(node=node_pb2.Node(name="n")))
    script.on("ListNodes", ring_service_pb2.ListNodesResponse(nodes=[node_pb2.Node(name="n")], stale=True))

    assert [found.name async for found in client.contracts.list()] == ["c"]
    await client.contracts.activate("c", 2)
    assert (await client.routes.create("a/+", "c", device_rule="topic:2")).route_id == "1"
    assert (await client.routes.get("1")).route_id == "1"
    assert [found.route_id async for found in client.routes.list()] == ["1"]
    await client.routes.delete("1")
    assert await client.routes.resolve("a/b") == route_pb2.Route(route_id="1")
    assert [found.topic async for found in client.routes.unrouted()] == ["x"]
    assert len([reading async for reading in client.readings.latest(reading_filter("c"))]) == 1
    buckets = client.readings.aggregate(
        reading_filter("c"), ["f"], [reading_service_pb2.AGGREGATE_MAX], window=timedelta(hours=1), by_device=True
    )
    assert [bucket.reading_count async for bucket in buckets] == [3]
    assert [found.quarantine_id async for found in client.quarantine.list()] == ["q"]
    assert (await client.quarantine.get("q")).quarantine_id == "q"
    assert (await client.ring.add_node("n", "redis://h:1", zone="z")).name == "n"
    assert (await client.ring.drain_node("n")).name == "n"
    assert (await client.ring.cancel_drain("n")).name == "n"
    assert (await client.ring.remove_node("n", force=True)).abandoned_batches == 3
    assert script.requests("RemoveNode")[0].force
    assert (await client.ring.get_node("n")).name == "n"
    assert [node.name async for node in client.ring.list_nodes()] == ["n"]
    assert [page.stale async for page in client.ring.node_pages()] == [True]

    assert script.requests("ActivateRevision")[0].revision == 2
    assert script.requests("CreateRoute")[0].device_rule == "topic:2"
    assert script.requests("CreateRoute")[0].request_id
    aggregate = script.requests("AggregateReadings")[0]
    assert (aggregate.window.seconds, aggregate.by_device, list(aggregate.fields)) == (3600, True, ["f"])
    assert script.requests("AddNode")[0].zone == "z"


async def test_add_node_is_never_repeated(client: AsyncClient, script: Script) -> None:
    """Its effect cannot be told from a second node of that name, so the caller decides."""
    script.on("AddNode", Failure(grpc.StatusCode.UNAVAILABLE, reason="POSTGRES_UNAVAILABLE"))
    with pytest.raises(errors.PostgresUnavailableError):
        await client.ring.add_node("n", "redis://h:1")
    assert len(script.calls["AddNode"]) == 1


async def test_ask_repeats_only_while_nothing_came(client: AsyncClient, script: Script) -> None:
    """A service that restarts before its first event is asked again."""
    text = ask_service_pb2.AskResponse(text=ask_service_pb2.TextDelta(text="24"))
    script.on("Ask", Failure(grpc.StatusCode.UNAVAILABLE, reason="SHUTTING_DOWN"), [text, text])
    assert await client.ask_text("how many?", contract="c") == "2424"
    assert [request.contract for request in script.requests("Ask")] == ["c", "c"]


async def test_leaving_ask_cancels_the_query(client: AsyncClient, script: Script) -> None:
    """Whoever closes the iterator ends the work on the server too."""
    script.on("Ask", [ask_service_pb2.AskResponse(started=ask_service_pb2.Started(ask_id="1")), Hang()])
    async with aclosing(client.ask("how many?")) as events:
        assert (await anext(events)).started.ask_id == "1"
    (call,) = script.calls["Ask"]
    assert await asyncio.to_thread(call.ended.wait, 20)


async def test_cancelling_a_task_cancels_its_call(client: AsyncClient, script: Script) -> None:
    """Asyncio's cancellation passes through as itself and reaches the server."""
    script.on("Ask", [ask_service_pb2.AskResponse(started=ask_service_pb2.Started(ask_id="1")), Hang()])
    begun = asyncio.Event()

    async def read() -> None:
        async with aclosing(client.ask("how many?")) as events:
            async for _ in events:
                begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (call,) = script.calls["Ask"]
    assert await asyncio.to_thread(call.ended.wait, 20)


async def test_publish_is_repeated_after_an_end_that_nobody_explains(client: AsyncClient, script: Script) -> None:
    """A server that stops may cancel a call that has just come; the ids make another try safe."""
    accepted = ingest_service_pb2.PublishMessagesResponse(accepted_count=1)
    script.on("PublishMessages", Failure(grpc.StatusCode.CANCELLED), Failure(grpc.StatusCode.INTERNAL), accepted)
    assert (await client.publish([OutgoingMessage("t", b"1")])).accepted_count == 1
    script.on("PublishMessages", Failure(grpc.StatusCode.INTERNAL, reason="INTERNAL"))
    with pytest.raises(errors.InternalError):
        await client.publish([OutgoingMessage("t", b"1")])
