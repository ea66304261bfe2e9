"""What a campaign does, all of it from one seed: which faults, in which order, where, and how long after each other."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

FAULTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "kill bridge": 3,
        "kill validator": 3,
        "kill redis": 3,
        "kill postgres": 1,
        "kill insight": 0.3,
        "kill leader": 1,
        "kill extra": 1,
        "freeze bridge": 2,
        "freeze validator": 2,
        "freeze redis": 2,
        "freeze postgres": 1,
        "freeze leader": 1,
        "end bridge": 1.5,
        "end validator": 1.5,
        "end redis": 1,
        "end postgres": 1,
        "kill bridges": 0.4,
        "kill validators": 0.4,
        "kill ring": 0.4,
        "freeze ring": 0.4,
        "blackout": 0.4,
        "cut clients": 1.5,
        "slow clients": 1,
        "swallow clients": 1,
        "cut node": 1.5,
        "slow node": 1,
        "swallow node": 1,
        "cut postgres": 1.5,
        "wipe": 1,
        "fill memory": 1,
        "fill disk": 1,
        "add node": 1,
        "drain node": 1,
        "remove node": 1,
        "edit contract": 2,
        "end broker": 0.7,
        "freeze broker": 0.7,
    }
)
"""Every fault, and how often it happens compared with the others; `faults.py` says what each one is."""

_LEAST_PAUSE: Final = 0.3
"""Of the mean pause."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault."""

    fault: str
    pause_seconds: float
    """From the beginning of the one before, if that and those before it let it."""
    share: float
    """Which one of several targets, from 0 to below 1."""
    strength: float
    """How long or how much, from 0 to below 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign does."""

    seed: int
    faults: int = 200
    messages: int = 1_000_000
    """Acknowledged at least, however few faults are left."""
    rate: float = 1_500.0
    """Messages a second over all senders."""
    clients: int = 2
    """MQTT clients for each kind of message id."""
    pause_seconds: float = 4.0
    """Between the beginnings of two faults, in the mean."""
    overlap: int = 3
    """Faults that may be under way at once."""
    weights: Mapping[str, float] = field(default_factory=lambda: FAULTS)
    """How often each fault happens; one that is not named does not."""
    script: tuple[Step, ...] = ()
    """Exactly these faults, instead of random ones."""
    most_seconds: float = 3_600.0
    """Then no further fault is begun and nothing more is published, whatever is missing."""

    def steps(self) -> Iterator[Step]:
        """Yields the faults in their order: each kind at least once where there is room, the rest by weight.

        There are twice as many as asked for: some can not be made when their turn comes.
        """
        if self.script:
            yield from self.script
            return
        chance = random.Random(self.seed)
        names = list(self.weights)
        chosen = chance.sample(names, min(len(names), self.faults))
        chosen += chance.choices(names, weights=[self.weights[name] for name in names], k=self.faults - len(chosen))
        chance.shuffle(chosen)
        chosen += chance.choices(names, weights=[self.weights[name] for name in names], k=self.faults)
        for name in chosen:
            pause = self.pause_seconds * (_LEAST_PAUSE + chance.expovariate(1.0) * (1 - _LEAST_PAUSE))
            yield Step(name, pause, chance.random(), chance.random())
