"""From a question to a plan or an honest refusal: deterministic, and strict about every word.

A word that is neither a name, a time, a number with its place, something to compute, nor known to mean nothing makes the
planner decline: it may have changed the meaning.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.ask.catalogue import Catalogue, Contract, Field
from dataflow_insight.ask.conditions import ConditionError, Found, asked_unit, read_conditions
from dataflow_insight.ask.intents import PLAIN, SUPERLATIVES, Intent, read_intent
from dataflow_insight.ask.lexicon import DEVICE_NOUN, FILLERS, FUTURE, HOSTILE, NOT_YET, READING_NOUN, protected
from dataflow_insight.ask.moments import Clock, MomentReader, TimeError
from dataflow_insight.ask.names import NameReader, Names, adds_up
from dataflow_insight.ask.plan import Declined, Focus, Measure, Plan, PlanError, check_plan
from dataflow_insight.ask.refusals import (
    future,
    needs_field,
    no_data,
    not_yet,
    off_topic,
    two_things,
    unclear,
    unknown_device,
    unknown_field,
)
from dataflow_insight.ask.sheet import Sheet
from dataflow_insight.ask.spans import read_span

_DEVICE_SLOT: Final = rf"\b(?:at|in|from|near|around|for|by|of|and|or|{DEVICE_NOUN}|did|does|has|have|compare|than|between)\s+(?:the\s+)?[\"']?$"
_FIRM_DEVICE_SLOT: Final = rf"\b(?:at|in|from|near|around|{DEVICE_NOUN}[-_#]?)\s*(?:the\s+)?[\"']?$"
_DEVICE_TAIL: Final = rf"[\"']?(?:'s\b|[-_#]?\s*\d*\s+(?:{DEVICE_NOUN}|send|report|record|measure|deliver|register)\b)"
_FIELD_SLOT: Final = (
    r"\b(?:average|mean|avg|highest|lowest|maximum|minimum|max|min|largest|smallest|greatest|peak|total|sum|latest|last|newest|"
    r"current|most|least|much|level|levels|value|values|concentration|many|missing)\s+(?:of\s+)?(?:the\s+)?[\"']?$"
)
_FIELD_TAIL: Final = r"[\"']?\s+(?:level|levels|value|values|concentration|concentrations|reading|readings)\b"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one contract makes of the question; a higher score fits better."""

    outcome: Plan | Declined
    score: int


def plan_question(question: str, catalogue: Catalogue, now: datetime, contract: str = "") -> Plan | Declined:
    """Returns the plan that answers the question, or why there is none.

    Args:
        question: In English, any spelling.
        catalogue: What can be asked about.
        now: The present, UTC: what "yesterday" leans on.
        contract: Only this contract; empty: the one that fits.
    """
    contracts = [item for item in catalogue.contracts if not contract or item.name == contract]
    if not contract and any(not item.builtin and item.devices for item in contracts):
        named = [item for item in contracts if re.search(rf"\b{re.escape(item.name)}\b", question.lower())]
        contracts = [item for item in contracts if not item.builtin or item in named]
    if not contracts:
        return no_data()
    attempts = [_attempt(question, item, now) for item in contracts]
    best = max(attempts, key=lambda attempt: (isinstance(attempt.outcome, Plan), attempt.score))
    outcome = best.outcome
    if isinstance(outcome, Plan):
        others = [
            attempt.outcome.contract
            for attempt in attempts
            if attempt is not best and isinstance(attempt.outcome, Plan) and attempt.score >= best.score
        ]
        if others:
            note = f"the contract is {outcome.contract}; it could also have been {', '.join(others)}"
            outcome = replace(outcome, assumptions=(*outcome.assumptions, note))
        try:
            check_plan(outcome, catalogue)
        except PlanError:
            return unclear("That cannot be computed from this field.")
    return outcome


def _attempt(question: str, contract: Contract, now: datetime) -> _Attempt:
    reading = _Reading(question, contract, now)
    try:
        outcome: Plan | Declined = reading.plan()
    except _Refusal as refusal:
        outcome = refusal.declined
    except (TimeError, ConditionError) as error:
        outcome = unclear(str(error)) if reading.about_data() else off_topic()
    known = sum(1 for mention in reading.names.fields if mention.field is not None)
    score = 1000 * len(reading.names.devices) + 100 * known + 10 * reading.named + (not contract.builtin)
    if contract.devices and contract.last_time is not None:
        score += 1
    return _Attempt(outcome, score)


class _Refusal(Exception):  # noqa: N818 - an outcome, not an error
    def __init__(self, declined: Declined) -> None:
        super().__init__(declined.text)
        self.declined = declined


class _Reading:
    """One question read with the vocabulary of one contract."""

    def __init__(self, question: str, contract: Contract, now: datetime) -> None:
        self._contract = contract
        self._now = now
        self._reader = NameReader(contract)
        self._assumptions: list[str] = []
        self._sheet = Sheet(self._reader.spelled(question, self._assumptions))
        self.names = Names()
        self.named = bool(re.search(rf"\b{re.escape(contract.name)}\b", self._sheet.low))

    def plan(self) -> Plan:
        sheet = self._sheet
        sheet.take_all(r"\(\s*(?:in\s+)?utc\s*\)|\butc\b")
        name = re.escape(self._contract.name)
        sheet.take_all(rf"\b(?:in\s+|of\s+|from\s+)?(?:the\s+)?(?:contract\s+{name}|{name}\s+contract)\b")
        self.names = self._reader.read(sheet, self._assumptions)
        self._refuse_early()
        clock = Clock(self._now, self._contract.first_time, self._contract.last_time)
        moments = MomentReader(sheet, clock)
        found_moments = moments.read()
        start, end = read_span(sheet, found_moments, self._assumptions)
        self._assumptions += moments.assumptions
        if start is not None and start > self._now:
            raise _Refusal(future())
        self._refuse_not_yet()
        one_day = start is not None and end is not None and end - start <= timedelta(days=1)
        conditions = read_conditions(sheet, self.names.fields, self._reader, one_day=one_day)
        implied = self._adjectives()
        intent = read_intent(sheet)
        if implied is not None and implied[1] is not None:
            intent.highest |= implied[1] is Measure.MAX
            intent.lowest |= implied[1] is Measure.MIN
        measured = self._measured(conditions, implied[0] if implied is not None else None, intent)
        if measured is not None:
            asked_unit(sheet, measured)
        self._refuse_leftovers(intent, measured, conditions)
        if self.names.ambiguous:
            raise _Refusal(unclear("A name in the question fits several fields or devices."))
        shape = _Shape(intent, measured, conditions, self._contract, self.names.devices, bool(found_moments), sheet.low)
        plan = shape.plan(start, end)
        return replace(plan, assumptions=tuple(dict.fromkeys([*self._assumptions, *plan.assumptions])))

    def _refuse_early(self) -> None:
        if self._sheet.find(HOSTILE):
            raise _Refusal(off_topic())
        if self._sheet.find(FUTURE):
            raise _Refusal(future() if self.about_data() else off_topic())
        if any(mention.field is None for mention in self.names.fields):
            raise _Refusal(unknown_field(self._contract))

    def _refuse_not_yet(self) -> None:
        for pattern, what in NOT_YET:
            if self._sheet.find(pattern):
                raise _Refusal(not_yet(what) if self.about_data() else off_topic())

    def about_data(self) -> bool:
        return bool(self.names.fields or self.names.devices or re.search(rf"\b(?:{READING_NOUN}|{DEVICE_NOUN})\b", self._sheet.low))

    def _adjectives(self) -> tuple[Field, Measure | None] | None:
        entries: list[tuple[str, str, Measure | None]] = [*SUPERLATIVES, *((pattern, name, None) for pattern, name in PLAIN)]
        for pattern, name, measure in entries:
            found = self._sheet.take(pattern)
            if found is None:
                continue
            item = self._reader.concept_field(name)
            if item is None:
                raise _Refusal(unknown_field(self._contract))
            self._assumptions.append(f'"{found.group()}" is about the field {item.name}')
            return item, measure
        return None

    def _measured(self, conditions: list[Found], implied: Field | None, intent: Intent) -> Field | None:
        """Returns the field that is measured; a field that only stands in a comparison is not."""
        bound = {found.mention.mark for found in conditions if found.mention is not None}
        free = [mention.field for mention in self.names.fields if mention.mark not in bound and mention.field is not None]
        fields = list(dict.fromkeys([*free, *([implied] if implied is not None else [])]))
        if len(fields) > 1:
            raise _Refusal(two_things())
        if fields:
            return fields[0]
        if conditions and not intent.count and not intent.how_often and not intent.devices and intent.asks:
            used = {found.condition.field for found in conditions}
            if len(used) == 1 and not (intent.latest and intent.when) and not intent.coverage:
                return self._contract.field_named(used.pop())
        return None

    def _refuse_leftovers(self, intent: Intent, measured: Field | None, conditions: list[Found]) -> None:
        sheet = self._sheet
        left = [word for word in sheet.words() if word.text not in FILLERS and not self._reader.is_hint(word.text)]
        odd = re.search(r"[<>=%+*$#@{}\[\]|\\^~`°€£]", sheet.visible)
        about = self.about_data() or intent.coverage
        if not left:
            if not about:
                raise _Refusal(off_topic())
            if odd is not None:
                raise _Refusal(unclear())
            return
        for word in left:
            before, after = sheet.before(word.start), sheet.after(word.end)
            if about and word.text.isdigit() and re.search(rf"\b{DEVICE_NOUN}(?:\s+|[-_#]|\s*#\s*)$", before):
                raise _Refusal(unknown_device(self._contract))
            device_like = re.search(_DEVICE_SLOT, before) or re.match(_DEVICE_TAIL, after)
            if not about or not word.text.isalpha() or protected(word.text):
                continue
            if re.search(_FIRM_DEVICE_SLOT, before) or re.match(_DEVICE_TAIL, after):
                raise _Refusal(unknown_device(self._contract))
            if measured is None and not conditions and (re.search(_FIELD_SLOT, before) or re.match(_FIELD_TAIL, after)):
                raise _Refusal(unknown_field(self._contract))
            if device_like and (measured is not None or conditions or intent.count):
                raise _Refusal(unknown_device(self._contract))
        raise _Refusal(unclear() if about else off_topic())


@dataclass(frozen=True, slots=True)
class _Shape:
    """Puts intent, field and conditions together; says no where they do not make one query."""

    intent: Intent
    measured: Field | None
    conditions: list[Found]
    contract: Contract
    devices: list[str]
    timed: bool
    text: str

    def plan(self, start: datetime | None, end: datetime | None) -> Plan:
        plan = Plan(
            contract=self.contract.name,
            measure=Measure.COUNT,
            field=self.measured.name if self.measured is not None else "",
            device_ids=tuple(self.devices),
            start_time=start,
            end_time=end,
            conditions=tuple(found.condition for found in self.conditions),
        )
        plan = self._measure()(plan)
        self._check_limits(plan)
        return plan

    def _measure(self) -> Callable[[Plan], Plan]:
        intent = self.intent
        if intent.highest and intent.lowest:
            raise _Refusal(two_things())
        if intent.average and (intent.total or intent.latest):
            raise _Refusal(two_things())
        if (intent.place or intent.rank or intent.ranked) and not (
            intent.which_device or intent.per_device or intent.plural or re.search(rf"\b{DEVICE_NOUN}\b", self.text)
        ):
            raise _Refusal(unclear("Only devices can be ranked, not single values."))
        if intent.missing:
            return self._missing
        if intent.devices and not (intent.average or intent.highest or intent.lowest or intent.total or intent.latest or intent.per_device):
            return self._device_count
        if intent.average:
            return self._average
        if intent.count or intent.how_often:
            return self._count
        if intent.total or (intent.how_much and self._adds_up()) or (intent.most and self._adds_up()):
            return self._sum
        if intent.coverage or (self.measured is None and (intent.first or intent.latest) and not self.conditions):
            return self._coverage
        if self.measured is None and self.conditions:
            return self._conditions_only
        if intent.first:
            return self._first
        if intent.latest and not (intent.highest or intent.lowest):
            return self._latest
        if intent.highest or intent.lowest:
            return self._extreme
        return self._plain

    def _adds_up(self) -> bool:
        return self.measured is not None and adds_up(self.measured)

    def _missing(self, plan: Plan) -> Plan:
        if self.measured is None:
            raise _Refusal(needs_field("Missing values are counted for one field"))
        if self.intent.average or self.intent.total or self.intent.latest or self.intent.first or self.intent.when:
            raise _Refusal(two_things())
        plan = self._in_hours(replace(plan, measure=Measure.MISSING))
        plan = self._grouped(plan, ranked=True)
        if self.intent.yes_no and not self.intent.count:
            plan = replace(plan, focus=Focus.YES_NO)
        return plan

    def _device_count(self, plan: Plan) -> Plan:
        listed = self.intent.which_device or not re.search(r"\b(?:how\s+many|number\s+of|count|amount)\b", self.text)
        if self.measured is not None:
            raise _Refusal(unclear("Devices cannot be counted by field yet."))
        if listed:
            return replace(plan, by_device=True, focus=Focus.LIST)
        return replace(plan, measure=Measure.COVERAGE, focus=Focus.DEVICES)

    def _average(self, plan: Plan) -> Plan:
        if self.intent.count and not self.intent.highest and not self.intent.lowest:
            raise _Refusal(two_things())
        if self.measured is None:
            raise _Refusal(needs_field("An average is of one field"))
        if self.intent.when or self.intent.first:
            raise _Refusal(unclear("An average has no point in time."))
        return self._grouped(replace(plan, measure=Measure.AVG), ranked=True)

    def _count(self, plan: Plan) -> Plan:
        if self.intent.total or self.intent.latest or self.intent.first or self.intent.when:
            raise _Refusal(two_things())
        assumptions = plan.assumptions
        if self.intent.how_often and self.conditions:
            assumptions = (*assumptions, "each reading counts as one time")
        if self.measured is not None and self.conditions and self.intent.hours:
            raise _Refusal(two_things())
        return self._grouped(self._in_hours(replace(plan, assumptions=assumptions)), ranked=True)

    def _in_hours(self, plan: Plan) -> Plan:
        """Counts readings where hours are asked for: right only when there is one reading an hour."""
        seconds = self.intent.hours
        if not seconds:
            return plan
        unit = {3600: "hour", 60: "minute", 1: "second"}[seconds]
        if self.contract.cadence != timedelta(seconds=seconds):
            raise _Refusal(unclear(f"Readings do not come once {'an' if unit == 'hour' else 'a'} {unit}, so the {unit}s cannot be counted by them."))
        return replace(plan, assumptions=(*plan.assumptions, f"each reading stands for one {unit}, the time between readings"))

    def _sum(self, plan: Plan) -> Plan:
        if self.measured is None:
            raise _Refusal(needs_field("A sum is of one field"))
        if self.intent.when or self.intent.first or self.intent.latest:
            raise _Refusal(two_things())
        if not self.intent.total:
            plan = replace(plan, assumptions=(*plan.assumptions, f"how much {self.measured.name} means the sum of all readings"))
        return self._grouped(replace(plan, measure=Measure.SUM), ranked=True)

    def _coverage(self, plan: Plan) -> Plan:
        intent = self.intent
        if self.measured is not None or intent.highest or intent.lowest or intent.total or intent.rank:
            raise _Refusal(two_things())
        if intent.per_device or (intent.which_device and not intent.coverage):
            raise _Refusal(unclear("The covered time cannot be broken down by device yet."))
        if not intent.coverage and not (intent.when or intent.readings):
            raise _Refusal(needs_field("The latest value is of one field"))
        if not intent.coverage and not intent.when and not re.search(r"\btime(?:stamp)?s?\b|\bdate\b", self.text):
            raise _Refusal(needs_field("The first or latest value is of one field"))
        focus = Focus.VALUE
        if intent.first and not intent.latest:
            focus = Focus.FIRST
        elif intent.latest and not intent.first:
            focus = Focus.LAST
        return replace(plan, measure=Measure.COVERAGE, focus=focus)

    def _conditions_only(self, plan: Plan) -> Plan:
        intent = self.intent
        if intent.highest or intent.lowest or intent.total:
            raise _Refusal(unclear())
        if intent.which_device or intent.per_device:
            return replace(plan, by_device=True, focus=Focus.LIST)
        if intent.when or intent.latest or intent.first:
            if intent.per_device:
                raise _Refusal(unclear())
            focus = Focus.FIRST if intent.first else Focus.LAST if intent.latest else Focus.VALUE
            return replace(plan, measure=Measure.COVERAGE, focus=focus)
        if intent.yes_no:
            return replace(plan, focus=Focus.YES_NO)
        raise _Refusal(unclear("It is not clear what to compute about the readings in that range."))

    def _first(self, plan: Plan) -> Plan:
        del plan
        raise _Refusal(not_yet("the first value of a field"))

    def _latest(self, plan: Plan) -> Plan:
        if self.measured is None:
            raise _Refusal(needs_field("The latest value is of one field"))
        if self.intent.rank or self.intent.place:
            raise _Refusal(unclear())
        several = len(self.devices) != 1 and len(self.contract.devices) > 1
        focus = Focus.TIME if self.intent.when else Focus.DEVICE if self.intent.which_device else Focus.VALUE
        grouped = self.intent.per_device or (several and not self.intent.which_device)
        assumptions = plan.assumptions
        if grouped and not self.intent.per_device:
            assumptions = (*assumptions, "the latest value of each device")
        if self.intent.now:
            assumptions = (*assumptions, "now means the latest reading stored")
        return replace(plan, measure=Measure.LATEST, by_device=grouped, focus=focus, assumptions=assumptions)

    def _extreme(self, plan: Plan) -> Plan:
        intent = self.intent
        if self.measured is None:
            raise _Refusal(needs_field("A highest or lowest value is of one field"))
        if intent.most:
            raise _Refusal(unclear("It is not clear whether the highest value, the average or the sum is meant."))
        if intent.date and not re.search(r"\b(?:highest|lowest|maximum|minimum|max|min|peak(?:ed)?)\b", self.text):
            raise _Refusal(not_yet("answers by hour, day or week"))
        plan = replace(plan, measure=Measure.MAX if intent.highest else Measure.MIN)
        comparative = "higher of" in intent.words or "lower of" in intent.words
        if intent.rank or intent.place or intent.ranked:
            if not re.search(r"\b(?:highest|lowest|maximum|minimum|max|min|warmest|coldest|hottest|coolest|windiest|peak|brightest|darkest)\b", self.text):
                raise _Refusal(unclear("It is not clear by what to rank: the average, the highest or the lowest value."))
            return self._grouped(plan, ranked=True)
        if comparative:
            raise _Refusal(unclear("It is not clear whether the average, the highest or the latest values are to be compared."))
        if intent.per_device or (len(self.devices) > 1 and not intent.which_device and not intent.combined):
            return replace(plan, by_device=True, with_where_and_when=intent.when, focus=Focus.TIME if intent.when else Focus.VALUE)
        if intent.which_device or intent.when:
            focus = Focus.VALUE
            asked_value = bool(re.search(r"\bwhat\s+(?:was|is|were)\s+(?:the\s+)?(?!time|timestamp|station|sensor|device)", self.text)) or intent.how_much
            if not asked_value:
                focus = Focus.DEVICE if intent.which_device else Focus.TIME
            note = "where several are equal, the earliest"
            return replace(plan, with_where_and_when=True, focus=focus, assumptions=(*plan.assumptions, note))
        return plan

    def _plain(self, plan: Plan) -> Plan:
        intent = self.intent
        if self.measured is None:
            raise _Refusal(unclear())
        if intent.rank or intent.place or intent.ranked or intent.how_much or intent.when or intent.how_often:
            raise _Refusal(unclear("It is not clear whether the average, the highest, the lowest or the latest value is meant."))
        length = plan.end_time - plan.start_time if plan.start_time is not None and plan.end_time is not None else None
        if length is not None and length <= timedelta(minutes=1):
            return self._latest(plan)
        if plan.start_time is None and plan.end_time is None and not self.timed and not self.conditions and not re.search(r"\b(?:was|were|did|had)\b", self.text):
            return self._latest(replace(plan, assumptions=(*plan.assumptions, "a value without a time means the latest one")))
        raise _Refusal(unclear("It is not clear whether the average, the highest, the lowest or the latest value is meant."))

    def _grouped(self, plan: Plan, *, ranked: bool) -> Plan:
        """Adds grouping and rank."""
        intent = self.intent
        extreme = intent.highest or intent.lowest
        sign = -1 if intent.lowest else 1
        if plan.measure in {Measure.MIN, Measure.MAX}:
            extreme = True
        if ranked and (intent.ranked or intent.rank or intent.place or (extreme and plan.measure not in {Measure.MIN, Measure.MAX})):
            if not (intent.which_device or intent.per_device or intent.plural or re.search(rf"\b{DEVICE_NOUN}\b", self.text)):
                raise _Refusal(unclear("It is not clear what the highest or lowest one is chosen from."))
            if not extreme and not intent.ranked:
                raise _Refusal(unclear("It is not clear whether the highest or the lowest ones are meant."))
            count = len(self.contract.devices) if intent.ranked and not intent.rank else intent.rank or intent.place or 1
            count = max(1, min(count, 1000))
            if intent.per_device and not intent.ranked and not intent.rank and not intent.place and not intent.which_device:
                raise _Refusal(two_things())
            return replace(plan, by_device=True, rank=sign * count, place=intent.place, focus=Focus.DEVICE)
        if intent.when:
            raise _Refusal(two_things())
        if intent.per_device or intent.which_device:
            if intent.which_device and not intent.per_device and plan.measure is not Measure.MISSING and not (plan.measure is Measure.COUNT and intent.plural):
                raise _Refusal(unclear("It is not clear what the device is chosen by."))
            return replace(plan, by_device=True)
        if len(self.devices) > 1 and not intent.combined:
            return replace(plan, by_device=True, assumptions=(*plan.assumptions, "one answer for each device named"))
        return plan

    def _check_limits(self, plan: Plan) -> None:
        """Declines a limit that is meant for the average (or other result) rather than for single readings."""
        if plan.measure not in {Measure.AVG, Measure.SUM, Measure.MIN, Measure.MAX}:
            return
        same = [found for found in self.conditions if found.condition.field == plan.field]
        if same and not re.search(r"\b(?:when|while|where|values|readings|hours)\b", self.text):
            raise _Refusal(not_yet("limits on averages, sums and extremes"))
        if plan.measure in {Measure.AVG, Measure.SUM} and same and re.search(r"\b(?:average|mean|avg|total|sum)\b(?:\W+\w+){0,6}\W+(?:exceed\w*|above|over|below|under|more|less|higher|lower|at\s+least|at\s+most)\b", self.text) and not re.search(r"\b(?:when|while|where|values|readings|hours)\b", self.text):
            raise _Refusal(not_yet("limits on averages, sums and extremes"))
