"""Reads how an answer is broken down: for each what, chosen from what, how many of what.

"per station and day", "which hour of the day", "the three days with …", "on how many days", "daily".
"""

import re
from datetime import timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Kind
from dataflow_insight.english.families.standard_group_words import (
    ADJECTIVES,
    AND_PER,
    BEFORE_NOUN,
    BEST_VALUE,
    HIGHER,
    LEAD,
    LOWER,
    NOUN_BEFORE,
    NOUNS,
    NUMBER,
    PER,
    PROFILES,
    WHEN_IN,
    WHOLE,
)
from dataflow_insight.english.families.standard_groups import YES_NO, Groups
from dataflow_insight.english.lexicon import DEVICE_NOUN, NUMBER_WORDS, ORDINALS, READING_NOUN
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things
from dataflow_insight.english.sheet import DEVICE, FIELD
from dataflow_insight.plans.plan import Grouping, Scope

_ASKS_FOR_IT: Final = (
    r"\W*(?:(?:what|which|name|give|tell|show)\s+(?:(?:was|is|were|me|us)\s+)?)?(?:the\s+)?(?:single\s+|very\s+)?"
)
"""What leads to a superlative that is asked for itself ("what was the worst hour")."""

_COVERED_DAYS: Final = r"\b(?:what|which)\s+(?:dates|days)\b.*\b(?:cover(?:s|ed)?|span(?:s|ned)?|available|included?)\b|\b(?:what|which)\s+(?:dates|days)\s+(?:do|does|are|is)\s+(?:we|there|the)\s+(?:have\s+)?(?:data|readings)\b"


class GroupReader:
    """Reads and covers the words of groups on the sheet of one question."""

    def __init__(self, reading: Reading, scope: Scope) -> None:
        """Takes a question whose scope has been read."""
        self._reading = reading
        self._sheet = reading.sheet
        self._scope = scope
        self._groups = Groups()
        marks = [
            mention.mark
            for mention in reading.names.fields
            if mention.field is not None
            and (
                mention.field.kind in {Kind.TEXT, Kind.BOOLEAN}
                or (mention.field.kind is Kind.INTEGER and mention.field.values)
            )
        ]
        whole = [
            mention.mark
            for mention in reading.names.fields
            if mention.field is not None and mention.field.kind in {Kind.TEXT, Kind.BOOLEAN, Kind.INTEGER}
        ]
        self._noun = _noun(marks)
        self._per_noun = _noun(whole)

    def _cover_hours_as_readings(self) -> None:
        """Covers "in hours with", where every reading is one hour (or minute): it is the readings that are meant."""
        unit = {timedelta(hours=1): "hours?", timedelta(minutes=1): "minutes?"}.get(
            self._reading.contract.cadence or timedelta()
        )
        if unit is not None:
            self._sheet.take_all(
                rf"(?<!number\s)(?<!count\s)\b(?:in|during|for|at|on|over|of|from)\s+(?:(?:all|only|just|those|the|any)\s+)*{unit}(?=\s+(?:with|when|where|in\s+which|during\s+which|that|having)\b)"
            )

    def read(self) -> Groups:
        """Covers all words about groups and returns what they mean.

        Raises:
            Refusal: There are too many groups, or it is not clear which are meant.
        """
        groups = self._groups
        self._cover_hours_as_readings()
        for pattern, grouping in PROFILES:
            if self._sheet.take(pattern) is not None:
                self._add(self._hour() if grouping is Grouping.HOUR else grouping)
                groups.profile |= grouping in {Grouping.HOUR_OF_DAY, Grouping.WEEKDAY}
        self._read_counted()
        self._read_number_of_devices()
        self._read_rank()
        self._read_some()
        self._read_which()
        self._read_per()
        self._read_each()
        self._read_number_of_devices()
        if len(groups.per) > 2:
            raise Refusal(two_things())
        return groups

    def _read_counted(self) -> None:
        """Reads "on how many days"."""
        counted = self._sheet.find(
            rf"\b(?:(?:on|for|during|in|at|over)\s+)?(?:how\s+many|(?:the\s+)?(?:number|count|amount)\s+of|count(?:\s+up)?)\s+(?:of\s+)?(?:the\s+)?(?:all\s+)?(?:different\s+|distinct\s+|such\s+|those\s+|complete\s+)*"
            rf"(?P<noun>{_without_devices()})(?!\w)(?!\s+of\s+(?!data|readings|measurements|records|recordings))"
        ) or self._sheet.find(rf"\b(?:most|fewest|least)\s+(?P<noun>{_without_devices()})(?!\w)")
        # Hours are counted by their readings.
        if counted is None or _is_hour(counted["noun"]):
            return
        self._groups.counted = self._grouping(counted["noun"])
        self._sheet.cover(*(counted.span() if not re.match(LEAD, counted.group()) else counted.span("noun")))

    def _read_rank(self) -> None:
        """Reads "top 3 days", "the five lowest stations", "second highest"."""
        sheet, groups = self._sheet, self._groups
        either = rf"(?:{HIGHER}|{LOWER})"
        for pattern in (
            rf"\b(?:the\s+)?(?P<way>top|bottom|first|highest|lowest|best|worst)[\s-]+{NUMBER}\s+(?:of\s+(?:the\s+)?)?(?={self._noun}(?!\w))",
            rf"\b(?:the\s+)?(?P<way>top|bottom)[\s-]+{NUMBER}\b",
            rf"\b(?:the\s+)?(?P<way>highest|lowest)[\s-]+{NUMBER}\b(?=\s+(?:{FIELD}|{READING_NOUN}))",
            rf"\b(?:which|what)\s+(?:are\s+|were\s+)?(?:the\s+)?{NUMBER}\s+(?={self._noun}(?!\w))",
            rf"(?<!than\s)(?<!least\s)(?<!most\s)(?<!exactly\s)(?<!over\s)(?<!under\s)\b(?:the\s+|any\s+|name\s+|list\s+)?{NUMBER}\s+(?={self._noun}\s+(?:with|that|which|having|where|on\s+which|when|of\s+(?:the\s+)?{either})\b)",
            rf"\b(?:the\s+)?{NUMBER}\s+(?=(?:{either})\s+(?:\w+\s+)?{self._noun}(?!\w))",
            rf"(?<=which\s)(?:the\s+)?{NUMBER}\s+(?={either})",
            rf"\b(?:the\s+)?{NUMBER}\s+(?=(?:{either})\s+(?:(?:single|individual)\s+)?(?:{FIELD}|{READING_NOUN}))",
        ):
            found = sheet.find(pattern)
            if found is None or found["n"] in {"one", "1"}:
                continue
            number = found["n"]
            groups.rank = int(number) if number.isdigit() else NUMBER_WORDS[number]
            way = found.groupdict().get("way") or ""
            if way and way != "best":
                groups.upward = way in {"top", "highest", "first", "worst"}
            asks = re.match(r"which|what", found.group())
            sheet.cover(*(found.span("n") if asks or way == "best" else found.span()))
            if not asks:
                noun = re.compile(rf"(?P<noun>{self._noun})(?!\w)").match(sheet.visible, found.end())
                if noun is None:
                    noun = sheet.find(rf"\b(?P<noun>{self._noun})(?!\w)")
                if noun is not None:
                    self._choose(noun["noun"])
                    sheet.cover(*noun.span("noun"))
            groups.plural = True
            break
        ordinals = "|".join(ORDINALS)
        found = sheet.take(
            rf"\b(?:comes|came|ranks|ranked|finishe[sd])\s+(?:in\s+)?(?P<place>{ordinals})\b(?:\s+place)?|\b(?:the\s+)?runner[- ]?up\b"
        )
        if found is not None:
            groups.place, groups.upward = ORDINALS.get(found["place"] or "second", 2), True
            if groups.which is None and "runner" in found.group():
                groups.which = Grouping.DEVICE
            return
        found = sheet.take(rf"\b(?P<place>{ordinals})[\s-]+(?:to[\s-]+)?(?=(?:{either})\b)")
        if found is not None:
            groups.place = ORDINALS[found["place"]]

    def _read_some(self) -> None:
        """Reads "was there any day", "did any station"."""
        groups, sheet = self._groups, self._sheet
        if groups.counted is not None or groups.which is not None or not re.match(YES_NO, sheet.low):
            return
        found = sheet.find(
            rf"\b(?:any|some|at\s+least\s+one|a\s+single|one)\s+(?:of\s+the\s+)?(?P<noun>{self._noun})(?!\w)|\bthere\s+(?:(?:a|any)\s+)?(?P<there>{self._noun})\s+(?=(?:with|when|where|on\s+which|in\s+which|that|whose)\b)"
        )
        if found is None:
            return
        if _is_hour(found["noun"] or found["there"]):
            sheet.cover(*found.span())
            return
        groups.counted = self._grouping(found["noun"] or found["there"])
        groups.some = True
        sheet.cover(*found.span())

    def _read_which(self) -> None:
        """Reads "which day", "the day with", "the warmest day"."""
        groups = self._groups
        if groups.which is not None or groups.some:
            return
        noun = self._noun
        if re.search(_COVERED_DAYS, self._sheet.low):
            return
        # "Which station Tiantan sent" is no choice.
        if len(self._reading.devices) == 1:
            self._sheet.take(rf"\bwhich\s+(?:the\s+)?{DEVICE_NOUN}\s+(?=[\"']?{DEVICE})")
        asked = self._sheet.find(
            rf"\b(?:(?:at|in|from|on|during|for|with|under|of)\s+)?(?:which|what|whose)[\s\uf8ff]+(?:(?:are|were)\s+(?=the\b))?(?:one\s+)?(?:of[\s\uf8ff]+)?(?:(?:the|these|all|two|three)\s+)*(?:particular\s+|exact\s+)?(?P<noun>{noun})(?!\w)(?!\s+and\s+(?:at\s+)?(?:(?:which|what)\s+)?(?:hour|time)\b)"
        )
        for words, grouping in WHEN_IN:
            if asked is None and self._sheet.take(words) is not None:
                groups.which = grouping
                return
        if asked is None and re.search(BEST_VALUE, self._sheet.low):
            asked = self._sheet.find(
                rf"\b(?:of|for|at|on|in|by|from|among|over)\s+(?:any|all(?:\s+the)?|the)\s+(?:single\s+|one\s+)?(?P<noun>{noun})(?!\w)(?=\W*$)"
            )
            if asked is not None and "any" not in asked.group().split() and not asked["noun"].endswith("s"):
                asked = None
        if asked is not None:
            self._choose(asked["noun"])
            self._sheet.cover(*asked.span())
            also = self._sheet.find(
                rf"(?:,|\band)\s+(?:(?:at|in|on|for|during)\s+)?(?:(?:which|what)\s+)(?P<noun>{noun})(?!\w)"
            )
            if also is not None:
                groups.also = self._grouping(also["noun"])
                self._sheet.cover(*also.span())
            return
        for pattern in (
            rf"\b(?P<noun>{noun})\s+(?=(?:with|having|on\s+which|in\s+which|when|where|that|which|whose)\b)",
            rf"\b(?!(?:most|least|fewest)\s+(?!polluted))(?:{HIGHER}|{LOWER}|best)(?:[\s-]+(?:average|avg\.?|mean|median|{FIELD}))*[\s-]+(?P<noun>{noun})(?!\w)(?!\s+(?:average|mean|max|min|reading|value|total|median|sum|{FIELD}))",
            rf"\b(?:rank(?:ing)?|sort(?:ed)?|order(?:ed)?)\s+(?:of\s+)?(?:all\s+)?(?:the\s+)?(?P<noun>{_without_devices()})(?!\w)",
        ):
            found = self._sheet.find(pattern)
            if found is not None and _is_hour(found["noun"]) and not found.group().endswith(" "):
                self._choose_hour(found)
                return
            if found is None or _is_hour(found["noun"]):
                continue
            if found.group().endswith(" ") and not re.search(BEFORE_NOUN, self._sheet.low[: found.start()]):
                continue  # "on days with rain" is no choice of days
            self._choose(found["noun"])
            self._sheet.cover(*found.span("noun"))
            return

    def _choose_hour(self, found: re.Match[str]) -> None:
        """Takes "the hottest hour" for a reading where there is one an hour, unless averages are asked for."""
        if re.search(r"\b(?:average|mean|median|avg)\b", self._sheet.low):
            self._choose(found["noun"])
        elif self._reading.contract.cadence != timedelta(hours=1):
            return
        else:
            self._groups.assumptions.append("there is one reading an hour")
            lead = self._sheet.low[: found.start()]
            self._groups.hour_asked = re.fullmatch(_ASKS_FOR_IT, lead) is not None
        self._sheet.cover(*found.span("noun"))

    def _choose(self, noun: str) -> None:
        self._groups.which = self._grouping(noun)
        self._groups.bare_hour = _is_hour(noun)
        self._groups.plural |= re.search(r"s$|s\s+of\b", noun) is not None
        self._keep_field(noun)

    def _read_per(self) -> None:
        """Reads "per station and day"."""
        # "By station Tiantan" says who sent it.
        named = rf"(?!\s+[\"']?{DEVICE})" if len(self._reading.devices) == 1 else ""
        while (
            found := self._sheet.find(rf"\b{PER}\s+(?:the\s+)?(?P<noun>{self._per_noun})(?!\w){named}(?:'s)?")
        ) is not None:
            self._add(self._grouping(found["noun"]))
            self._keep_field(found["noun"])
            end = found.end()
            more = re.compile(rf"{AND_PER}(?P<noun>{self._per_noun})(?!\w)").match(self._sheet.visible, end)
            if more is not None:
                self._add(self._grouping(more["noun"]))
                self._keep_field(more["noun"])
                end = more.end()
            self._sheet.cover(found.start(), end)
        found = self._sheet.find(
            r"\b(?:a|an)\s+(?P<noun>day|week|month|hour)\b(?=\s*(?:[?.!]|$|at\b|in\b|on\s+average))"
        )
        if found is not None:
            self._add(self._grouping(found["noun"]))
            self._sheet.cover(*found.span())

    def _read_each(self) -> None:
        """Reads "daily"."""
        if Grouping.DAY in {self._groups.counted, self._groups.which, *self._groups.per}:
            self._sheet.take(r"\b24[\s-]*h(?:ours?|rs?)?(?:ly)?[\s-]+(?=(?:average|mean)\b)")
        found = self._sheet.take(r"\b(?:the\s+)?(?P<each>hourly|daily|weekly|monthly)\b")
        if found is not None and found["each"] == "daily" and self._is_one_day:
            return
        if found is not None:
            self._groups.each = self._each(found["each"])
            self._groups.each_at = found.start("each")
            self._sheet.take_all(rf"\b{found['each']}\b")
            return
        found = self._sheet.take(
            rf"\b(?:the\s+|all\s+|of\s+)*(?P<each>{NOUN_BEFORE})[\s-]+(?=(?:averages|means?|maxim\w+|minim\w+|medians?|peaks|totals?|sums?|highs|lows)\b)"
        )
        if found is not None:
            self._groups.each = self._grouping(found["each"])
            self._groups.each_at = found.start("each")

    def _read_number_of_devices(self) -> None:
        """Covers "the two rooms" where there are two."""
        found = self._sheet.find(
            rf"\b(?:(?:the|all|both|these|our)\s+)*{NUMBER}\s+(?={DEVICE_NOUN}\b)|\bboth\s+(?={DEVICE_NOUN}\b)"
        )
        if found is None:
            return
        number = found["n"] or "two"
        end = found.start() + len(found.group().rstrip())
        count = int(number) if number.isdigit() else NUMBER_WORDS[number]
        if count == len(self._reading.contract.devices):
            self._sheet.cover(found.start(), end)

    def _each(self, adjective: str) -> Grouping:
        if adjective == "hourly":
            self._groups.each_open = not self._is_short
        return ADJECTIVES[adjective]

    def _add(self, grouping: Grouping) -> None:
        if grouping not in self._groups.per:
            self._groups.per.append(grouping)

    def _grouping(self, noun: str) -> Grouping:
        for pattern, grouping in NOUNS:
            if re.fullmatch(pattern, noun):
                return self._hour() if grouping is Grouping.HOUR else grouping
        return Grouping.VALUE

    @property
    def _is_one_day(self) -> bool:
        """Whether one measure of one day is asked for: the daily mean of a day is the mean on it."""
        span, groups = self._scope.hull, self._groups
        chosen = groups.counted is not None or groups.which is not None or groups.per or groups.rank
        whole = span.start is not None and span.end is not None and span.end - span.start == timedelta(days=1)
        one = (
            len(
                re.findall(
                    r"\b(?:average|avg|mean|median|max|min|highest|lowest|sum|total|maximum|minimum)\b", self._sheet.low
                )
            )
            == 1
        )
        return whole and one and not chosen and len(self._scope.times) == 1 and len(self._reading.devices) < 2

    @property
    def _is_short(self) -> bool:
        span = self._scope.hull
        return span.start is not None and span.end is not None and span.end - span.start <= timedelta(days=2)

    def _hour(self) -> Grouping:
        """Returns which hours are meant: those of the calendar within a day or two, else those of every day."""
        if self._is_short:
            return Grouping.HOUR
        note = "hours are those of the day, over all days"
        if note not in self._groups.assumptions:
            self._groups.assumptions.append(note)
        return Grouping.HOUR_OF_DAY

    def _keep_field(self, noun: str) -> None:
        mention = next((item for item in self._reading.names.fields if noun.startswith(item.mark)), None)
        if mention is not None and mention.field is not None:
            if self._groups.value_field and self._groups.value_field != mention.field.name:
                raise Refusal(two_things())
            self._groups.value_field = mention.field.name


def _without_devices() -> str:
    return "|".join(pattern for pattern, grouping in NOUNS if grouping is not Grouping.DEVICE)


def _is_hour(noun: str) -> bool:
    return re.fullmatch(rf"{WHOLE}hours?", noun) is not None


def _noun(marks: list[str]) -> str:
    nouns = [pattern for pattern, _ in NOUNS]
    if marks:
        nouns.insert(0, f"[{''.join(marks)}]\uf8ff*+(?:\\s+(?:values?|categor(?:y|ies)|sectors?))?")
    return f"(?:{'|'.join(nouns)})"
