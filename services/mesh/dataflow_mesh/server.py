"""The gRPC server of a process: health, reflection, the steps around each RPC, TLS, ordered drain."""

import ipaddress
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]

from dataflow_mesh.access import Tokens
from dataflow_mesh.interceptors.access import OPEN_METHODS, AccessStep, required_roles
from dataflow_mesh.interceptors.call import Chain, Step
from dataflow_mesh.interceptors.deadline import DeadlineStep
from dataflow_mesh.interceptors.drain import DrainStep
from dataflow_mesh.interceptors.errors import ErrorStep
from dataflow_mesh.interceptors.request_log import RequestLogStep
from dataflow_mesh.interceptors.validation import ValidationStep
from dataflow_mesh.logs import fields
from dataflow_mesh.names import PROCESS_SERVING, Attribute
from dataflow_mesh.settings import MeshSettings
from dataflow_mesh.telemetry import observe

_log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
STREAM_DRAIN_SECONDS = 1.0

Service = tuple[Callable[[Any, Any], None], object, str]
"""The generated `add_XServicer_to_server`, the servicer, and the full name of the service."""

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 1),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A caller behind a cut network is noticed within 30 s, and one that pings to keep its stream is welcome.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class InsecureListenError(Exception):
    """Plaintext beyond loopback was not asked for in so many words."""


class GrpcServer:
    """Serves while its context is open; leaving it drains.

    Args:
        listen: host:port; port 0 takes a free one. Processes of one kind may share a port.
        services: What is served, beside health and reflection.
        tokens: Who may call.
        insecure_listen: Allow plaintext beyond loopback.
        tls_cert: PEM certificate chain; with it the server speaks TLS only.
        tls_key: PEM private key.
        tls_client_ca: PEM authorities; with it clients must show a certificate.
        drain_seconds: How long running RPCs may take when the server stops.
        default_deadline_seconds: For callers that set none, on RPCs with one response.

    Raises:
        InsecureListenError: On entering: no TLS, not loopback, and `insecure_listen` is not set.
        ValueError: An RPC names no required role.
        OSError: On entering: the address cannot be listened on.
    """

    def __init__(
        self,
        listen: str,
        services: Sequence[Service],
        *,
        tokens: Tokens,
        insecure_listen: bool = False,
        tls_cert: Path | None = None,
        tls_key: Path | None = None,
        tls_client_ca: Path | None = None,
        drain_seconds: float = 10.0,
        default_deadline_seconds: float = 30.0,
    ) -> None:
        self.port = 0
        self._listen = listen
        self._services = tuple(services)
        self._tokens = tokens
        self._insecure_listen = insecure_listen
        self._tls = (tls_cert, tls_key, tls_client_ca)
        self._drain_seconds = drain_seconds
        self._drain = DrainStep()
        self._health = health.aio.HealthServicer()
        self._serving: dict[str, bool] = {}
        self._default_deadline_seconds = default_deadline_seconds
        self._server: grpc.aio.Server | None = None

    @classmethod
    def from_settings(cls, settings: MeshSettings, services: Sequence[Service], *, tokens: Tokens) -> Self:
        """Makes the server that the settings describe."""
        server = cls(
            settings.grpc_listen,
            services,
            tokens=tokens,
            insecure_listen=settings.insecure_listen,
            tls_cert=settings.tls_cert,
            tls_key=settings.tls_key,
            tls_client_ca=settings.tls_client_ca,
            drain_seconds=settings.drain_seconds,
        )
        observe(PROCESS_SERVING, server._observe_serving)
        return server

    @property
    def address(self) -> str:
        """Where it listens, as host:port with the real port."""
        return f"{self._listen.rpartition(':')[0]}:{self.port}"

    async def set_serving(self, name: str, serving: bool) -> None:
        """Says in the health service whether one service can do its work ("" is the whole process)."""
        states = health_pb2.HealthCheckResponse
        await self._health.set(name, states.SERVING if serving else states.NOT_SERVING)
        self._serving[name] = serving

    async def __aenter__(self) -> Self:
        server = grpc.aio.server(interceptors=(Chain(self._steps()),), options=_OPTIONS)
        for add_to_server, servicer, name in self._services:
            add_to_server(servicer, server)
            await self.set_serving(name, True)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        _add_reflection(server, [name for _, _, name in self._services])
        try:
            self.port = self._bind(server)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._listen}: {error}") from error
        await server.start()
        self._server = server
        await self.set_serving("", True)
        _log.info("gRPC served", extra=fields("grpc_served", address=self.address, tls=self._tls[0] is not None))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Answers NOT_SERVING, takes nothing new, lets running RPCs finish within the drain time, then cancels them."""
        server, self._server = self._server, None
        if server is None:
            return
        await self._health.enter_graceful_shutdown()
        self._serving = dict.fromkeys(self._serving, False)
        self._drain.end_streams(min(STREAM_DRAIN_SECONDS, self._drain_seconds))
        await server.stop(self._drain_seconds)

    def _observe_serving(self) -> list[tuple[float, dict[str, str]]]:
        """Shows the health of this very process: whoever answers on a port that several share says nothing about it."""
        return [(float(serving), {Attribute.SERVICE.value: name}) for name, serving in [*self._serving.items()]]

    def _steps(self) -> list[Step]:
        pool = descriptor_pool.Default()
        roles = required_roles(pool.FindServiceByName(name) for _, _, name in self._services)
        return [
            RequestLogStep(quiet=OPEN_METHODS),
            ErrorStep(),
            AccessStep(self._tokens, roles),
            self._drain,
            DeadlineStep(self._default_deadline_seconds),
            ValidationStep(),
        ]

    def _bind(self, server: grpc.aio.Server) -> int:
        cert, key, client_ca = self._tls
        if cert is not None and key is not None:
            credentials = grpc.ssl_server_credentials(
                [(key.read_bytes(), cert.read_bytes())],
                root_certificates=client_ca.read_bytes() if client_ca else None,
                require_client_auth=client_ca is not None,
            )
            return server.add_secure_port(self._listen, credentials)
        if not self._insecure_listen and not is_loopback(self._listen):
            raise InsecureListenError(
                f"refusing to serve plaintext on {self._listen}: give --tls-cert and --tls-key, or --insecure-listen"
            )
        return server.add_insecure_port(self._listen)


def is_loopback(listen: str) -> bool:
    """Returns whether an address (host:port or unix:path) is reachable from this machine only."""
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _add_reflection(server: grpc.aio.Server, names: Sequence[str]) -> None:
    """Serves reflection as v1 and v1alpha: the same messages under two names, and clients differ in which they ask.

    Only v1alpha is listed: there is no descriptor of v1 to show, and clients describe whatever is listed.
    """
    shown = (*names, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(shown, server)
    servicer = reflection.aio.ReflectionServicer(service_names=shown)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    generic = grpc.method_handlers_generic_handler(
        "grpc.reflection.v1.ServerReflection", {"ServerReflectionInfo": handler}
    )
    server.add_generic_rpc_handlers((generic,))
