"""What goes wrong with devices: seeded, one small state machine for each device."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields, replace
from typing import Final

_DROPOUT_READINGS: Final = (5, 60)
_STUCK_READINGS: Final = (10, 120)
_SKEW_SECONDS: Final = (30.0, 7200.0)
_SPIKE_FACTOR: Final = (8.0, 30.0)


@dataclass(frozen=True, slots=True)
class FaultRates:
    """The probability of each fault, for one reading of one device; 0 is never."""

    dropout: float = 0.0
    """The device is silent for a while."""
    spike: float = 0.0
    """One value is far out."""
    stuck: float = 0.0
    """The device repeats its last values for a while, with new times."""
    wrong_type: float = 0.0
    """One value is text, null or a list instead of a number."""
    clock_skew: float = 0.0
    """The device's clock is wrong from now on, until this happens again and mends it."""
    duplicate: float = 0.0
    """The reading is sent twice."""

    def __post_init__(self) -> None:
        """Refuses what is no probability."""
        for name in (entry.name for entry in fields(self)):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"not a probability: {name}={getattr(self, name)!r}")


NONE: Final = FaultRates()
"""Devices as in the data sheet."""

SOME: Final = FaultRates(
    dropout=0.0005, spike=0.001, stuck=0.0005, wrong_type=0.002, clock_skew=0.0005, duplicate=0.005
)
"""A fleet as it is on an ordinary day."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a device would send: a time, seconds since the epoch, and values by field."""

    time: float
    values: dict[str, object]


@dataclass(slots=True)
class FaultyDevice:
    """Lets one device's readings go wrong. The same seed gives the same faults."""

    rates: FaultRates
    chance: random.Random
    _silent: int = 0
    _stuck: int = 0
    _skew: float = 0.0
    _last: dict[str, object] = field(default_factory=dict)

    def pass_on(self, reading: Reading) -> list[Reading]:
        """Returns what leaves the device instead of this reading: nothing, one reading, or the same one twice."""
        rates, chance = self.rates, self.chance
        if self._silent:
            self._silent -= 1
            return []
        if chance.random() < rates.dropout:
            self._silent = chance.randint(*_DROPOUT_READINGS)
            return []
        if chance.random() < rates.clock_skew:
            self._skew = 0.0 if self._skew else chance.uniform(*_SKEW_SECONDS) * chance.choice((-1, 1))
        values = dict(reading.values)
        if self._stuck and self._last:
            self._stuck -= 1
            values = dict(self._last)
        elif chance.random() < rates.stuck:
            self._stuck = chance.randint(*_STUCK_READINGS)
        self._last = dict(values)
        numeric = [name for name, value in values.items() if isinstance(value, int | float)]
        if numeric and chance.random() < rates.spike:
            name = chance.choice(numeric)
            value = values[name]
            assert isinstance(value, int | float)
            values[name] = round(value * chance.uniform(*_SPIKE_FACTOR), 2)
        if numeric and chance.random() < rates.wrong_type:
            name = chance.choice(numeric)
            values[name] = chance.choice((str(values[name]).replace(".", ","), None, [values[name]], "NaN"))
        sent = replace(reading, time=reading.time + self._skew, values=values)
        return [sent, sent] if chance.random() < rates.duplicate else [sent]
