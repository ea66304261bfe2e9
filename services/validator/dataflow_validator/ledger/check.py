"""Looks for acknowledged sequences that are nowhere.

Each of them is in the ledger, or parked, or on the ring, or may be on a node that does not answer. What is left is lost.
The validators' own counts are not asked.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from dataflow_mesh.postgres import Pool

from dataflow_validator.ledger.ring import RingLook, RingLooker
from dataflow_validator.ledger.survey import BatchKey, Survey, parked_among, survey

CONFIRMATIONS: Final = 2
"""Further looks at ring and ledger before a sequence is called missing."""
_BETWEEN_SECONDS: Final = 0.2


class State(enum.StrEnum):
    """Where an acknowledged sequence is that is not in the ledger."""

    IN_RING = "IN_RING"
    """On a node that answers: on its way."""
    PARKED = "PARKED"
    """Kept whole in validator.parked."""
    UNREACHABLE = "UNREACHABLE"
    """Nowhere that could be looked at; some member did not answer."""
    MISSING = "MISSING"
    """Nowhere, and every member answered: lost."""


@dataclass(slots=True)
class Check:
    """What a check found.

    Attributes:
        survey: What Postgres knew at the end.
        states: Of each open sequence.
        unreachable: Members that did not answer.
        look_seconds: How long the ring was looked at.
    """

    survey: Survey
    states: dict[BatchKey, State] = field(default_factory=dict)
    unreachable: tuple[str, ...] = ()
    look_seconds: float = 0.0

    def count(self, state: State) -> int:
        """Returns how many sequences are in a state."""
        return sum(found is state for found in self.states.values())

    @property
    def missing(self) -> list[BatchKey]:
        """What is lost, in order."""
        return sorted(key for key, state in self.states.items() if state is State.MISSING)


def classify(
    still_open: Collection[BatchKey], look: RingLook, parked: Collection[BatchKey]
) -> Mapping[BatchKey, State]:
    """Says where sequences are that were open before the ring was looked at, and still are after it.

    A batch leaves the ring only after its commit. So what was on no node, and is not committed *after* that, is nowhere.
    """
    states: dict[BatchKey, State] = {}
    for key in still_open:
        if key in parked:
            states[key] = State.PARKED
        elif key in look.found:
            states[key] = State.IN_RING
        else:
            states[key] = State.UNREACHABLE if look.unreachable else State.MISSING
    return states


async def check_ledger(
    pool: Pool,
    ring: RingLooker,
    *,
    bridge_id: str = "",
    boot_id: UUID | None = None,
    only: Collection[BatchKey] | None = None,
    look: bool = True,
) -> Check:
    """Checks the ledger.

    Args:
        pool: Connections.
        ring: Looks at the nodes.
        bridge_id: Only this bridge; empty for all.
        boot_id: Only this life.
        only: Look for these on the ring, and for what was written down before; all else that is open is taken for being
            on its way. What was open some seconds ago, say: a loaded ring is not looked through for what is just being
            committed.
        look: Whether to look at the ring at all. Without it, each state is the one that was written down, if any.

    Raises:
        asyncpg.PostgresError, OSError: Postgres failed; nothing is known.
    """
    found = await survey(pool, bridge_id=bridge_id, boot_id=boot_id)
    result = Check(found)
    look_seconds = 0.0
    for attempt in range(CONFIRMATIONS + 1 if look else 0):
        wanted = {key for key in found.open if only is None or key in only or key in found.known}
        if not wanted:
            break
        if attempt:
            await asyncio.sleep(_BETWEEN_SECONDS)
        began = time.monotonic()
        looked = await ring.look(wanted)
        look_seconds += time.monotonic() - began
        parked = await parked_among(pool, wanted)
        found = await survey(pool, bridge_id=bridge_id, boot_id=boot_id)
        states = classify(found.open & wanted, looked, parked)
        result = Check(found, dict(states), looked.unreachable, look_seconds)
        if not result.missing:
            break
    for key in found.open - result.states.keys():  # acknowledged while we looked, or not asked about
        known = found.known.get(key)
        result.states[key] = State.IN_RING if known is None else State(known.state)
    return result
