"""From a question to plans or an honest refusal: deterministic, and strict about every word.

A word that is neither a name, a time, a number with its place, something to compute, nor known to mean nothing makes the
planner decline: it may have changed the meaning.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.catalogue.catalogue import Catalogue, Contract
from dataflow_insight.english.claims import plans_of
from dataflow_insight.english.conditions import ConditionError
from dataflow_insight.english.families import FAMILIES
from dataflow_insight.english.joins import meet, merged, needs_both, resolved
from dataflow_insight.english.moments import TimeError, VagueTimeError
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, ask_back, no_data, off_topic, unclear
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Declined, Plan

MAX_WORDS: Final = 150
"""Most words of a question that is read."""

MAX_LETTERS: Final = 200
"""Most letters of a word: what is read by patterns takes time that grows faster than its length."""

MAX_PAIRS: Final = 20
"""Most pairs of contracts that a question is tried on."""

_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one contract makes of the question; a higher score fits better, of equal ones that with more devices and time."""

    contract: Contract
    outcome: tuple[Plan, ...] | Declined
    score: int
    size: tuple[int, timedelta]
    fields: tuple[str, ...] = ()

    @property
    def planned(self) -> bool:
        return not isinstance(self.outcome, Declined)


def plan_question(
    question: str, catalogue: Catalogue, now: datetime, contract: str = "", zone: ZoneInfo = _UTC
) -> tuple[Plan, ...] | Declined:
    """Returns the plans that answer the question, one for each thing asked, or why there are none.

    Args:
        question: In English, any spelling.
        catalogue: What can be asked about.
        now: The present, UTC: what "yesterday" leans on.
        contract: Only this contract; empty: the one that fits.
        zone: Whose days and hours are meant.
    """
    if too_long(question):
        return unclear("It has too many words for one question, or too long ones.")
    contracts = [item for item in catalogue.contracts if not contract or item.name == contract]
    if not contract and any(not item.builtin and item.devices for item in contracts):
        named = [item for item in contracts if re.search(rf"\b{re.escape(item.name)}\b", question.lower())]
        contracts = [item for item in contracts if not item.builtin or item in named]
    if not contracts:
        return no_data(contract)
    attempts = [_attempt(question, item, now, zone) for item in contracts]
    if not any(attempt.planned for attempt in attempts):
        attempts += _joined_attempts(question, attempts, now, zone)
    best = max(attempts, key=lambda attempt: (attempt.planned, attempt.score, attempt.size))
    outcome = best.outcome
    if isinstance(outcome, Declined):
        return outcome
    others = [
        attempt.outcome[0].contract
        for attempt in attempts
        if attempt is not best and not isinstance(attempt.outcome, Declined) and attempt.score >= best.score
    ]
    if others:
        note = f"the contract is {outcome[0].contract}; it could also have been {', '.join(others)}"
        outcome = tuple(replace(plan, assumptions=(*plan.assumptions, note)) for plan in outcome)
    try:
        for plan in outcome:
            check_plan(plan, catalogue)
    except PlanError:
        return unclear("That cannot be computed from this field.")
    return outcome


def too_long(question: str) -> bool:
    """Returns whether a question has more words than are read, or longer ones."""
    words = question.split()
    return len(words) > MAX_WORDS or any(len(word) > MAX_LETTERS for word in words)


def _joined_attempts(question: str, alone: list[_Attempt], now: datetime, zone: ZoneInfo) -> list[_Attempt]:
    """Returns what pairs of contracts make of a question that none can answer alone; few, where there are many contracts."""
    leads = sorted((item for item in alone if item.fields), key=lambda item: (item.score, item.size), reverse=True)
    pairs = [
        (lead.contract, other.contract)
        for number, lead in enumerate(leads)
        for other in alone
        if other.contract is not lead.contract and other not in leads[:number] and meet(lead.contract, other.contract)
    ]
    return [_attempt(question, first, now, zone, second) for first, second in pairs[:MAX_PAIRS]]


def _attempt(
    question: str, contract: Contract, now: datetime, zone: ZoneInfo, beside: Contract | None = None
) -> _Attempt:
    reading = Reading(question, contract if beside is None else merged(contract, beside), now, zone)
    outcome: tuple[Plan, ...] | Declined
    try:
        reading.open()
        outcome = plans_of(reading, FAMILIES)
        if beside is not None:
            leading = next((mention.field.name for mention in reading.names.fields if mention.field is not None), "")
            both = tuple(resolved(plan, contract, beside, leading) for plan in outcome)
            outcome = both if needs_both(both) else unclear()
    except Refusal as refusal:
        outcome = refusal.declined
    except VagueTimeError as error:
        outcome = ask_back(str(error)) if reading.about_data else off_topic()
    except (TimeError, ConditionError) as error:
        outcome = unclear(str(error)) if reading.about_data else off_topic()
    known = tuple(mention.field.name for mention in reading.names.fields if mention.field is not None)
    score = 1000 * len(reading.names.devices) + 100 * len(known) + 10 * reading.named + (not contract.builtin)
    if contract.devices and contract.last_time is not None:
        score += 1
    span = timedelta()
    if contract.first_time is not None and contract.last_time is not None:
        span = contract.last_time - contract.first_time
        if not isinstance(outcome, Declined) and _overlap(outcome[0], contract.first_time, contract.last_time):
            score += 5
    return _Attempt(contract, outcome, score, (len(contract.devices), span), known)


def _overlap(plan: Plan, first: datetime, last: datetime) -> bool:
    span = plan.scope.hull
    return (span.start is None or span.start <= last) and (span.end is None or span.end > first)
