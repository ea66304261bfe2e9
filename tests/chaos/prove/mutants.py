"""Builds with one promise broken on purpose, and the faults that bring it to light: the account must name each of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.chaos.prove.plan import Plan, Step

_BROKEN: Final = Path(__file__).parent / "broken"
_ONE_COPY: Final = {"DATAFLOW_COPIES": "1"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken promise.

    Attributes:
        name: Of the change in `broken/sitecustomize.py`; the empty string: nothing but settings.
        promise: What does not hold any more.
        settings: Added to the environment of the stack.
        script: The faults, each with the seconds to wait before it.
    """

    name: str
    promise: str
    settings: Mapping[str, str]
    script: tuple[Step, ...]

    @property
    def environ(self) -> dict[str, str]:
        """What a stack is started with to be this build."""
        found = dict(self.settings)
        if self.name:
            path = os.pathsep.join(filter(None, (str(_BROKEN), os.environ.get("PYTHONPATH", ""))))
            found |= {"PYTHONPATH": path, "DATAFLOW_TEST_BREAK": self.name}
        return found

    @property
    def plan(self) -> Plan:
        """The campaign that brings it to light."""
        return plan_of(self.script)


def plan_of(script: tuple[Step, ...]) -> Plan:
    """Returns a short campaign with exactly these faults."""
    return Plan(seed=4, messages=4_000, rate=400.0, clients=1, weights={}, script=script, most_seconds=120.0)


_LONG, _MIDDLE = 0.99, 0.5

_BRIDGES_DIE_BEFORE_A_FROZEN_RING: Final = (
    Step("freeze ring", 1.0, 0.0, _LONG),
    Step("kill bridges", 1.5, 0.0, 0.0),
)
_VALIDATORS_DIE_BEFORE_A_FROZEN_POSTGRES: Final = (
    Step("freeze postgres", 1.0, 0.0, _LONG),
    Step("kill validators", 1.5, 0.0, 0.0),
)
_A_FULL_NODE_LOSES_ITS_DISK: Final = (Step("wipe", 1.0, 0.5, 0.1),)
_THE_RING_FREEZES_AND_DIES: Final = (
    Step("freeze ring", 1.0, 0.0, _MIDDLE),
    Step("freeze ring", 3.3, 0.0, _LONG),
    Step("kill ring", 2.0, 0.0, 0.0),
)

MUTANTS: Final = (
    Mutant(
        "acknowledge-before-append",
        "a message is acknowledged only when its batch is on the ring",
        {},
        _BRIDGES_DIE_BEFORE_A_FROZEN_RING,
    ),
    Mutant(
        "acknowledge-ring-before-commit",
        "a batch is acknowledged on the ring only after COMMIT",
        _ONE_COPY,  # with two, the second one saves what the first one promised
        _VALIDATORS_DIE_BEFORE_A_FROZEN_POSTGRES,
    ),
    Mutant("", "a batch is on two nodes", _ONE_COPY, _A_FULL_NODE_LOSES_ITS_DISK),
    Mutant("take-late-replies", "a late reply never counts", {}, _THE_RING_FREEZES_AND_DIES),
)

CONTROL: Final = tuple(
    replace(step, pause_seconds=8.0) if index == 0 else step
    for mutant in MUTANTS
    for index, step in enumerate(mutant.script)
)
"""The faults of all of them, one after the other: a build that keeps its promises comes through."""
