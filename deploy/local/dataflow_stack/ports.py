"""Which port of 127.0.0.1 each part of the stack listens on."""

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import psutil

from dataflow_stack.errors import StackError

DEFAULT_BASE: Final = 18830
MOST_OF_A_KIND: Final = 16
"""Most nodes, bridges, validators or insights of one local stack: their ports lie side by side."""

_HOST: Final = "127.0.0.1"
_REDIS_OFFSET: Final = 10
_METRICS_OFFSET: Final = 30
_SPAN: Final = _METRICS_OFFSET + 3 * MOST_OF_A_KIND
_FREE_RANGE: Final = range(20_000, 32_000)
"""Below Linux's ephemeral ports, so that no outgoing connection takes one between its choice and its use."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports follow from the base, so that a person can guess them.

    | port | who listens |
    |---|---|
    | base | MQTT |
    | base + 1 | MQTT over WebSocket |
    | base + 2, 3, 4 | gRPC: bridge, validator, insight |
    | base + 5 | console (kept free) |
    | base + 6 | Postgres |
    | base + 10 … | Redis nodes |
    | base + 30 … | metrics: bridges, validators, insights |

    Attributes:
        base: The first port.
        known_redis: Ports of the nodes that hold data: the ring knows them by these, whatever the base is now.
    """

    base: int
    known_redis: tuple[int, ...] = ()

    @property
    def mqtt(self) -> int:
        """MQTT of all bridges."""
        return self.base

    @property
    def mqtt_websocket(self) -> int:
        """MQTT over WebSocket of all bridges."""
        return self.base + 1

    @property
    def bridge(self) -> int:
        """The gRPC of all bridges."""
        return self.base + 2

    @property
    def validator(self) -> int:
        """The gRPC of all validators."""
        return self.base + 3

    @property
    def insight(self) -> int:
        """The gRPC of all insights."""
        return self.base + 4

    @property
    def postgres(self) -> int:
        """Postgres."""
        return self.base + 6

    def redis(self, index: int) -> int:
        """One Redis node."""
        return self.known_redis[index] if index < len(self.known_redis) else self.base + _REDIS_OFFSET + index

    def bridge_metrics(self, index: int) -> int:
        """Prometheus endpoint of one bridge."""
        return self.base + _METRICS_OFFSET + index

    def validator_metrics(self, index: int) -> int:
        """Prometheus endpoint of one validator."""
        return self.base + _METRICS_OFFSET + MOST_OF_A_KIND + index

    def insight_metrics(self, index: int) -> int:
        """Prometheus endpoint of one insight."""
        return self.base + _METRICS_OFFSET + 2 * MOST_OF_A_KIND + index

    def used(self, nodes: int, bridges: int, validators: int, insights: int) -> Iterator[tuple[str, int]]:
        """Yields what listens and where, for a stack of this size."""
        yield "mqtt", self.mqtt
        yield "mqtt over websocket", self.mqtt_websocket
        yield "grpc of bridge", self.bridge
        yield "grpc of validator", self.validator
        yield "grpc of insight", self.insight
        yield "postgres", self.postgres
        yield from ((f"redis-{index}", self.redis(index)) for index in range(nodes))
        yield from ((f"metrics of bridge-{index}", self.bridge_metrics(index)) for index in range(bridges))
        yield from ((f"metrics of validator-{index}", self.validator_metrics(index)) for index in range(validators))
        yield from ((f"metrics of insight-{index}", self.insight_metrics(index)) for index in range(insights))

    def require_free(self, nodes: int, bridges: int, validators: int, insights: int) -> None:
        """Checks that nobody listens on the ports.

        Raises:
            StackError: Somebody does; the message names the port, who it is when that can be seen, and the way out.
        """
        taken = [(name, port) for name, port in self.used(nodes, bridges, validators, insights) if not is_free(port)]
        if taken:
            lines = [f"port {port} ({name}) is taken{_holder(port)}" for name, port in taken]
            if any(port in self.known_redis for _, port in taken):
                lines.append("The ring knows its nodes by their ports: stop what listens there.")
                raise StackError("\n".join(lines))
            raise StackError(
                "\n".join(lines)
                + f"\nStop what listens there, or choose other ports: dataflow up --port-base {self.base + 100}"
                " (or --port-base 0: any free ones)"
            )

    @classmethod
    def any_free(cls, known_redis: tuple[int, ...], nodes: int, bridges: int, validators: int, insights: int) -> Self:
        """Returns ports that are all free now; nodes that hold data keep theirs.

        Raises:
            StackError: No such range was found.
        """
        starts = range(_FREE_RANGE.start, _FREE_RANGE.stop - _SPAN, 100)
        for base in random.SystemRandom().sample(starts, len(starts)):
            ports = cls(base + random.SystemRandom().randrange(100 - _SPAN), known_redis)
            used = ports.used(nodes, bridges, validators, insights)
            if all(is_free(port) for _, port in used if port not in known_redis):
                return ports
        raise StackError(f"no free ports between {_FREE_RANGE.start} and {_FREE_RANGE.stop}")


def is_free(port: int) -> bool:
    """Returns whether nobody listens on a port of the loopback."""
    with socket.socket() as probe:
        # Without it, connections of an earlier run that linger in TIME_WAIT would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""
