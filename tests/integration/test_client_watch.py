"""Watching the ring through restarts, with both clients."""

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from dataflow.bridge.v1 import node_pb2, ring_service_pb2
from dataflow_client import AsyncClient, CallOptions, Client, Connection, RetryPolicy, Targets, errors
from dataflow_client.testing import Failure, Hang, Script, serving, serving_async

_QUICK = CallOptions(retry=RetryPolicy(max_attempts=3, first_delay_seconds=0.0))


def state(name: str) -> ring_service_pb2.WatchRingResponse:
    return ring_service_pb2.WatchRingResponse(nodes=[node_pb2.Node(name=name)])


@pytest.fixture
def script() -> Script:
    made = Script()
    made.on(
        "WatchRing",
        [state("a"), Failure(grpc.StatusCode.UNAVAILABLE, "stopping", "SHUTTING_DOWN")],
        Failure(grpc.StatusCode.UNAVAILABLE, "not yet up"),
        [state("b")],
        [state("c"), Failure(grpc.StatusCode.DEADLINE_EXCEEDED)],
        [state("d"), Failure(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_MISSING")],
    )
    return made


@pytest.fixture
async def async_client(script: Script) -> AsyncIterator[AsyncClient]:
    async with serving_async(script) as target, AsyncClient(Connection(Targets(bridge=target)), _QUICK) as made:
        yield made


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    with serving(script) as target, Client(Connection(Targets(bridge=target)), _QUICK) as made:
        yield made


async def test_async_watch_goes_on_after_a_restart(async_client: AsyncClient) -> None:
    """A stopping bridge, a refused connection, an ended stream and a deadline are bridged; a lost role is not."""
    seen: list[str] = []

    async def watch() -> None:
        async for response in async_client.watch_ring():
            seen.append(response.nodes[0].name)  # noqa: PERF401  # what came before the error counts

    with pytest.raises(errors.RoleMissingError):
        await watch()
    assert seen == ["a", "b", "c", "d"]


def test_watch_goes_on_after_a_restart(client: Client) -> None:
    """The synchronous client bridges the same."""
    seen: list[str] = []
    with pytest.raises(errors.RoleMissingError):
        seen.extend(response.nodes[0].name for response in client.watch_ring())
    assert seen == ["a", "b", "c", "d"]


def test_watch_that_never_began_fails_like_any_call(client: Client, script: Script) -> None:
    """Where nothing answers the caller is told instead of waiting for ever."""
    script.on("WatchRing", Failure(grpc.StatusCode.UNAVAILABLE, "refused"))
    with pytest.raises(errors.UnavailableError, match="refused"):
        next(client.watch_ring())
    assert len(script.calls["WatchRing"]) == 3


def test_watch_opens_its_stream_with_a_deadline(client: Client, script: Script) -> None:
    """A link that died silently is noticed, since every stream ends and is opened anew."""
    script.on("WatchRing", [state("a"), Hang()])
    next(client.watch_ring())
    (call,) = script.calls["WatchRing"]
    assert call.remaining_seconds is not None
    assert call.remaining_seconds < 120  # not gRPC's eternity
    assert call.ended.wait(20)
