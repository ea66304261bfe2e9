"""What a sensor measures: a daily curve, a slow drift, noise. Pure: the same random source gives the same values."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class Signal:
    """A value over time."""

    base: float
    """The mean of a day."""
    daily_amplitude: float = 0.0
    """Half of the difference between the highest and the lowest value of a day."""
    peak_hour: float = 15.0
    """Hour of the day, UTC, of the highest value."""
    drift_per_day: float = 0.0
    """What a worn sensor adds each day since `time` 0 of the device."""
    noise: float = 0.0
    """Standard deviation of what nobody can explain."""
    digits: int = 2
    """Digits after the point that the sensor sends."""

    def value(self, time_of_day_seconds: float, age_seconds: float, chance: random.Random) -> float:
        """Returns the value at a time of day, for a device of an age."""
        hours = time_of_day_seconds / 3600 - self.peak_hour
        value = self.base + self.daily_amplitude * math.cos(hours / 24 * math.tau)
        value += self.drift_per_day * age_seconds / DAY_SECONDS
        return round(value + chance.gauss(0, self.noise), self.digits)


CLIMATE = {
    "temperature": Signal(base=20.0, daily_amplitude=4.0, peak_hour=15.0, noise=0.15),
    "humidity": Signal(base=50.0, daily_amplitude=12.0, peak_hour=4.0, noise=0.6, digits=1),
    "pressure": Signal(base=1013.0, daily_amplitude=1.2, peak_hour=10.0, noise=0.1, digits=1),
    "battery": Signal(base=3.9, drift_per_day=-0.004, noise=0.005, digits=3),
}
"""The signals of a climate sensor, by field of the contract `climate`."""
