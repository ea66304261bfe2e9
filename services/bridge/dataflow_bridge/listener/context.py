"""What all connections of a listener share, and the messages that the bridge itself sends through the intake."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

import orjson

from dataflow_bridge.listener.counters import Counters
from dataflow_bridge.listener.limits import Allowances, Rate
from dataflow_bridge.listener.publish import Topics
from dataflow_bridge.listener.seams import message_cost

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow_bridge.listener.budget import Budget
    from dataflow_bridge.listener.connection import Connection
    from dataflow_bridge.listener.outgoing import Postmaster
    from dataflow_bridge.listener.seams import Authenticator, Clock, Identity, Intake
    from dataflow_bridge.listener.settings import ListenerSettings
    from dataflow_bridge.sessions.memory import Sessions
    from dataflow_bridge.sessions.store import StoredWill

SOURCE: Final = "mqtt"
"""Source of messages that clients publish."""
BRIDGE_SOURCE: Final = "bridge"
"""Source of messages about connections."""
CONNECTION_TOPIC: Final = "$dataflow/device_connection"

Event = Literal["connected", "disconnected", "take_over"]


@dataclass(slots=True)
class ListenerContext:
    """The surroundings of a connection."""

    settings: ListenerSettings
    intake: Intake
    authenticator: Authenticator
    budget: Budget
    sessions: Sessions
    clock: Clock
    postmaster: Postmaster | None = None
    """Hands out commands and configuration; None: there is nothing to hand out."""
    counters: Counters = field(default_factory=Counters)
    topics: Topics = field(init=False)
    allowances: Allowances = field(init=False)
    connect_rate: Rate = field(init=False)
    connections: set[Connection] = field(default_factory=set)
    """Open ones, from accept to the end of the transport."""
    stopping: bool = False
    all_closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the listener stops and no connection is open."""

    def __post_init__(self) -> None:
        """Make what follows from the settings."""
        self.topics = Topics(self.settings.max_topic_bytes)
        self.allowances = Allowances(self.clock, self.settings.device_limits)
        self.connect_rate = Rate(self.clock, self.settings.connects_per_second)
        self.sessions.publish = self.publish_will

    def stop(self) -> None:
        """Read from nobody any more; close each connection once its acknowledgements are out."""
        self.stopping = True
        for connection in list(self.connections):
            connection.stop_reading()
        self.note_closed()

    def note_closed(self) -> None:
        """Tell whoever waits for it when the last connection is gone."""
        if self.stopping and not self.connections:
            self.all_closed.set()

    def publish_event(
        self, event: Event, *, identity: Identity, client_id: str, reason: str, protocol: str, peer: str
    ) -> None:
        """Submit what happened to a connection as an ordinary message of the contract `device_connection`."""
        now = self.clock.wall_us()
        payload = orjson.dumps(
            {
                # An anonymous client has only its client id to be told by.
                "device_id": identity.device_id or client_id,
                "client_id": client_id,
                "event": event,
                "reason": reason,
                "protocol": protocol,
                "peer": peer,
                "ts": datetime.fromtimestamp(now / 1_000_000, UTC).isoformat(),
            }
        )
        self.budget.take(message_cost(CONNECTION_TOPIC, payload))
        self.intake.submit(
            CONNECTION_TOPIC,
            payload,
            identity.device_id,
            "application/json",
            None,
            False,
            now,
            BRIDGE_SOURCE,
            None,
            0,
        )

    def publish_will(self, will: StoredWill, message_id: str | None, durable: Callable[[], None] | None) -> None:
        """Submit a Last Will as an ordinary message; `durable` is called when it is."""
        self.budget.take(message_cost(will.topic, will.payload))
        self.intake.submit(
            will.topic,
            will.payload,
            will.device_id,
            will.content_type,
            message_id,
            False,
            self.clock.wall_us(),
            SOURCE,
            None if durable is None else _WillAck(durable),
            0,
        )


class _WillAck:
    """The `Ack` of a Will."""

    __slots__ = ("_durable",)

    def __init__(self, durable: Callable[[], None]) -> None:
        self._durable = durable

    def acknowledged(self, tokens: list[int]) -> None:
        """Tell that it is durable."""
        del tokens
        self._durable()

    def failed(self, tokens: list[int]) -> None:
        """Do nothing: it stays in the store, and another bridge publishes it."""
