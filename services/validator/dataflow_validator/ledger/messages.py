"""The ledger between Python and protobuf."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Final
from uuid import UUID

from dataflow.validator.v1 import ledger_pb2

from dataflow_validator.ledger.check import Check, State
from dataflow_validator.ledger.survey import Boot
from dataflow_validator.pages import Row
from dataflow_validator.time_messages import to_timestamp

MAX_RANGES: Final = 1_000
"""Ranges of one life of a bridge in an answer."""

_STATES: Final = {state: ledger_pb2.SequenceState.Value(f"SEQUENCE_STATE_{state}") for state in State}


def entry_message(row: Row) -> ledger_pb2.LedgerEntry:
    """Writes a row of `ledger_queries`."""
    return ledger_pb2.LedgerEntry(
        commit_time=to_timestamp(row["time"]),
        bridge_id=row["bridge_id"],
        boot_id=str(row["boot_id"]) if "boot_id" in row else "",
        sequence=row.get("sequence", 0),
        batch_id=str(row["batch_id"]) if "batch_id" in row else "",
        node=row.get("node", ""),
        contract=row.get("contract", ""),
        device_id=row.get("device_id", ""),
        counts=ledger_pb2.LedgerCounts(
            stored=row["stored"],
            duplicate=row["duplicate"],
            conflict=row["conflict"],
            quarantined=row["quarantined"],
            parked=row["parked"],
        ),
    )


def boot_messages(
    check: Check, boots: Iterable[Boot], parked_batches: Mapping[UUID, int]
) -> list[ledger_pb2.BootCheck]:
    """Writes what was found of some lives of bridges."""
    of_life: dict[tuple[str, UUID], dict[int, State]] = defaultdict(dict)
    for key, state in sorted(check.states.items(), key=lambda item: item[0]):
        of_life[key.bridge_id, key.boot_id][key.sequence] = state
    messages = []
    for boot in boots:
        life = boot.bridge_id, boot.boot_id
        through = check.survey.looked_through.get(life, boot.complete_through)
        messages.append(_boot(boot, through, of_life.get(life, {}), parked_batches.get(boot.boot_id, 0)))
    return messages


def _boot(boot: Boot, looked_through: int, states: Mapping[int, State], parked_batches: int) -> ledger_pb2.BootCheck:
    counts = Counter(states.values())
    return ledger_pb2.BootCheck(
        bridge_id=boot.bridge_id,
        boot_id=str(boot.boot_id),
        acknowledged_through=max(boot.acknowledged_through, boot.complete_through),
        committed_through=min(states) - 1 if states else looked_through,
        in_ring=counts[State.IN_RING],
        parked=counts[State.PARKED],
        unreachable=counts[State.UNREACHABLE],
        missing=counts[State.MISSING],
        ranges=_ranges(states),
        parked_batches=parked_batches,
    )


def _ranges(states: Mapping[int, State]) -> list[ledger_pb2.SequenceRange]:
    if not states:
        return []
    numbers = list(states)
    begins = [numbers[0]]
    begins += [
        number for before, number in pairwise(numbers) if number != before + 1 or states[number] is not states[before]
    ]
    starts = set(begins)
    ends = [before for before, number in pairwise(numbers) if number in starts]
    ends.append(numbers[-1])
    return [
        ledger_pb2.SequenceRange(first=first, last=last, state=_STATES[states[first]])
        for first, last in zip(begins[:MAX_RANGES], ends[:MAX_RANGES], strict=True)
    ]


def life_of(boot: Boot) -> tuple[str, str]:
    """Returns what a page of lives is ordered by."""
    return boot.bridge_id, str(boot.boot_id)
