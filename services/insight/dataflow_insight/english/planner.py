"""From a question to a plan or an honest refusal: deterministic, and strict about every word.

A word that is neither a name, a time, a number with its place, something to compute, nor known to mean nothing makes the
planner decline: it may have changed the meaning.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field
from dataflow_insight.english.conditions import ConditionError, Found, asked_unit, read_conditions
from dataflow_insight.english.intents import PLAIN, SUPERLATIVES, Intent, read_intent
from dataflow_insight.english.lexicon import DEVICE_NOUN, FILLERS, FUTURE, HOSTILE, NOT_YET, READING_NOUN, protected
from dataflow_insight.english.moments import Clock, MomentReader, TimeError
from dataflow_insight.english.names import NameReader, Names
from dataflow_insight.english.refusals import (
    Refusal,
    future,
    no_data,
    not_yet,
    off_topic,
    two_things,
    unclear,
    unknown_device,
    unknown_field,
)
from dataflow_insight.english.shape import Shape
from dataflow_insight.english.sheet import FIELD, MOMENT, Sheet
from dataflow_insight.english.spans import read_span
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Declined, Measure, Plan

MAX_WORDS: Final = 150
"""Most words of a question that is read."""

_DEVICE_SLOT: Final = rf"\b(?:at|in|from|near|around|for|by|of|and|or|{DEVICE_NOUN}|compare|than|between)\s+(?:the\s+)?[\"']?$|\b(?:did|does|has|have)\s+[\"']?$"
_FIRM_DEVICE_SLOT: Final = rf"\b(?:at|in|from|near|around|{DEVICE_NOUN}[-_#]?)\s*(?:the\s+)?[\"']?$"
_DEVICE_TAIL: Final = rf"[\"']?(?:'s\b|[-_#]?\s*\d*\s+(?:{DEVICE_NOUN}|send|report|record|measure|deliver|register)\b)"
_FIELD_SLOT: Final = (
    r"\b(?:average|mean|avg|highest|lowest|maximum|minimum|max|min|largest|smallest|greatest|peak|total|sum|latest|last|newest|"
    r"current|most|least|much|level|levels|value|values|concentration|many|missing)\s+(?:of\s+)?(?:the\s+)?[\"']?$"
)
_FIELD_TAIL: Final = r"[\"']?\s+(?:level|levels|value|values|concentration|concentrations|reading|readings)\b"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one contract makes of the question; a higher score fits better, of equal ones that with more devices and time."""

    outcome: Plan | Declined
    score: int
    size: tuple[int, timedelta]


def plan_question(question: str, catalogue: Catalogue, now: datetime, contract: str = "") -> Plan | Declined:
    """Returns the plan that answers the question, or why there is none.

    Args:
        question: In English, any spelling.
        catalogue: What can be asked about.
        now: The present, UTC: what "yesterday" leans on.
        contract: Only this contract; empty: the one that fits.
    """
    if len(question.split()) > MAX_WORDS:
        return unclear("It has too many words for one question.")
    contracts = [item for item in catalogue.contracts if not contract or item.name == contract]
    if not contract and any(not item.builtin and item.devices for item in contracts):
        named = [item for item in contracts if re.search(rf"\b{re.escape(item.name)}\b", question.lower())]
        contracts = [item for item in contracts if not item.builtin or item in named]
    if not contracts:
        return no_data()
    attempts = [_attempt(question, item, now) for item in contracts]
    best = max(attempts, key=lambda attempt: (isinstance(attempt.outcome, Plan), attempt.score, attempt.size))
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
    except Refusal as refusal:
        outcome = refusal.declined
    except (TimeError, ConditionError) as error:
        outcome = unclear(str(error)) if reading.about_data() else off_topic()
    known = sum(1 for mention in reading.names.fields if mention.field is not None)
    score = 1000 * len(reading.names.devices) + 100 * known + 10 * reading.named + (not contract.builtin)
    if contract.devices and contract.last_time is not None:
        score += 1
    span = timedelta()
    if contract.first_time is not None and contract.last_time is not None:
        span = contract.last_time - contract.first_time
        if isinstance(outcome, Plan) and _overlap(outcome, contract.first_time, contract.last_time):
            score += 5
    return _Attempt(outcome, score, (len(contract.devices), span))


def _names(text: str, contract: Contract) -> bool:
    """Returns whether the question names the contract. "station" alone names devices, unless theirs start so."""
    name = re.escape(contract.name)
    if re.search(rf"\bcontract\s+{name}\b|\b{name}\s+contract\b", text):
        return True
    if re.fullmatch(DEVICE_NOUN, contract.name) and not any(
        device.startswith(contract.name) for device in contract.devices[:10]
    ):
        return False
    return re.search(rf"\b{name}\b", text) is not None


def _overlap(plan: Plan, first: datetime, last: datetime) -> bool:
    span = plan.scope.hull
    return (span.start is None or span.start <= last) and (span.end is None or span.end > first)


class _Reading:
    """One question read with the vocabulary of one contract."""

    def __init__(self, question: str, contract: Contract, now: datetime) -> None:
        self._contract = contract
        self._now = now
        self._reader = NameReader(contract)
        self._assumptions: list[str] = []
        self._sheet = Sheet(self._reader.spelled(question, self._assumptions))
        self.names = Names()
        self.named = _names(self._sheet.low, contract)

    def plan(self) -> Plan:
        sheet = self._sheet
        self._cover_phrases()
        sheet.take_all(r"\(\s*(?:in\s+)?utc\s*\)|\butc\b")
        name = re.escape(self._contract.name)
        sheet.take_all(rf"\b(?:in\s+|of\s+|from\s+)?(?:the\s+)?(?:contract\s+{name}|{name}\s+contract)\b")
        self.names = self._reader.read(sheet, self._assumptions)
        self._refuse_early()
        clock = Clock(self._now, self._contract.first_time, self._contract.last_time)
        moments = MomentReader(sheet, clock)
        found_moments = moments.read()
        sheet.take_all(
            rf"\b(?:the\s+)?(?:days?|dates?|period|time|year|month)\s+(?=(?:(?:of|from|between)\s+(?:the\s+)?)?{MOMENT})"
        )
        start, end = read_span(sheet, found_moments, self._assumptions)
        self._assumptions += moments.assumptions
        if start is not None and start > self._now:
            raise Refusal(future())
        self._cover_after_names(clock)
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
            raise Refusal(unclear("A name in the question fits several fields or devices."))
        shape = Shape(intent, measured, conditions, self._contract, self.names.devices, bool(found_moments), sheet.low)
        plan = shape.plan(start, end)
        return replace(plan, assumptions=tuple(dict.fromkeys([*self._assumptions, *plan.assumptions])))

    def _cover_phrases(self) -> None:
        """Covers phrases whose words would mean something else one by one."""
        sheet = self._sheet
        sheet.take_all(
            r"\b(?:since|from)\s+the\s+(?:very\s+)?(?:beginning|start)(?:\s+of\s+(?:the\s+)?(?:data\s?set|data|records?|recordings?))?"
            r"(?:\s+(?:to|until|till)\s+the\s+(?:very\s+)?end)?\b"
        )
        if sheet.take_all(
            r",?\s*\b(?:rounded\s+)?to\s+(?:\d{1,2}|one|two|three|four)\s+(?:decimals?|digits)(?:\s+places?)?\b"
        ):
            self._assumptions.append(
                "values are shown with at least two digits after the point; the result has all of them"
            )
        sheet.take_all(rf"\b(?:distinct|different|unique)\s+(?={DEVICE_NOUN}\b)")
        sheet.take_all(
            r"\b(?:excluding|ignoring|leaving\s+out|not\s+counting|disregarding)\s+(?:the\s+|any\s+|all\s+)?(?:missing|null|empty)"
            r"(?:\s+(?:values|readings|data|ones|entries))?\b"
        )

    def _cover_after_names(self, clock: Clock) -> None:
        """Covers words that change nothing for these data, and verbs of a comparison."""
        sheet = self._sheet
        if self._contract.cadence == timedelta(hours=1):
            edge = "|".join(
                rf"(?<={word}\s)" for word in ("highest", "lowest", "maximum", "minimum", "max", "min", "single")
            )
            noun = rf"(?:{FIELD}\s*)?(?:{READING_NOUN})\b"
            if sheet.take_all(rf"\bhourly\s+(?={noun})|(?:{edge})hourly\s+(?={FIELD})"):
                self._assumptions.append("the readings are hourly")
        if clock.month_of_data() is not None:
            sheet.take_all(r"\b(?:over|in|during|for|throughout)\s+the\s+(?:(?:whole|entire|full)\s+)?month\b")
        verbs = r"(?:stay(?:s|ed)?|remain(?:s|ed)?|go(?:es)?|went|gets?|got|lay|lie|lies)"
        if not re.search(r"\bhow\s+(?:often|many\s+times|frequently)\b", sheet.low):
            # Counted, a rise is an event and not a reading.
            verbs = verbs[:-1] + r"|drop(?:s|ped)?|fall(?:s|en)?|fell|ris(?:e|es|en)|rose|climb(?:s|ed)?)"
        sheet.take_all(rf"\b{verbs}\s+(?=(?:below|above|under|over|beyond)\s+(?:minus\s+)?(?:-?\d|zero|freezing))")

    def _refuse_early(self) -> None:
        if self._sheet.find(HOSTILE):
            raise Refusal(off_topic())
        if self._sheet.find(FUTURE):
            raise Refusal(future() if self.about_data() else off_topic())
        if any(mention.field is None for mention in self.names.fields):
            raise Refusal(unknown_field(self._contract))

    def _refuse_not_yet(self) -> None:
        for pattern, what in NOT_YET:
            if self._sheet.find(pattern):
                raise Refusal(not_yet(what) if self.about_data() else off_topic())

    def about_data(self) -> bool:
        return bool(
            self.names.fields
            or self.names.devices
            or re.search(rf"\b(?:{READING_NOUN}|{DEVICE_NOUN})\b", self._sheet.low)
        )

    def _adjectives(self) -> tuple[Field, Measure | None] | None:
        entries: list[tuple[str, str, Measure | None]] = [
            *SUPERLATIVES,
            *((pattern, name, None) for pattern, name in PLAIN),
        ]
        for pattern, name, measure in entries:
            found = self._sheet.take(pattern)
            if found is None:
                continue
            item = self._reader.concept_field(name)
            if item is None:
                raise Refusal(unknown_field(self._contract))
            self._assumptions.append(f'"{found.group()}" is about the field {item.name}')
            return item, measure
        return None

    def _measured(self, conditions: list[Found], implied: Field | None, intent: Intent) -> Field | None:
        """Returns the field that is measured; a field that only stands in a comparison is not."""
        bound = {found.mention.mark for found in conditions if found.mention is not None}
        free = [
            mention.field for mention in self.names.fields if mention.mark not in bound and mention.field is not None
        ]
        fields = list(dict.fromkeys([*free, *([implied] if implied is not None else [])]))
        if len(fields) > 1:
            raise Refusal(two_things())
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
        about = self.about_data() or intent.coverage or measured is not None
        if not left:
            if not about:
                raise Refusal(off_topic())
            if odd is not None:
                raise Refusal(unclear())
            return
        for word in left:
            before, after = sheet.before(word.start), sheet.after(word.end)
            if (
                about
                and any(letter.isdigit() for letter in word.text)
                and re.search(rf"\b{DEVICE_NOUN}(?:\s+|[-_#]|\s*#\s*)$", before)
            ):
                raise Refusal(unknown_device(self._contract))
            device_like = re.search(_DEVICE_SLOT, before) or re.match(_DEVICE_TAIL, after)
            if not about or not word.text.isalpha() or protected(word.text):
                continue
            if re.search(_FIRM_DEVICE_SLOT, before) or re.match(_DEVICE_TAIL, after):
                raise Refusal(unknown_device(self._contract))
            if measured is None and not conditions and (re.search(_FIELD_SLOT, before) or re.match(_FIELD_TAIL, after)):
                raise Refusal(unknown_field(self._contract))
            if measured is None and not conditions and self.names.devices and not intent.count and not intent.yes_no:
                raise Refusal(unknown_field(self._contract))
            if device_like and (measured is not None or conditions or intent.count):
                raise Refusal(unknown_device(self._contract))
        raise Refusal(unclear() if about else off_topic())
