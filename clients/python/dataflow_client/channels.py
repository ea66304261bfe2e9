"""Opening gRPC channels to the services, synchronous and asyncio, with the same options."""

from dataclasses import dataclass

import grpc
from grpc import aio

from dataflow_client.targets import Connection, is_loopback

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


def open_channels(connection: Connection) -> Channels:
    """Opens synchronous channels; nothing is sent before the first call.

    Raises:
        ValueError: A target beyond loopback would be spoken to in plaintext.
    """

    def opened(target: str) -> grpc.Channel:
        options = _options(connection)
        if connection.tls is not None:
            return grpc.secure_channel(target or _UNNAMED, connection.tls.credentials(), options)
        return grpc.insecure_channel(target or _UNNAMED, options)

    targets = _checked(connection)
    return Channels(opened(targets[0]), opened(targets[1]), opened(targets[2]))


def open_async_channels(connection: Connection) -> AsyncChannels:
    """Opens asyncio channels; must be called inside the loop that will use them.

    Raises:
        ValueError: A target beyond loopback would be spoken to in plaintext.
    """

    def opened(target: str) -> aio.Channel:
        options = _options(connection)
        if connection.tls is not None:
            return aio.secure_channel(target or _UNNAMED, connection.tls.credentials(), options)
        return aio.insecure_channel(target or _UNNAMED, options)

    targets = _checked(connection)
    return AsyncChannels(opened(targets[0]), opened(targets[1]), opened(targets[2]))


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


def _options(connection: Connection) -> list[tuple[str, str | int]]:
    options: list[tuple[str, str | int]] = [
        ("grpc.max_receive_message_length", _MAX_RESPONSE_BYTES),
        # A restarted service is found again within the retries of one call.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # A link that died silently is noticed within 30 s; DataFlow's servers welcome pings this often.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # The retries of this SDK are the only ones: two layers would multiply.
        ("grpc.enable_retries", 0),
        ("grpc.lb_policy_name", "round_robin"),
    ]
    if connection.tls is not None and connection.tls.server_name:
        options.append(("grpc.ssl_target_name_override", connection.tls.server_name))
    return options
