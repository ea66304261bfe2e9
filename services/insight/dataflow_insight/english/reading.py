"""One question read with the vocabulary of one contract: names, times, scope and limits, for the families to build on.

Whatever is understood is covered on the sheet. What is still visible when a plan has been made was not understood, and
`Reading.settle` then refuses the plan: a word that nobody read may have changed the meaning.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.catalogue.catalogue import Contract, Field
from dataflow_insight.english.brackets import without_brackets
from dataflow_insight.english.clock import Clock
from dataflow_insight.english.conditions import Found, asked_unit, read_conditions
from dataflow_insight.english.contrasts import with_contrasts
from dataflow_insight.english.counters import with_changes
from dataflow_insight.english.fillers import CHAT, FILLERS
from dataflow_insight.english.heard import with_readings
from dataflow_insight.english.leftovers import without_chat
from dataflow_insight.english.lexicon import DEVICE_NOUN, READING_NOUN, protected
from dataflow_insight.english.moments import Moment
from dataflow_insight.english.names import NameReader, Names
from dataflow_insight.english.own_nouns import with_devices
from dataflow_insight.english.paraphrases import plainly
from dataflow_insight.english.refusals import (
    Refusal,
    future,
    not_yet,
    off_topic,
    several_fit,
    unclear,
    unknown_device,
    unknown_field,
)
from dataflow_insight.english.refused import FUTURE, HOSTILE, NOT_YET
from dataflow_insight.english.restated import said_once
from dataflow_insight.english.sheet import FIELD, MOMENT, Sheet, Word
from dataflow_insight.english.texts import TextReader
from dataflow_insight.english.times import Times, read_times, scope_times
from dataflow_insight.english.zones import read_zone
from dataflow_insight.plans.plan import Scope

_DEVICE_SLOT: Final = rf"\b(?:at|in|from|near|around|for|by|of|and|or|{DEVICE_NOUN}|compare|than|between)\s+(?:the\s+)?[\"']?$|\b(?:did|does|has|have)\s+[\"']?$"
_FIRM_DEVICE_SLOT: Final = rf"\b(?:at|in|from|near|around|except(?:\s+for)?|excluding|other\s+than|apart\s+from|leaving\s+out|besides|ignoring|{DEVICE_NOUN}[-_#]?)\s*(?:the\s+)?[\"']?$"
_DEVICE_TAIL: Final = rf"[\"']?(?:'s\b|[-_#]?\s*\d*\s+(?:{DEVICE_NOUN}|send|report|record|measure|deliver|register)\b)"
_NUMBERED: Final = r"[-_#]\d+(?![\w.]|-\d)"
_FIELD_SLOT: Final = (
    r"\b(?:average|mean|avg|highest|lowest|maximum|minimum|max|min|largest|smallest|greatest|peak|total|sum|latest|last|newest|"
    r"current|most|least|much|level|levels|value|values|concentration|many|missing)\s+(?:of\s+)?(?:the\s+)?[\"']?$"
)
_FIELD_TAIL: Final = r"[\"']?\s+(?:level|levels|value|values|concentration|concentrations|reading|readings)\b"
_ODD: Final = r"[<>=%+*$#@{}\[\]|\\^~`°€£]"


class Reading:
    """What a question says, read in two steps: `open`, then `read_scope` when a family has claimed the question.

    Attributes:
        contract: Whose vocabulary it is read with.
        now: The present, UTC.
        zone: Whose days and hours are meant: the asker's, from `open` on that of the question where it names one.
        reader: The contract's names.
        assumptions: What was decided about words, for the asker; families add to it.
        sheet: The question; what was understood is covered.
        names: Fields and devices, from `open` on.
        named: The question names the contract.
        clock: What relative times lean on.
        times: Time expressions, from `open` on, each with its mark on the sheet.
        conditions: Limits on single readings, from `read_scope` on.
        units: In which unit values of a field are asked for, where it is not its own, from `cover_unit` on.
    """

    def __init__(self, question: str, contract: Contract, now: datetime, zone: ZoneInfo) -> None:
        """Puts spelling right; nothing is covered yet."""
        self.contract = contract
        self.now = now
        self.zone = zone
        self.reader = NameReader(contract)
        self.assumptions: list[str] = []
        plain = without_chat(question, self.reader, self.assumptions)
        question, own = with_devices(plain, contract)
        question = with_changes(question, contract, self.assumptions)
        question = with_readings(question, self.assumptions)
        plain = plainly(question, self.reader, self.assumptions)
        plain = with_contrasts(without_brackets(said_once(plain), self.reader), self.reader)
        self.sheet = Sheet(self.reader.spelled(plain, self.assumptions))
        self.names = Names()
        self.named = own or _names(self.sheet.low, contract)
        self.clock = Clock(now, contract.first_time, contract.last_time, zone)
        self.times = Times()
        self.conditions: list[Found] = []
        self.units: dict[str, str] = {}
        self._texts = TextReader(self.sheet, [], self.reader, self.assumptions)
        self._scope: Scope | None = None

    @property
    def text(self) -> str:
        """The whole question in lower case, covered or not."""
        return self.sheet.low

    @property
    def devices(self) -> list[str]:
        """The devices named, in the order of the question."""
        return self.names.devices

    @property
    def moments(self) -> tuple[Moment, ...]:
        """The single times of the question; `times` has the ranges that they make."""
        return self.times.moments

    @property
    def about_data(self) -> bool:
        """Whether the question speaks of readings at all."""
        return bool(
            self.names.fields
            or self.names.devices
            or re.search(rf"\b(?:{READING_NOUN}|{DEVICE_NOUN})\b", self.sheet.low)
        )

    def open(self) -> None:
        """Covers set phrases, names and times.

        Raises:
            Refusal: It is hostile, about the future or about something that is not measured.
            TimeError: A time expression has no sure meaning.
        """
        sheet = self.sheet
        self._cover_phrases()
        name = re.escape(self.contract.name)
        sheet.take_all(rf"\b(?:in\s+|of\s+|from\s+)?(?:the\s+)?(?:contract\s+{name}|{name}\s+contract)\b")
        self.names = self.reader.read(sheet, self.assumptions)
        self._refuse_early()
        self.zone = read_zone(sheet, self.zone, self.assumptions)
        self.clock = replace(self.clock, zone=self.zone)
        self._texts = TextReader(sheet, self.names.fields, self.reader, self.assumptions)
        self._texts.mark()
        self.times = read_times(sheet, self.clock, self.assumptions)
        sheet.take_all(
            rf"(?<!each\s)(?<!each\sof\s)(?<!every\s)(?<!per\s)(?<!by\s)(?<!which\s)(?<!what\s)(?<!many\s)(?<!all\s)\b(?:the\s+)?(?:days?|dates?|period|time|year|month)\s+(?=(?:(?:of|from|between)\s+(?:the\s+)?)?{MOMENT})"
        )

    def read_scope(self) -> Scope:
        """Covers times and limits and returns which readings count; a second call returns the same.

        A family that needs two stretches of time takes them from `times` itself before it calls this.

        Raises:
            Refusal: It is about the future, or about what cannot be computed.
            TimeError: The times make no range.
            ConditionError: A limit cannot be applied.
        """
        if self._scope is not None:
            return self._scope
        ranges, day_times, weekdays = scope_times(self.sheet, self.times)
        if any(item.start is not None and item.start > self.now for item in ranges):
            raise Refusal(future())
        self._cover_after_names()
        one_day = any(item.start and item.end and item.end - item.start <= timedelta(days=1) for item in ranges)
        self.conditions = read_conditions(
            self.sheet, self.names.fields, self.reader, self.assumptions, texts=self._texts, one_day=one_day
        )
        self._scope = Scope(
            device_ids=tuple(self.names.devices),
            excluded_device_ids=tuple(self.names.excluded),
            times=ranges,
            day_times=day_times,
            weekdays=weekdays,
            conditions=tuple(dict.fromkeys(found.condition for found in self.conditions)),
        )
        return self._scope

    def free_fields(self) -> list[Field]:
        """Returns the fields named, without those that only stand in a limit, in the order of the question."""
        bound = {found.mention.mark for found in self.conditions if found.mention is not None}
        free = [
            mention.field for mention in self.names.fields if mention.mark not in bound and mention.field is not None
        ]
        return list(dict.fromkeys(free))

    def cover_unit(self, item: Field) -> None:
        """Covers the unit that the answer is asked in, and keeps it for the plans of this field.

        Raises:
            ConditionError: Values of the field cannot be given in it.
        """
        unit = asked_unit(self.sheet, item, self.assumptions)
        if unit:
            self.units[item.name] = unit

    def refuse_not_yet(self) -> None:
        """Refuses visible words that ask for what no plan can express."""
        for pattern, what in NOT_YET:
            if self.sheet.find(pattern):
                raise Refusal(not_yet(what) if self.about_data else off_topic())

    def settle(self, *, measured: bool, counts: bool = False, coverage: bool = False) -> None:
        """Refuses the question if any of it was not understood.

        Args:
            measured: A field is measured, or named in a limit.
            counts: Readings are counted, or a yes or no is asked for.
            coverage: The time that the data cover is asked for.
        """
        self.refuse_not_yet()
        sheet = self.sheet
        left = [word for word in sheet.words() if word.text not in FILLERS and not self._is_hint(word)]
        about = self.about_data or coverage or measured
        if not left:
            if not about:
                raise Refusal(off_topic())
            if re.search(_ODD, sheet.visible) or re.search(r"(?<=\s)on\W*$", sheet.visible):
                raise Refusal(unclear())
        for word in left:
            before, after = sheet.before(word.start), sheet.after(word.end)
            if (
                about
                and any(letter.isdigit() for letter in word.text)
                and re.search(rf"\b{DEVICE_NOUN}(?:\s+|[-_#]|\s*#\s*)$", before)
            ):
                raise Refusal(unknown_device(self.contract))
            device_like = re.search(_DEVICE_SLOT, before) or re.match(_DEVICE_TAIL, after)
            if not about or not word.text.isalpha() or protected(word.text):
                continue
            if re.search(_FIRM_DEVICE_SLOT, before) or re.match(_DEVICE_TAIL, after) or re.match(_NUMBERED, after):
                raise Refusal(unknown_device(self.contract))
            if not measured and (re.search(_FIELD_SLOT, before) or re.match(_FIELD_TAIL, after)):
                raise Refusal(unknown_field(self.contract))
            if not measured and self.names.devices and not counts:
                raise Refusal(unknown_field(self.contract))
            if device_like and (measured or counts or coverage):
                raise Refusal(unknown_device(self.contract))
        if left:
            raise Refusal(unclear() if about else off_topic())
        if self.names.ambiguous:
            raise Refusal(several_fit(self.names.ambiguous))

    def _is_hint(self, word: Word) -> bool:
        """Whether a word only says which contract is meant; "press-2" is a name and no hint."""
        numbered = re.match(r"[-_#]\w", self.sheet.after(word.end)) is not None
        return not numbered and self.reader.is_hint(word.text)

    def _cover_phrases(self) -> None:
        """Covers phrases whose words would mean something else one by one."""
        sheet = self.sheet
        sheet.take_all(CHAT)
        sheet.take_all(
            r"\b(?:since|from)\s+the\s+(?:very\s+)?(?:beginning|start)(?:\s+of\s+(?:the\s+)?(?:data\s?set|data|records?|recordings?))?"
            r"(?:\s+(?:to|until|till)\s+the\s+(?:very\s+)?end)?\b"
        )
        if sheet.take_all(
            r",?\s*\b(?:rounded\s+)?to\s+(?:\d{1,2}|one|two|three|four)\s+(?:decimals?|digits)(?:\s+places?)?\b"
        ):
            self.assumptions.append(
                "values are shown with at least two digits after the point; the result has all of them"
            )
        sheet.take_all(rf"\b(?:distinct|different|unique)\s+(?={DEVICE_NOUN}\b)")
        sheet.take_all(
            r"[;,(]?\s*\b(?:name|label|identify|call|list)\s+(?:each|every|the)\s+weeks?\s+by\s+(?:its|their|the)\s+(?:mondays?|first\s+days?|start(?:\s+date)?)\b\)?"
            r"|\(?\bmondays?\s*(?:to|through|until|-)\s*sundays?\b\)?(?<!\s)(?=\W*(?:,|;|$|\uf8ff))"
        )
        sheet.take_all(
            r"\b(?:where|which\s+\w+|how)\s+(?:is|was|has)\s+the\s+air\s+(?:the\s+)?(?:cleanest|dirtiest|most\s+polluted|best|worst)\s*,?\s*(?:i\.\s?e\.|that\s+is|meaning|namely)\s*,?"
        )
        sheet.take_all(r"\(?\b(?:i\.\s?e\.|e\.\s?g\.|that\s+is(?=,)|in\s+other\s+words)\s*,?")
        sheet.take_all(
            r"\b(?:excluding|ignoring|leaving\s+out|not\s+counting|disregarding)\s+(?:the\s+|any\s+|all\s+)?(?:missing|null|empty)"
            r"(?:\s+(?:values|readings|data|ones|entries))?\b"
        )

    def _cover_after_names(self) -> None:
        """Covers words that change nothing for these data, and verbs of a comparison."""
        sheet = self.sheet
        if self.contract.cadence == timedelta(hours=1):
            edge = "|".join(
                rf"(?<={word}\s)" for word in ("highest", "lowest", "maximum", "minimum", "max", "min", "single")
            )
            whole = "|".join(
                rf"(?<={word}\sof\s)|(?<={word}\sof\sthe\s)"
                for word in ("percentile", "median", "deviation", "mean", "average")
            )
            edge = f"{edge}|{whole}"
            noun = rf"(?:{FIELD}\s*)?(?:{READING_NOUN})\b"
            if sheet.take_all(rf"\bhourly\s+(?={noun})|(?:{edge})hourly\s+(?={FIELD})"):
                self.assumptions.append("the readings are hourly")
        if self.clock.month_of_data() is not None:
            sheet.take_all(
                r"\b(?:over|in|during|for|throughout)\s+the\s+(?:(?:whole|entire|full)\s+)?month\b|\b(?:the\s+)?(?:whole|entire|full)\s+month\b"
            )
        verbs = r"(?:stay(?:s|ed)?|remain(?:s|ed)?|go(?:es)?|went|gets?|got|lay|lie|lies|sits?|sat|stands?|stood|spends?|spent|came\s+in|comes?\s+in|ended\s+up|hover(?:s|ed)?|linger(?:s|ed)?)"
        if not re.search(r"\bhow\s+(?:often|many\s+times|frequently)\b", sheet.low):
            # Counted, a rise is an event and not a reading.
            verbs = verbs[:-1] + r"|drop(?:s|ped)?|fall(?:s|en)?|fell|ris(?:e|es|en)|rose|climb(?:s|ed)?)"
        sheet.take_all(rf"\b{verbs}\s+(?=(?:below|above|under|over|beyond)\s+(?:minus\s+)?(?:-?\d|zero|freezing))")

    def _refuse_early(self) -> None:
        if self.sheet.find(HOSTILE):
            raise Refusal(off_topic())
        if self.sheet.find(FUTURE):
            raise Refusal(future() if self.about_data else off_topic())
        if (other := next((mention for mention in self.names.fields if mention.field is None), None)) is not None:
            raise Refusal(unknown_field(self.contract, other.text))


def _names(text: str, contract: Contract) -> bool:
    """Returns whether the question names the contract. "station" alone names devices, unless theirs start so."""
    name = re.escape(contract.name)
    if re.search(rf"\bcontract\s+{name}\b|\b{name}\s+contract\b", text):
        return True
    if re.fullmatch(DEVICE_NOUN, contract.name) and not any(
        device.startswith(contract.name) for device in contract.devices[:10]
    ):
        return False
    return re.search(rf"\b{name}s?\b", text) is not None
