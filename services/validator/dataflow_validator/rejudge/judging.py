"""Quarantined items, judged by what their topics lead to now. Pure but for the records it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.outcome import Arrival
from dataflow_validator.failure import ContractBrokenError
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.pages import Row
from dataflow_validator.rejudge.cases import ENTRY_COLUMNS, Case, Entry, judge_again

ITEM_COLUMNS: Final = f"{ENTRY_COLUMNS}, q.topic, q.payload, q.receive_time, q.source_device_id, q.sender_id, q.maybe_duplicate, q.message_sha1, q.quarantine_time"
"""What judging again reads of `validator.quarantine q`."""

_RULES: Final = "rules"


class Judged(NamedTuple):
    """A page, judged.

    Attributes:
        cases: Items that something is said of, in the order in which they came.
        left: Items that nothing is said of: no route takes their topic, or its contract does not compile here.
    """

    cases: list[Case]
    left: int


def judge_page(records: Sequence[Row], rules: Rules) -> Judged:
    """Judge items by what their topics lead to.

    Args:
        records: With the columns of `ITEM_COLUMNS`.
        rules: Of now.
    """
    cases: list[Case] = []
    left = 0
    width = len(Entry._fields)
    for record in records:
        values = tuple(record)
        entry = Entry(*values[:width])
        topic, payload, receive_time, source_device_id, sender_id, maybe_duplicate, message_sha1, _ = values[width:]
        try:
            resolved = rules.resolve(topic)
        except ContractBrokenError:
            resolved = None
        if resolved is None:
            left += 1
            continue
        arrival = Arrival(
            topic,
            source_device_id,
            payload,
            receive_time,
            sender_id,
            maybe_duplicate,
            entry.batch_id.bytes,
            entry.position,
            message_sha1,
        )
        cases += judge_again(*resolved, arrival, entry, entry.batch_id)
    return Judged(cases, left)


def rules_of(context: JobContext) -> Rules:
    """Give the rules of now; what they know of topics is kept between steps."""
    rules = context.memory.get(_RULES)
    if not isinstance(rules, Rules) or rules.version != context.registry.current.version:
        rules = context.memory[_RULES] = Rules(context.registry.current)
    return rules
