"""Devices that send for ever: recorded ones with their times moved to now, and synthetic ones."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import orjson

from dataflow_simulator.faults import NONE, FaultRates, FaultyDevice, Reading
from dataflow_simulator.publisher import ClientSettings, Counts, Publisher
from dataflow_simulator.recording import RecordedMessage
from dataflow_simulator.signals import CLIMATE, DAY_SECONDS

_LARGEST_FLEET_OF_OWN_CONNECTIONS: Final = 100
_OFFSETS: Final = 1000


@dataclass(frozen=True, slots=True)
class Device:
    """One sender: its topic, and its readings in order, without times."""

    device_id: str
    topic: str
    time_field: str
    readings: Iterator[dict[str, object]]


def recorded_devices(messages: Iterable[RecordedMessage]) -> list[Device]:
    """Makes devices of a recording, each repeating its own readings in a circle; payloads without a `ts` are left out."""
    by_topic: dict[str, list[dict[str, object]]] = {}
    for message in messages:
        payload = orjson.loads(message.payload)
        if isinstance(payload, dict) and "ts" in payload:
            by_topic.setdefault(message.topic, []).append(payload)
    return [
        Device(str(payloads[0].get("device_id", topic)), topic, "ts", itertools.cycle(payloads))
        for topic, payloads in by_topic.items()
    ]


def synthetic_devices(count: int, seed: int, interval_seconds: float, start_time: float) -> list[Device]:
    """Makes climate sensors, each a little different; the same seed gives the same values for the same start."""
    return [
        Device(
            device_id := f"climate-{index + 1:04d}",
            f"climate/{device_id}/telemetry",
            "ts",
            _climate(device_id, random.Random(f"{seed}/{index}"), interval_seconds, start_time),
        )
        for index in range(count)
    ]


def _climate(
    device_id: str, chance: random.Random, interval_seconds: float, start_time: float
) -> Iterator[dict[str, object]]:
    signals = {
        name: replace(
            signal, base=signal.base + chance.gauss(0, signal.daily_amplitude / 4), drift_per_day=signal.drift_per_day
        )
        for name, signal in CLIMATE.items()
    }
    for number in itertools.count():
        age = number * interval_seconds
        time_of_day = (start_time + age) % DAY_SECONDS
        values: dict[str, object] = {"device_id": device_id}
        yield values | {name: signal.value(time_of_day, age, chance) for name, signal in signals.items()}


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """How the devices send."""

    client: ClientSettings
    """Of every connection; the client id is a prefix."""
    interval_seconds: float = 1.0
    """Between two readings of one device; the devices are spread over it."""
    seconds: float | None = None
    """How long; None: for ever."""
    faults: FaultRates = NONE
    seed: int = 0


async def run_fleet(devices: Sequence[Device], settings: FleetSettings, wall_offset_seconds: float) -> Counts:
    """Lets all devices send until the time is over, then waits for the last acknowledgements.

    A device whose server is away waits; it does not pile up readings that it would have measured meanwhile.

    Args:
        devices: Who sends; up to 100 have a connection of their own, more share 100.
        settings: How.
        wall_offset_seconds: What turns the event loop's time into seconds since the epoch.

    Raises:
        PublishError: The server refused, or was away for longer than the client waits.
    """
    connections = min(len(devices), _LARGEST_FLEET_OF_OWN_CONNECTIONS)
    async with AsyncExitStack() as stack:
        publishers = [
            await stack.enter_async_context(
                Publisher(replace(settings.client, client_id=f"{settings.client.client_id}-{index}"))
            )
            for index in range(connections)
        ]
        start = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as group:
                for index, publisher in enumerate(publishers):
                    group.create_task(
                        _send(publisher, devices[index::connections], settings, start, wall_offset_seconds),
                        name=f"fleet-{index}",
                    )
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        total = Counts()
        for publisher in publishers:
            total += publisher.counts
        return total


async def _send(
    publisher: Publisher, devices: Sequence[Device], settings: FleetSettings, start: float, wall_offset_seconds: float
) -> None:
    """Sends for the devices of one connection, each at its own place in the interval."""
    loop = asyncio.get_running_loop()
    interval = settings.interval_seconds
    faulty = [FaultyDevice(settings.faults, random.Random(f"{settings.seed}/{d.device_id}")) for d in devices]
    places = sorted((random.Random(f"{d.device_id}").randrange(_OFFSETS) / _OFFSETS, i) for i, d in enumerate(devices))
    numbers = itertools.count()
    turn = 0
    while settings.seconds is None or turn * interval < settings.seconds:
        for place, index in places:
            due = start + (turn + place) * interval
            if (ahead := due - loop.time()) > 0:
                await asyncio.sleep(ahead)
            device = devices[index]
            reading = Reading(loop.time() + wall_offset_seconds, next(device.readings))
            for sent in faulty[index].pass_on(reading):
                payload = sent.values | {device.time_field: rfc3339(sent.time)}
                await publisher.publish(next(numbers), device.topic, orjson.dumps(payload))
        # After an outage the schedule goes on from now.
        turn = max(turn + 1, int((loop.time() - start) / interval))
    await publisher.drain()


def rfc3339(seconds: float) -> str:
    """Writes seconds since the epoch with milliseconds, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
