"""All senders of a campaign: five lanes over MQTT 3.1.1 and 5, gRPC calls, gRPC streams, and a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Final

from dataflow_client.ingest import AsyncIngest
from dataflow_simulator.mqtt_wire import Protocol

from tests.chaos.prove.journal import Journal
from tests.chaos.prove.messages import LANES, PREFIX, Lane
from tests.chaos.prove.plan import Plan
from tests.chaos.prove.publishers import (
    GIVE_UP_SECONDS,
    Sender,
    SenderError,
    publish_mqtt,
    publish_stream,
    publish_unary,
)

Publish = Callable[[Sender], Coroutine[Any, Any, None]]

_DRAIN_SECONDS: Final = GIVE_UP_SECONDS + 60.0


@dataclass(frozen=True, slots=True)
class _Way:
    """A way in."""

    name: str
    weight: float
    """Its share of the load, compared with the others."""
    lanes: tuple[Lane, ...]
    clients: int
    """For each lane."""
    publish: Callable[[Lane, int], Publish]
    """Says how one client publishes."""


class Load:
    """Publishes at a steady rate until it is stopped.

    Args:
        plan: Rate, clients and seed.
        journal: Where all senders log.
        mqtt: Host and port of the listener.
        proxied_mqtt: The same by way of a proxy; every other client uses it.
        grpc: Target of the bridges.
        token: Opens gRPC.
        ingest: Of the SDK, for streams.
        broker: Host and port of a broker that a source of the bridges reads; None: there is none.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        *,
        mqtt: tuple[str, int],
        proxied_mqtt: tuple[str, int],
        grpc: str,
        token: str,
        ingest: AsyncIngest,
        broker: tuple[str, int] | None,
    ) -> None:
        self.problems: list[str] = []
        self._plan = plan
        self._journal = journal
        self._mqtt, self._proxied_mqtt = mqtt, proxied_mqtt
        self._grpc, self._token, self._ingest, self._broker = grpc, token, ingest, broker
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ends publishing; `run` then waits for the last acknowledgements."""
        self._stop.set()

    async def run(self) -> None:
        """Publishes until `stop`, and returns when everything is acknowledged; `problems` says what was not.

        A sender that fails does not end the others: what they were told still has to hold.
        """
        publishing = [
            asyncio.create_task(self._run(sender, publish), name=sender.name) for sender, publish in self._senders()
        ]
        try:
            await self._stop.wait()
            await asyncio.wait(publishing, timeout=_DRAIN_SECONDS)
        finally:
            for task in publishing:
                if not task.done():
                    self.problems.append(f"{task.get_name()}: not everything was acknowledged")
                    task.cancel()
            await asyncio.gather(*publishing, return_exceptions=True)

    async def _run(self, sender: Sender, publish: Publish) -> None:
        try:
            await publish(sender)
        except SenderError as error:
            self.problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the account goes on and names it
            self.problems.append(f"{sender.name}: {error!r}")

    def _senders(self) -> Iterator[tuple[Sender, Publish]]:
        ways = list(self._ways())
        total = sum(way.weight for way in ways)
        for way in ways:
            rate = self._plan.rate * way.weight / total / len(way.lanes) / way.clients
            for lane in way.lanes:
                label = lane.contract.removeprefix(PREFIX)
                for index in range(way.clients):
                    name = f"{way.name}-{label}-{index}"
                    sender = Sender(name, lane, rate, self._plan.seed, self._journal, self._stop)
                    yield sender, way.publish(lane, index)

    def _ways(self) -> Iterator[_Way]:
        """Yields the ways in: MQTT straight and through a proxy, gRPC calls and streams, a broker."""
        yield _Way("mqtt", 6.0, LANES, self._plan.clients, self._mqtt_client)
        yield _Way("grpc", 2.0, LANES, 1, lambda *_: lambda one: publish_unary(one, self._grpc, self._token))
        # Not d: the SDK would send it again, and nothing in gRPC marks what is sent again.
        recognised = tuple(lane for lane in LANES if lane.kind != "d")
        yield _Way("stream", 1.0, recognised, 1, lambda *_: lambda one: publish_stream(one, self._ingest))
        if self._broker is not None:
            yield _Way("broker", 1.0, LANES, 1, self._broker_client)

    def _mqtt_client(self, lane: Lane, index: int) -> Publish:
        host, port = self._proxied_mqtt if index % 2 else self._mqtt
        protocol = Protocol.V5 if lane.sends_ids or index % 2 else Protocol.V3_1_1
        return lambda sender: publish_mqtt(sender, host, port, protocol)

    def _broker_client(self, lane: Lane, _: int) -> Publish:
        assert self._broker is not None
        host, port = self._broker
        protocol = Protocol.V5 if lane.sends_ids else Protocol.V3_1_1
        return lambda sender: publish_mqtt(sender, host, port, protocol, counted=False)
