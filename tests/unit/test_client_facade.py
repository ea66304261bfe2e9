"""The synchronous client's calls on a scripted channel with a fake clock."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
import grpc_testing
import pytest
from dataflow.bridge.v1 import ingest_service_pb2, node_pb2, ring_service_pb2
from dataflow.insight.v1 import ask_service_pb2
from dataflow.validator.v1 import contract_pb2, contract_service_pb2, route_pb2, route_service_pb2
from dataflow_client import CallOptions, Client, Connection, OutgoingMessage, RetryPolicy, StreamLimits, errors
from dataflow_client.channels import Channels
from dataflow_client.testing import Failure

_FILES = (ingest_service_pb2, ring_service_pb2, ask_service_pb2, contract_service_pb2, route_service_pb2)
_SERVICES = {name: service for file in _FILES for name, service in file.DESCRIPTOR.services_by_name.items()}
_NOW = RetryPolicy(first_delay_seconds=0.0)


class Scripted:
    """A client in one thread, the server's side in the test's."""

    def __init__(self) -> None:
        self.channel = grpc_testing.channel(list(_SERVICES.values()), grpc_testing.strict_fake_time(0))
        options = CallOptions(retry=_NOW, publish_retry=_NOW)
        channels = Channels(self.channel, self.channel, self.channel)
        self.client = Client(Connection(token="secret"), options, channels=channels)
        self._threads = ThreadPoolExecutor(1)

    def run(self, call: Callable[[], Any]) -> "Future[Any]":
        return self._threads.submit(call)

    def unary(self, service: str, method: str) -> tuple[dict[str, str], Any, Any]:
        """Takes the next call: its metadata, its request and the server's end."""
        metadata, request, rpc = self.channel.take_unary_unary(_SERVICES[service].methods_by_name[method])
        rpc.send_initial_metadata(())
        return dict(metadata), request, rpc

    def stream(self, service: str, method: str) -> tuple[Any, Any]:
        _, request, rpc = self.channel.take_unary_stream(_SERVICES[service].methods_by_name[method])
        rpc.send_initial_metadata(())
        return request, rpc

    def close(self) -> None:
        self._threads.shutdown()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


def fail(rpc: Any, failure: Failure) -> None:
    rpc.terminate(None, failure.trailer(), failure.code, failure.message)


def succeed(rpc: Any, response: Any) -> None:
    rpc.terminate(response, (), grpc.StatusCode.OK, "")


def test_calls_carry_the_token(scripted: Scripted) -> None:
    """Every call says who it is."""
    made = scripted.run(lambda: scripted.client.contracts.get("c"))
    metadata, request, rpc = scripted.unary("ContractService", "GetContract")
    succeed(rpc, contract_service_pb2.GetContractResponse(contract=contract_pb2.Contract(name="c")))
    assert metadata["authorization"] == "Bearer secret"
    assert request.contract.name == "c"
    assert made.result().name == "c"


def test_publish_keeps_its_message_ids_over_retries(scripted: Scripted) -> None:
    """A resend after UNAVAILABLE or overload is the same request."""
    made = scripted.run(lambda: scripted.client.publish([OutgoingMessage("t", b"1"), OutgoingMessage("t", b"2")]))
    requests = []
    for failure in (
        Failure(grpc.StatusCode.UNAVAILABLE, reason="RING_UNAVAILABLE"),
        Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="BRIDGE_OVERLOADED", retry_after=0.0),
    ):
        _, request, rpc = scripted.unary("IngestService", "PublishMessages")
        requests.append(request)
        fail(rpc, failure)
    _, request, rpc = scripted.unary("IngestService", "PublishMessages")
    succeed(rpc, ingest_service_pb2.PublishMessagesResponse(accepted_count=2))
    assert requests == [request, request]
    assert all(message.message_id for message in request.messages)
    assert made.result().accepted_count == 2


def test_publish_reports_positions_over_all_batches(scripted: Scripted) -> None:
    """A rejected message is found again by its position in the call and its id."""
    messages = [OutgoingMessage("t", b"1") for _ in range(10_002)]
    made = scripted.run(lambda: scripted.client.publish(messages))
    for accepted, rejected in ((10_000, []), (1, [ingest_service_pb2.RejectedMessage(index=1, error_message="no")])):
        _, _, rpc = scripted.unary("IngestService", "PublishMessages")
        succeed(rpc, ingest_service_pb2.PublishMessagesResponse(accepted_count=accepted, rejected=rejected))
    result = made.result()
    assert result.accepted_count == 10_001
    assert [(entry.index, entry.message_id) for entry in result.rejected] == [(10_001, messages[-1].message_id)]


def test_publish_says_how_many_were_accepted_before_it_failed(scripted: Scripted) -> None:
    """A failure in the middle is told from one at the start."""
    made = scripted.run(lambda: scripted.client.publish(OutgoingMessage("t", b"1") for _ in range(10_001)))
    _, _, rpc = scripted.unary("IngestService", "PublishMessages")
    succeed(rpc, ingest_service_pb2.PublishMessagesResponse(accepted_count=10_000))
    _, _, rpc = scripted.unary("IngestService", "PublishMessages")
    fail(rpc, Failure(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_MISSING"))
    with pytest.raises(errors.RoleMissingError) as caught:
        made.result()
    assert caught.value.__notes__ == ["10000 messages were accepted before"]


def test_create_repeats_the_same_request(scripted: Scripted) -> None:
    """A create whose answer was lost carries the same request id again."""
    made = scripted.run(lambda: scripted.client.routes.create("a/+", "c"))
    _, first, rpc = scripted.unary("RouteService", "CreateRoute")
    fail(rpc, Failure(grpc.StatusCode.UNAVAILABLE))
    _, second, rpc = scripted.unary("RouteService", "CreateRoute")
    succeed(rpc, route_service_pb2.CreateRouteResponse(route=route_pb2.Route(route_id="1")))
    assert first == second
    assert first.request_id
    assert made.result().route_id == "1"


def test_list_follows_page_tokens(scripted: Scripted) -> None:
    """Pages are fetched one after the other with the same size."""
    made = scripted.run(lambda: [node.name for node in scripted.client.ring.list_nodes(page_size=1)])
    tokens = []
    for name, token in (("a", "more"), ("b", "")):
        _, request, rpc = scripted.unary("RingService", "ListNodes")
        tokens.append((request.page_size, request.page_token))
        nodes = [node_pb2.Node(name=name)]
        succeed(rpc, ring_service_pb2.ListNodesResponse(nodes=nodes, next_page_token=token))
    assert tokens == [(1, ""), (1, "more")]
    assert made.result() == ["a", "b"]


def test_resolve_tells_no_route_from_a_route(scripted: Scripted) -> None:
    """An absent route is None."""
    made = scripted.run(lambda: scripted.client.routes.resolve("a/b"))
    _, _, rpc = scripted.unary("RouteService", "ResolveTopic")
    succeed(rpc, route_service_pb2.ResolveTopicResponse())
    assert made.result() is None


def test_ask_text_joins_the_pieces(scripted: Scripted) -> None:
    """Only the text of the events is returned."""
    made = scripted.run(lambda: scripted.client.ask_text("how many?"))
    request, rpc = scripted.stream("AskService", "Ask")
    rpc.send_response(ask_service_pb2.AskResponse(started=ask_service_pb2.Started(ask_id="1")))
    for piece in ("24 ", "readings."):
        rpc.send_response(ask_service_pb2.AskResponse(text=ask_service_pb2.TextDelta(text=piece)))
    rpc.terminate((), grpc.StatusCode.OK, "")
    assert request.question == "how many?"
    assert made.result() == "24 readings."


def test_ask_is_not_repeated_once_it_began(scripted: Scripted) -> None:
    """An answer is never shown twice."""
    begun = threading.Event()

    def read() -> None:
        for _ in scripted.client.ask("how many?"):
            begun.set()

    made = scripted.run(read)
    _, rpc = scripted.stream("AskService", "Ask")
    rpc.send_response(ask_service_pb2.AskResponse(started=ask_service_pb2.Started(ask_id="1")))
    begun.wait()
    rpc.terminate((), grpc.StatusCode.UNAVAILABLE, "gone")
    with pytest.raises(errors.UnavailableError, match="gone"):
        made.result()


def test_a_stream_sends_again_exactly_what_was_not_answered(scripted: Scripted) -> None:
    """The request that follows a broken stream is the one it broke on, number, ids and all."""
    limits = StreamLimits(max_batch_messages=1)
    messages = [OutgoingMessage("t", b"1"), OutgoingMessage("t", b"2")]
    answered = threading.Event()

    def publish() -> list[int]:
        counts = []
        for result in scripted.client.ingest.stream(messages, limits=limits):
            counts.append(result.accepted_count)
            answered.set()
        return counts

    made = scripted.run(publish)
    method = _SERVICES["IngestService"].methods_by_name["StreamMessages"]
    _, rpc = scripted.channel.take_stream_stream(method)
    rpc.send_initial_metadata(())
    first, second = rpc.take_request(), rpc.take_request()
    rpc.send_response(ingest_service_pb2.StreamMessagesResponse(sequence=first.sequence, accepted_count=1))
    answered.wait()
    stopping = Failure(grpc.StatusCode.UNAVAILABLE, reason="SHUTTING_DOWN")
    rpc.terminate(stopping.trailer(), stopping.code, stopping.message)
    _, rpc = scripted.channel.take_stream_stream(method)
    rpc.send_initial_metadata(())
    assert rpc.take_request() == second
    rpc.requests_closed()
    rpc.send_response(ingest_service_pb2.StreamMessagesResponse(sequence=second.sequence, accepted_count=1))
    rpc.terminate((), grpc.StatusCode.OK, "")
    assert made.result() == [1, 1]
    assert [message.message_id for message in (*first.messages, *second.messages)] == [m.message_id for m in messages]
