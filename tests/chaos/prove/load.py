"""All senders of a campaign: five lanes over MQTT 3.1.1 and 5, gRPC calls, gRPC streams, and a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from dataflow_simulator.mqtt_wire import Protocol

from tests.chaos.prove.journal import Journal
from tests.chaos.prove.messages import LANES, PREFIX, Lane
from tests.chaos.prove.plan import Plan
from tests.chaos.prove.publishers import GIVE_UP_SECONDS, Sender, SenderError, publish_mqtt, publish_unary

Publish = Callable[[Sender], Coroutine[Any, Any, None]]

_DRAIN_SECONDS: Final = GIVE_UP_SECONDS + 60.0


class Load:
    """Publishes at a steady rate until it is stopped.

    Args:
        plan: Rate, clients and seed.
        journal: Where all senders log.
        mqtt: Host and port of the listener.
        proxied_mqtt: The same by way of a proxy; every other client uses it.
        grpc: Target of the bridges.
        token: Opens gRPC.
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
    ) -> None:
        self.problems: list[str] = []
        self._plan = plan
        self._journal = journal
        self._mqtt, self._proxied_mqtt = mqtt, proxied_mqtt
        self._grpc, self._token = grpc, token
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
        ways = self._ways()
        total = sum(weight for weight, _ in ways.values())
        for way, (weight, makers) in ways.items():
            for lane in LANES:
                label = lane.contract.removeprefix(PREFIX)
                rate = self._plan.rate * weight / total / len(LANES) / len(makers)
                for index, maker in enumerate(makers):
                    yield (
                        Sender(f"{way}-{label}-{index}", lane, rate, self._plan.seed, self._journal, self._stop),
                        maker(lane),
                    )

    def _ways(self) -> dict[str, tuple[float, list[Callable[[Lane], Publish]]]]:
        """Returns each way in, its share of the load, and how each of its clients publishes."""
        return {
            "mqtt": (6.0, [self._mqtt_client(index) for index in range(self._plan.clients)]),
            "grpc": (2.0, [lambda _: lambda sender: publish_unary(sender, self._grpc, self._token)]),
        }

    def _mqtt_client(self, index: int) -> Callable[[Lane], Publish]:
        host, port = self._proxied_mqtt if index % 2 else self._mqtt

        def publish(lane: Lane) -> Publish:
            protocol = Protocol.V5 if lane.sends_ids or index % 2 else Protocol.V3_1_1
            return lambda sender: publish_mqtt(sender, host, port, protocol)

        return publish
