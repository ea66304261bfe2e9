"""Rates and the limits for each device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflow_bridge.listener.seams import Clock
    from dataflow_bridge.listener.settings import DeviceLimits


class Rate:
    """A token bucket that may go into debt: count first, then wait for as long as `debt_seconds` says."""

    __slots__ = ("_burst", "_clock", "_per_second", "_tokens", "_touched")

    def __init__(self, clock: Clock, per_second: float) -> None:
        """Start with a full bucket: the burst of one second, at least one."""
        self._clock = clock
        self._per_second = per_second
        self._burst = max(per_second, 1.0)
        self._tokens = self._burst
        self._touched = clock.monotonic()

    def spend(self, count: int) -> float:
        """Count `count` events; return the seconds until the rate is kept again, 0 if it is."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._touched) * self._per_second) - count
        self._touched = now
        return 0.0 if self._tokens >= 0 else -self._tokens / self._per_second


@dataclass(slots=True)
class Allowance:
    """What the open connections of one device share."""

    connections: int
    rate: Rate | None


class Allowances:
    """The allowance of each connected device."""

    __slots__ = ("_clock", "_devices", "_limits")

    def __init__(self, clock: Clock, limits: DeviceLimits) -> None:
        """Start without devices."""
        self._clock = clock
        self._limits = limits
        self._devices: dict[str, Allowance] = {}

    def enter(self, device_id: str | None) -> Allowance | None:
        """Count a connection; None when the device has as many as it may. Without a device it stands alone."""
        allowance = self._devices.get(device_id) if device_id is not None else None
        if allowance is None:
            per_second = self._limits.messages_per_second
            allowance = Allowance(0, None if per_second is None else Rate(self._clock, per_second))
            if device_id is not None:
                self._devices[device_id] = allowance
        elif self._limits.connections is not None and allowance.connections >= self._limits.connections:
            return None
        allowance.connections += 1
        return allowance

    def leave(self, device_id: str | None, allowance: Allowance) -> None:
        """Take a connection off; with the last one the device is forgotten."""
        allowance.connections -= 1
        if device_id is not None and not allowance.connections:
            self._devices.pop(device_id, None)
