"""An in-process gRPC server of the real mesh, for tests of servicers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc.aio
from dataflow.access.v1 import role_pb2

from dataflow_mesh.access import Caller, Tokens
from dataflow_mesh.channel import open_channel
from dataflow_mesh.server import GrpcServer, Service

ROLE_TOKENS = {
    "viewer-token": Caller("viewer", role_pb2.ROLE_VIEWER),
    "operator-token": Caller("operator", role_pb2.ROLE_OPERATOR),
    "admin-token": Caller("admin", role_pb2.ROLE_ADMIN),
    "device-token": Caller("device-1", role_pb2.ROLE_DEVICE),
    "service-token": Caller("service", role_pb2.ROLE_SERVICE),
}
"""A token for each role, for tests only."""

ADMIN_TOKEN = "admin-token"  # noqa: S105 - opens nothing but a test's own server


@dataclass(frozen=True, slots=True)
class InProcess:
    """A running server and a channel to it that carries the admin token."""

    server: GrpcServer
    channel: grpc.aio.Channel

    @property
    def target(self) -> str:
        """Where it listens, for a channel of one's own."""
        return f"127.0.0.1:{self.server.port}"


@asynccontextmanager
async def in_process_server(
    services: Sequence[Service], *, token: str | None = ADMIN_TOKEN, drain_seconds: float = 1.0
) -> AsyncIterator[InProcess]:
    """Serves on a free port of loopback, with all of the mesh around the servicers.

    Args:
        services: As for `GrpcServer`.
        token: What the channel sends; see `ROLE_TOKENS`; None: nothing.
        drain_seconds: How long RPCs may go on when the context is left.
    """
    server = GrpcServer("127.0.0.1:0", services, tokens=Tokens(ROLE_TOKENS), drain_seconds=drain_seconds)
    async with server, open_channel(f"127.0.0.1:{server.port}", token=token) as channel:
        yield InProcess(server, channel)
