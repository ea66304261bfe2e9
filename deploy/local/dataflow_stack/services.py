"""How our own processes are started: the bridges, the validators, insight, and the simulated fleet."""

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Final, Literal

from dataflow_stack.child import ChildSpec
from dataflow_stack.errors import StackError
from dataflow_stack.layout import Layout
from dataflow_stack.ports import Ports
from dataflow_stack.postgres import Postgres
from dataflow_stack.redis_node import RedisNode

Kind = Literal["bridge", "validator", "insight"]
KINDS: Final[tuple[Kind, ...]] = ("bridge", "validator", "insight")

_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Makes the specifications of the service processes of one stack."""

    layout: Layout
    ports: Ports
    postgres: Postgres
    nodes: tuple[RedisNode, ...]

    def bridge(self, index: int) -> ChildSpec:
        """Returns how to start a bridge."""
        name = f"bridge-{index}"
        state = self.layout.state(name)
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._spec(
            "bridge",
            name,
            self.ports.bridge_metrics(index),
            {
                "BRIDGE_ID": name,
                "STATE_DIR": str(state),
                "MQTT_LISTEN": f"{_HOST}:{self.ports.mqtt}",
                "MQTT_WEBSOCKET_LISTEN": f"{_HOST}:{self.ports.mqtt_websocket}",
                "RING_NODES": ",".join(f"{node.name}={node.url}" for node in self.nodes),
            },
        )

    def validator(self, index: int) -> ChildSpec:
        """Returns how to start a validator."""
        name = f"validator-{index}"
        settings = {"VALIDATOR_ID": name, "EXPORT_DIR": str(self.layout.exports)}
        return self._spec("validator", name, self.ports.validator_metrics(index), settings)

    def insight(self, index: int) -> ChildSpec:
        """Returns how to start an insight."""
        name = f"insight-{index}"
        dsns = {"POSTGRES_DSN": self.postgres.insight_dsn, "READ_DSN": self.postgres.read_dsn}
        own = {"INSIGHT_ID": name} | dsns
        return replace(self._spec("insight", name, self.ports.insight_metrics(index), own), asks_a_model=True)

    def specification(self, kind: Kind, index: int) -> ChildSpec:
        """Returns how to start one of a kind."""
        return {"bridge": self.bridge, "validator": self.validator, "insight": self.insight}[kind](index)

    def metrics_port(self, kind: Kind, index: int) -> int:
        """Returns the port that one of a kind has for itself."""
        ports = self.ports
        return {
            "bridge": ports.bridge_metrics,
            "validator": ports.validator_metrics,
            "insight": ports.insight_metrics,
        }[kind](index)

    def fleet(self) -> ChildSpec:
        """Returns how to start the simulated devices, which find all they need in the data directory."""
        return ChildSpec(
            name="fleet",
            command=(sys.executable, "-m", "dataflow_cli", "simulate", "--data-dir", str(self.layout.root)),
            directory=self.layout.root,
            log=self.layout.log("fleet"),
            may_end=True,
        )

    def grpc_port(self, kind: Kind) -> int:
        """Returns the gRPC port that the processes of a kind share."""
        return {"bridge": self.ports.bridge, "validator": self.ports.validator, "insight": self.ports.insight}[kind]

    def listening(self, kind: Kind) -> frozenset[int]:
        """Returns the ports on which each process of a kind listens once it has started."""
        mqtt = {self.ports.mqtt, self.ports.mqtt_websocket} if kind == "bridge" else set()
        return frozenset({self.grpc_port(kind), *mqtt})

    def _spec(self, kind: Kind, name: str, metrics_port: int, own: Mapping[str, str]) -> ChildSpec:
        settings = {
            "GRPC_LISTEN": f"{_HOST}:{self.grpc_port(kind)}",
            "METRICS_LISTEN": f"{_HOST}:{metrics_port}",
            "POSTGRES_DSN": self.postgres.dsn,
            "TOKEN_FILE": str(self.layout.token_file),
            "WATCHDOG_FILE": str(self.layout.heartbeat(name)),
        }
        return ChildSpec(
            name=name,
            command=(sys.executable, "-m", f"dataflow_{kind}"),
            directory=self.layout.root,
            log=self.layout.log(name),
            environ={f"DATAFLOW_{key}": value for key, value in (settings | dict(own)).items()},
            heartbeat=self.layout.heartbeat(name),
            watchdog_seconds=_seconds("WATCHDOG_SECONDS", 2.0),
            # It ends by itself after its own drain; killed only when it does not.
            stop_seconds=_seconds("DRAIN_SECONDS", 10.0) + 5.0,
        )


def _seconds(name: str, default: float) -> float:
    """Returns a setting of the services that their supervisor must know too; they say themselves when it is wrong."""
    try:
        return float(os.environ.get(f"DATAFLOW_{name}", default))
    except ValueError:
        return default


def require_installed(kinds: Iterable[Kind]) -> None:
    """Checks that the service packages are in this environment.

    Raises:
        StackError: One is missing.
    """
    missing = [f"dataflow-{kind}" for kind in kinds if importlib.util.find_spec(f"dataflow_{kind}") is None]
    if missing:
        raise StackError(f"not installed: {', '.join(missing)}; run `make setup`")


def fleet_installed() -> bool:
    """Returns whether the package with `dataflow simulate` is in this environment."""
    return any(point.name == "simulate" for point in entry_points(group="dataflow.commands"))
