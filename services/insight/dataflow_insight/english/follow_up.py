"""Plans questions that lean on an earlier one: "and at Gucheng?", "what about humidity?", "and the maximum?".

The new words take the place of their like in the earlier question, and the whole is then read as strictly as any question. The
asker is told how it was understood.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.catalogue.catalogue import Catalogue, Contract
from dataflow_insight.english.conditions import ConditionError
from dataflow_insight.english.fragments import Fragment, is_about_it, opens_like_one, read_fragment, without_lead
from dataflow_insight.english.joins import meet, merged
from dataflow_insight.english.moments import TimeError
from dataflow_insight.english.planner import plan_question, too_long
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, unclear
from dataflow_insight.english.taken_over import put_together
from dataflow_insight.plans.plan import Declined, Measure, Plan, TimeRange

MAX_TURNS: Final = 8
"""Most earlier questions that are looked back at."""

_DAY: Final = timedelta(days=1)


def plan_in_conversation(
    question: str,
    earlier: Sequence[str],
    catalogue: Catalogue,
    now: datetime,
    contract: str,
    zone: ZoneInfo,
) -> tuple[Plan, ...] | Declined:
    """Returns the plans of a question that may lean on earlier ones.

    A question that is complete without them is planned alone.

    Args:
        question: In English.
        earlier: The questions before it, oldest first, as asked.
        catalogue: What can be asked about.
        now: The present, UTC.
        contract: Only this contract; empty: the one that fits.
        zone: Whose days and hours are meant.
    """
    talk = _Talk(catalogue, now, contract, zone)
    alone = talk.plan(question)
    if not earlier or too_long(question) or (not isinstance(alone, Declined) and not opens_like_one(question)):
        return alone
    standing = talk.standing(list(earlier)[-MAX_TURNS:])
    if standing is None:
        return alone
    for whole in talk.together(standing, question):
        planned = talk.plan(whole)
        if not isinstance(planned, Declined):
            note = f'this goes on from the question before: it was read as "{whole}"'
            return tuple(replace(plan, assumptions=(note, *plan.assumptions)) for plan in planned)
    if not isinstance(alone, Declined) and _leans(question, alone):
        return unclear("It is not clear how it goes on from the question before; please ask the whole question.")
    return alone


def _leans(question: str, plans: tuple[Plan, ...]) -> bool:
    """Returns whether a question that could stand alone would mean something else then: "and humidity?" is not the latest one."""
    return is_about_it(question) or all(plan.measure in {Measure.LATEST, Measure.COVERAGE} for plan in plans)


class _Talk:
    """Questions of one conversation, over one catalogue."""

    def __init__(self, catalogue: Catalogue, now: datetime, contract: str, zone: ZoneInfo) -> None:
        self._catalogue = catalogue
        self._now = now
        self._contract = contract
        self._zone = zone

    def plan(self, question: str) -> tuple[Plan, ...] | Declined:
        """Returns the plans of a whole question."""
        return plan_question(question, self._catalogue, self._now, self._contract, self._zone)

    def standing(self, earlier: list[str]) -> str | None:
        """Returns the last question that was understood, with all that it took over; None where none was."""
        standing: str | None = None
        for question in earlier:
            alone = self.plan(question)
            if not isinstance(alone, Declined) and not (standing is not None and opens_like_one(question)):
                standing = question
                continue
            if standing is None:
                continue
            fitting = (
                whole for whole in self.together(standing, question) if not isinstance(self.plan(whole), Declined)
            )
            standing = next(fitting, standing)
        return standing

    def together(self, standing: str, question: str) -> Iterator[str]:
        """Yields what a fragment may mean after a question, most likely first."""
        plans = self.plan(standing)
        if isinstance(plans, Declined):
            return
        for contract in self._vocabularies(plans):
            try:
                base = Reading(standing, contract, self._now, self._zone)
                base.open()
                part = Reading(without_lead(question), contract, self._now, self._zone)
                part.open()
                fragment = read_fragment(part)
            except (Refusal, TimeError, ConditionError):
                continue
            if fragment is None:
                continue
            yield from put_together(base, part, self._dated(fragment, plans))

    def _vocabularies(self, plans: tuple[Plan, ...]) -> Iterator[Contract]:
        own = self._catalogue.contract_named(plans[0].contract)
        if own is None:
            return
        beside = {plan.join.contract for plan in plans if plan.join is not None} | {plan.contract for plan in plans[1:]}
        if not beside - {own.name}:
            yield own
        for other in self._catalogue.contracts:
            if (
                other is not own
                and not other.builtin
                and meet(own, other)
                and (other.name in beside or set(own.devices) & set(other.devices))
            ):
                yield merged(own, other)

    def _dated(self, fragment: Fragment, plans: tuple[Plan, ...]) -> Fragment:
        """Gives "the day before" its date, counted from the time of the question before."""
        if not fragment.shift:
            return fragment
        times = plans[0].scope.times
        span = times[0] if len(times) == 1 else TimeRange()
        if span.start is None or span.end is None:
            return replace(fragment, shift="", time="")
        days = {"day": 1, "week": 7}.get(fragment.shift)
        start, end = span.start.astimezone(self._zone), span.end.astimezone(self._zone)
        if days is not None:
            step = timedelta(days=days) * fragment.direction
            if end - start > timedelta(days=days):
                return replace(fragment, shift="", time="")
            start, end = start + step, end + step
        else:
            first = start.replace(day=1)
            start = (first - _DAY).replace(day=1) if fragment.direction < 0 else (first + 32 * _DAY).replace(day=1)
            end = (start + 32 * _DAY).replace(day=1)
        return replace(fragment, shift="", time=_said(start, end))


def _said(start: datetime, end: datetime) -> str:
    """Says a range so that it is read as the same one."""
    midnight = all(moment.replace(hour=0, minute=0, second=0, microsecond=0) == moment for moment in (start, end))
    if not midnight:
        return f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
    last = end - _DAY
    return f"on {start:%Y-%m-%d}" if last <= start else f"from {start:%Y-%m-%d} to {last:%Y-%m-%d}"
