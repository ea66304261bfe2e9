"""Channels to other processes: balanced over all addresses, patient with restarts, never without a deadline."""

import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from dataflow_mesh.interceptors.call import remaining_deadline
from dataflow_mesh.logs import current_request_id
from dataflow_mesh.server import MAX_MESSAGE_BYTES, is_loopback

__all__ = ["InsecureTargetError", "open_channel", "remaining_deadline", "service_config", "target_of"]

_IDEMPOTENT = frozenset(
    {descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS, descriptor_pb2.MethodOptions.IDEMPOTENT},
)


class InsecureTargetError(Exception):
    """Plaintext beyond loopback was not asked for in so many words."""


def target_of(address: str) -> str:
    """Returns an address as a gRPC target: host:port becomes dns:///host:port; any scheme is kept, also xds:///.

    A list, host1:port,host2:port, becomes the IPv4 addresses of its hosts (or IPv6, where it names such), found once:
    gRPC has no resolver for several names. Where they change, one name should have them all.

    Raises:
        OSError: A name in a list has no address.
    """
    if address.startswith(("dns:", "xds:", "unix:", "ipv4:", "ipv6:")):
        return address
    if "," not in address:
        return f"dns:///{address}"
    family = socket.AF_INET6 if "[" in address else socket.AF_INET
    found: list[str] = []
    for entry in address.split(","):
        host, _, port = entry.strip().rpartition(":")
        infos = socket.getaddrinfo(host.strip("[]"), int(port), family, socket.SOCK_STREAM)
        found += [f"[{info[4][0]}]:{port}" if family == socket.AF_INET6 else f"{info[4][0]}:{port}" for info in infos]
    return f"{'ipv6' if family == socket.AF_INET6 else 'ipv4'}:{','.join(dict.fromkeys(found))}"


def service_config(services: Iterable[ServiceDescriptor], health_service: str | None = None) -> str:
    """Returns the service config: round robin, and retries of UNAVAILABLE for methods that may be repeated.

    A method may be repeated when its proto gives it an `idempotency_level`.

    Args:
        services: Whose methods are called.
        health_service: Servers whose health service does not call this one SERVING get no calls.
    """
    names = [
        {"service": service.full_name, "method": method.name}
        for service in services
        for method in service.methods
        if method.GetOptions().idempotency_level in _IDEMPOTENT
    ]
    retry = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    methods = [{"name": names, "retryPolicy": retry}] if names else []
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}], "methodConfig": methods}
    if health_service is not None:
        config["healthCheckConfig"] = {"serviceName": health_service}
    return json.dumps(config)


@asynccontextmanager
async def open_channel(
    target: str,
    *,
    token: str | None = None,
    services: Sequence[str] = (),
    tls_ca: Path | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls: bool = False,
    insecure: bool = False,
    default_timeout_seconds: float = 10.0,
    health_service: str | None = None,
) -> AsyncIterator[grpc.aio.Channel]:
    """Opens a channel and closes it with the context.

    Args:
        target: host:port, several of them (host1:port,host2:port), or a gRPC target with its scheme.
        token: Bearer token for every request.
        services: Full names of the services whose idempotent methods are retried; their protos must be imported.
        tls_ca: PEM authorities of the server's certificate; default: those of the system.
        tls_cert: PEM certificate chain to show to the server.
        tls_key: PEM private key.
        tls: Speak TLS; implied by `tls_ca` and `tls_cert`.
        insecure: Allow plaintext beyond loopback.
        default_timeout_seconds: For calls with one response that give no time-out, outside of a request.
        health_service: Among several servers, call only those where this service is SERVING.

    Raises:
        OSError: A name in a list of targets has no address.
        InsecureTargetError: The token would cross a network in plaintext.
    """
    pool = descriptor_pool.Default()
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", service_config((pool.FindServiceByName(name) for name in services), health_service)),
        ("grpc.enable_retries", 1),
        # A server that is frozen, or behind a cut network, is left within 2.5 s. It takes both time-outs: the one of
        # pings alone is 60 s.
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_timeout_ms", 1_500),
        ("grpc.http2.ping_timeout_ms", 1_500),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # In spite of its name also the time-out of an attempt to connect: the kernel of a frozen process accepts.
        ("grpc.min_reconnect_backoff_ms", 1_000),
        # Each channel its own connections, so that closing one never disturbs another.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    interceptors = _interceptors(token, default_timeout_seconds)
    if tls or tls_ca is not None or tls_cert is not None:
        credentials = grpc.ssl_channel_credentials(_bytes(tls_ca), _bytes(tls_key), _bytes(tls_cert))
        channel = grpc.aio.secure_channel(target_of(target), credentials, options, interceptors=interceptors)
    elif not insecure and not all(is_loopback(entry.strip()) for entry in _bare(target).split(",")):
        raise InsecureTargetError(f"refusing to call {target} in plaintext: give tls_ca or tls, or insecure")
    else:
        channel = grpc.aio.insecure_channel(target_of(target), options, interceptors=interceptors)
    async with channel:
        yield channel


def _bare(target: str) -> str:
    for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
        if target.startswith(scheme):
            return target.removeprefix(scheme)
    return target


def _bytes(file: Path | None) -> bytes | None:
    return file.read_bytes() if file is not None else None


Prepare = Callable[[grpc.aio.ClientCallDetails, bool], grpc.aio.ClientCallDetails]


def _interceptors(token: str | None, default_timeout_seconds: float) -> list[grpc.aio.ClientInterceptor]:
    """Returns one interceptor for each shape: grpc.aio takes only the first shape of a class that has several."""

    def prepare(details: grpc.aio.ClientCallDetails, streaming: bool) -> grpc.aio.ClientCallDetails:
        """Adds the token, and the deadline and the id of the request that is being served."""
        timeout, inherited = details.timeout, remaining_deadline()
        if inherited is not None:
            timeout = inherited if timeout is None else min(timeout, inherited)
        elif timeout is None and not streaming:
            timeout = default_timeout_seconds
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        if token is not None:
            metadata.add("authorization", f"Bearer {token}")
        if request_id := current_request_id():
            metadata.add("x-request-id", request_id)
        return grpc.aio.ClientCallDetails(
            details.method, timeout, metadata, details.credentials, details.wait_for_ready
        )

    return [_UnaryUnary(prepare), _UnaryStream(prepare), _StreamUnary(prepare), _StreamStream(prepare)]


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._prepare(client_call_details, False), request)


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._prepare(client_call_details, True), request)


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare

    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(self._prepare(client_call_details, False), request_iterator)


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):
    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare

    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(self._prepare(client_call_details, True), request_iterator)
