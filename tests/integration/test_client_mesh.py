"""The SDK against the real mesh: what services raise is what callers catch."""

from collections.abc import AsyncIterator

import grpc
import pytest
from dataflow.bridge.v1 import ingest_service_pb2, ingest_service_pb2_grpc, ring_service_pb2, ring_service_pb2_grpc
from dataflow.error.v1 import error_reason_pb2
from dataflow_client import AsyncClient, CallOptions, Connection, OutgoingMessage, RetryPolicy, Targets, errors
from dataflow_mesh.errors import DataflowError
from dataflow_mesh.server import Service
from dataflow_mesh.testing import in_process_server


class OverloadedError(DataflowError):
    """The budget is spent."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = error_reason_pb2.ERROR_REASON_BRIDGE_OVERLOADED


class UnfitError(DataflowError):
    """It may not join."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_NODE_UNFIT


class Ingest(ingest_service_pb2_grpc.IngestServiceServicer):
    """Refuses the first try."""

    def __init__(self) -> None:
        self.seen: list[ingest_service_pb2.PublishMessagesRequest] = []

    async def PublishMessages(  # noqa: N802  # gRPC's name
        self, request: ingest_service_pb2.PublishMessagesRequest, context: object
    ) -> ingest_service_pb2.PublishMessagesResponse:
        self.seen.append(request)
        if len(self.seen) == 1:
            raise OverloadedError(retry_after_seconds=0.001)
        return ingest_service_pb2.PublishMessagesResponse(accepted_count=len(request.messages))


class Ring(ring_service_pb2_grpc.RingServiceServicer):
    """Refuses nodes."""

    async def AddNode(  # noqa: N802  # gRPC's name
        self, request: ring_service_pb2.AddNodeRequest, context: object
    ) -> ring_service_pb2.AddNodeResponse:
        raise UnfitError("too old", metadata={"node": request.name, "check": "version"})


@pytest.fixture
async def ingest() -> Ingest:
    return Ingest()  # type: ignore[abstract]  # no streams here


@pytest.fixture
async def target(ingest: Ingest) -> AsyncIterator[str]:
    ring = Ring()  # type: ignore[abstract]  # only AddNode is called
    services: list[Service] = [
        (ingest_service_pb2_grpc.add_IngestServiceServicer_to_server, ingest, "dataflow.bridge.v1.IngestService"),
        (ring_service_pb2_grpc.add_RingServiceServicer_to_server, ring, "dataflow.bridge.v1.RingService"),
    ]
    async with in_process_server(services) as server:
        yield server.target


def client(target: str, token: str) -> AsyncClient:
    options = CallOptions(publish_retry=RetryPolicy(first_delay_seconds=0.0))
    return AsyncClient(Connection(Targets(bridge=target), token), options)


async def test_retry_info_of_a_bridge_is_followed(target: str, ingest: Ingest) -> None:
    """An overloaded bridge's delay is read from its error, and the same request comes again."""
    async with client(target, "device-token") as made:
        assert (await made.publish([OutgoingMessage("t", b"1")])).accepted_count == 1
    assert ingest.seen[0] == ingest.seen[1]


async def test_reason_and_metadata_of_a_service_arrive(target: str) -> None:
    """A service's error is caught by its own class, with its documented keys."""
    async with client(target, "admin-token") as made:
        with pytest.raises(errors.NodeUnfitError, match="too old") as caught:
            await made.ring.add_node("n1", "redis://127.0.0.1:1")
    assert caught.value.metadata == {"node": "n1", "check": "version"}


async def test_broken_field_rules_are_listed(target: str) -> None:
    """What protovalidate refuses names the field."""
    async with client(target, "admin-token") as made:
        with pytest.raises(errors.InvalidRequestError) as caught:
            await made.ring.add_node("Not A Name", "http://127.0.0.1:1")
    assert {violation.field for violation in caught.value.violations} == {"name", "url"}


@pytest.mark.parametrize(
    ("token", "kind"),
    [("", errors.TokenInvalidError), ("forged", errors.TokenInvalidError), ("viewer-token", errors.RoleMissingError)],
)
async def test_refused_callers_learn_why(target: str, token: str, kind: type[errors.DataflowError]) -> None:
    """No token, a wrong one and a missing role are told apart."""
    async with client(target, token) as made:
        with pytest.raises(kind):
            await made.ring.add_node("n1", "redis://127.0.0.1:1")
