"""Opening gRPC channels to the services, synchronous and asyncio, with the same options."""

import json
from dataclasses import dataclass

import grpc
from grpc import aio

from dataflow_client.targets import Connection, channel_target, has_list, has_many, is_loopback

_MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""A page of 1,000 wide readings passes gRPC's default of 4 MiB."""


@dataclass(frozen=True, slots=True)
class Channels:
    """One open synchronous channel for each kind of service."""

    bridge: grpc.Channel
    """To a bridge."""
    validator: grpc.Channel
    """To a validator."""
    insight: grpc.Channel
    """To insight."""

    def close(self) -> None:
        """Ends every call and closes the channels."""
        for channel in (self.bridge, self.validator, self.insight):
            channel.close()


@dataclass(frozen=True, slots=True)
class AsyncChannels:
    """One open asyncio channel for each kind of service."""

    bridge: aio.Channel
    """To a bridge."""
    validator: aio.Channel
    """To a validator."""
    insight: aio.Channel
    """To insight."""

    async def close(self) -> None:
        """Ends every call and closes the channels."""
        for channel in (self.bridge, self.validator, self.insight):
            await channel.close()


_UNNAMED = "ipv4:127.0.0.1:0"
"""A target that no service was named for: its calls fail as not reachable, and the client says which name is missing."""


_HEALTH = ("dataflow.bridge.v1.IngestService", "dataflow.validator.v1.ReadingService", "dataflow.insight.v1.AskService")
"""Whose health says whether a server is to be called where there are several."""


def open_channels(connection: Connection) -> Channels:
    """Opens synchronous channels; nothing is sent before the first call.

    Raises:
        ValueError: A target beyond loopback would be spoken to in plaintext, or a list of targets is not one.
    """

    def opened(target: str, health_service: str) -> grpc.Channel:
        found, options = channel_target(target or _UNNAMED), _options(connection, target, health_service)
        if connection.tls is not None:
            return grpc.secure_channel(found, connection.tls.credentials(), options)
        return grpc.insecure_channel(found, options)

    return Channels(*map(opened, _checked(connection), _HEALTH))


def open_async_channels(connection: Connection) -> AsyncChannels:
    """Opens asyncio channels; must be called inside the loop that will use them.

    Raises:
        ValueError: A target beyond loopback would be spoken to in plaintext, or a list of targets is not one.
    """

    def opened(target: str, health_service: str) -> aio.Channel:
        found, options = channel_target(target or _UNNAMED), _options(connection, target, health_service)
        if connection.tls is not None:
            return aio.secure_channel(found, connection.tls.credentials(), options)
        return aio.insecure_channel(found, options)

    return AsyncChannels(*map(opened, _checked(connection), _HEALTH))


def _checked(connection: Connection) -> tuple[str, str, str]:
    targets = (connection.targets.bridge, connection.targets.validator, connection.targets.insight)
    if connection.tls is None and not connection.insecure:
        for target in targets:
            if target and not is_loopback(target):
                raise ValueError(
                    f"{target!r} is beyond this machine and would be spoken to in plaintext: "
                    "set TLS (DATAFLOW_TLS_CA), or say insecure=True (DATAFLOW_INSECURE=1)"
                )
    return targets


def _options(connection: Connection, target: str, health_service: str) -> list[tuple[str, str | int]]:
    options: list[tuple[str, str | int]] = [
        ("grpc.max_receive_message_length", _MAX_RESPONSE_BYTES),
        # A restarted service is found again within the retries of one call.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # In spite of its name also the time-out of an attempt to connect. A frozen process still accepts connections:
        # its kernel does. Where it shares a port with others, the next attempt may reach another one.
        ("grpc.min_reconnect_backoff_ms", 1_000),
        # A server that is frozen, or behind a link that died silently, is left within 2.5 s while a call is open;
        # DataFlow's servers welcome pings this often. It takes both time-outs: the one of pings alone is 60 s.
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_timeout_ms", 1_500),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.ping_timeout_ms", 1_500),
        # The retries of this SDK are the only ones: two layers would multiply.
        ("grpc.enable_retries", 0),
        ("grpc.service_config", _service_config(target, health_service)),
    ]
    if connection.tls is not None and connection.tls.server_name:
        options.append(("grpc.ssl_target_name_override", connection.tls.server_name))
    elif has_list(target):
        # Addresses have no name to check a certificate against: the first of the list stands for all.
        options.append(("grpc.default_authority", target.partition(",")[0].strip()))
    return options


def _service_config(target: str, health_service: str) -> str:
    """Returns the service config: calls go round all servers; where there are several, around those that are well.

    A single server is always called: its own error says more than that it is not well.
    """
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if has_many(target):
        config["healthCheckConfig"] = {"serviceName": health_service}
    return json.dumps(config)
