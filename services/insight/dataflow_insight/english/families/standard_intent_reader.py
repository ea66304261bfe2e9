"""Covers the words that say what a plain question asks for."""

import re
from typing import Final

from dataflow_insight.english.families.standard_coverage import read_coverage
from dataflow_insight.english.families.standard_groups import YES_NO, Groups
from dataflow_insight.english.families.standard_intent import Intent
from dataflow_insight.english.families.standard_measures import Word, read_extremes
from dataflow_insight.english.lexicon import DEVICE_NOUN, READING_NOUN
from dataflow_insight.english.sheet import DEVICE, FIELD, Sheet
from dataflow_insight.plans.plan import Grouping, Measure

_NOT_COUNTED: Final = (
    rf"{DEVICE_NOUN}|contracts?|tables?|systems?|databases?|data\s?sets?|names?|ids?|periods?|dates?|timestamps?|results?|"
    r"questions?|figures?|logs?|quantit(?:y|ies)|levels?|units?|fields?"
)
"""Nouns that mean nothing in a question, but something else when they are what is counted."""


class IntentReader:
    """Covers the words that say what is asked."""

    def __init__(self, sheet: Sheet, groups: Groups, words: list[Word]) -> None:
        """Takes a sheet on which the words of groups and the plain measures are covered."""
        self._sheet = sheet
        self._groups = groups
        self._intent = Intent(words=words)

    def read(self) -> Intent:
        """Returns what is asked."""
        intent = self._intent
        if not intent.words and self._groups.each is None and self._groups.which is None:
            read_coverage(self._sheet, intent)
        self._read_devices()
        self._read_time()
        self._read_missing()
        self._read_counts()
        self._read_order()
        self._read_superlatives()
        self._read_ends()
        self._read_how()
        self._cover_terms()
        intent.words.sort(key=lambda word: word.start)
        return intent

    def _take(self, pattern: str) -> list[re.Match[str]]:
        return self._sheet.take_all(pattern)

    def _extreme(self, found: re.Match[str], measure: Measure) -> None:
        amount = re.search(r"\b(?:most|fewest|least)\b", found.group()) is not None
        noun = re.search(r"\b(?:maximum|minimum)\b", found.group()) is not None
        self._intent.words.append(Word(found.start(), found.end(), measure, adjective=not noun, amount=amount))

    def _read_devices(self) -> None:
        """Reads which device, each device, all of them."""
        sheet, groups, intent = self._sheet, self._groups, self._intent
        text = sheet.low
        if self._take(
            r"\bone\s+by\s+one\b|\bindividually\b|\bseparately\b|\brespectively\b|\beach\b(?=\W*(?:$|[,;]))|\b(?:for|of|at|from)\s+each\b(?=\W*(?:$|[,;]))|\beach\b(?=\s+(?:have|has|had|send|sent|report|reported|deliver|delivered|record|recorded)\b)"
        ):
            self._per_device()
        if self._take(
            rf"\b(?:give|list|show|name|print)\s+(?:me\s+)?(?:all\s+(?:of\s+)?(?:the\s+)?{DEVICE_NOUN}\b|(?:the\s+)?{DEVICE_NOUN}(?=\W*$))"
        ) or self._take(rf"\b(?:names|list|ids)\s+of\s+(?:all\s+)?(?:of\s+)?(?:the\s+)?(?:known\s+)?{DEVICE_NOUN}\b"):
            intent.devices = True
        elif self._take(rf"\bfor\s+all\s+(?:of\s+)?(?:the\s+)?(?:\w+\s+)?{DEVICE_NOUN}\b"):
            # "The mean for all stations" is one number, "list the means for all stations" and the latest values are not.
            if re.search(
                r"\b(?:latest|last|current|newest|now|first|list|show|each|table|averages|means|medians|maxima|minima|maximums|minimums|totals|values)\b",
                text,
            ) and not re.search(r"\b(?:total|sum|overall|together|combined)\b", text):
                self._per_device()
            intent.plural = True
        # Values that are compared are those of devices only where devices are spoken of.
        several = len(re.findall(DEVICE, self._sheet.visible)) > 1 or re.search(rf"\b{DEVICE_NOUN}\b", text)
        if several and self._take(
            r"^how\s+(?:do|does|did)\b(?=.*\bcompare)|\b(?:compare|comparison\s+of|versus|vs\.?|compared\s+(?:to|with))"
        ):
            self._per_device()
        if groups.which is None and (
            self._take(
                rf"\b(?:at\s+|in\s+|from\s+)?(?:which|what|whose)\s+one\b|\bwho\b(?=\s+(?:reported|recorded|measured|had|has|sent))|\bwhich\s+of\s+(?:the\s+)?(?={DEVICE})"
            )
            or (
                not groups.counted
                and not re.search(rf"\b(?:how\s+many|number\s+of|count\s+of)\s+(?:the\s+)?{DEVICE_NOUN}", text)
                and self._take(rf"\b(?:name|id)s?\s+of\s+(?:the\s+)?{DEVICE_NOUN}\b")
            )
            or self._take(
                r"(?:^|,\s*|:\s*|\band\s+)which\s+(?:one\s+)?(?=(?:had|has|was|is|recorded|reported|measured|got|sent)\b)"
            )
        ):
            groups.which = Grouping.DEVICE
        if groups.which is Grouping.DEVICE:
            self._cover_choice()
        if groups.which is None and self._take(
            rf"\b(?:and|with|plus)\s+(?:its|the)\s+{DEVICE_NOUN}(?=\W*$|\s+(?:it|that|which)\b)"
        ):
            groups.which = Grouping.DEVICE
        if groups.which in {None, Grouping.DEVICE} and self._take(
            r"(?:^|\band\s+|,\s*|\bi\.e\.\s+)where\b(?!\s*" + FIELD + ")"
        ):
            groups.which = Grouping.DEVICE
        if re.search(
            r"\bstations\b|\bsensors\b|\bdevices\b|\bsites\b|\blocations\b|\brooms\b|\bnodes\b|\bmachines\b|\bmonitors\b",
            text,
        ):
            intent.plural = True
        if re.search(r"\b(?:combined|together|in\s+total|overall|altogether|in\s+all|across|over)\b", text):
            intent.combined = True

    def _cover_terms(self) -> None:
        """Covers what leads to the measure that is chosen by."""
        self._take(
            r"\b(?:in\s+terms\s+of|with\s+(?:respect|regard)\s+to|in\s+respect\s+of|when\s+it\s+comes\s+to|(?:measured|judged|judging)\s+(?:by|on)|based\s+on|going\s+by|according\s+to|as\s+measured\s+by)\b|\b(?:network|city|fleet|grid|system)[\s-]*wide\b"
        )

    def _read_how(self) -> None:
        """Covers "how strong was" beside a measure: it asks for the value."""
        self._take(
            r"\bhow\s+(?:high|low|strong|weak|large|big|small|great|bad|good|severe|intense|heavy|deep|elevated|long|wide|variable|spread\\s+out)\b(?=\s+(?:was|is|were|are|did|does|has|have)\b)"
        )
        if self._groups.profile:
            self._take(r"\b(?:over|throughout|during|through)\s+(?:the|a)\s+day\b")
            self._take(r"\bhow\b(?!\s+(?:many|much|often|long))")
            self._take(r"\b(?:develops?|evolves?|changes?|vary|varies|behaves?)\b")

    def _per_device(self) -> None:
        if Grouping.DEVICE not in self._groups.per:
            self._groups.per.append(Grouping.DEVICE)

    def _cover_choice(self) -> None:
        """Covers what stands between the devices to choose from ("Tiantan or Gucheng")."""
        sheet = self._sheet
        choice = rf"{DEVICE}\s*,?\s*(?P<or>or)\s+(?:at\s+|in\s+)?(?:the\s+)?(?:{DEVICE_NOUN}\s+)?{DEVICE}"
        while (found := sheet.find(choice)) is not None:
            sheet.cover(*found.span("or"))
        between = rf"(?P<between>\bbetween\s+)(?:the\s+)?{DEVICE}\s*(?:,|and|or)\s*{DEVICE}"
        if (found := sheet.find(between)) is not None:
            sheet.cover(*found.span("between"))

    def _read_time(self) -> None:
        """Reads when, and whether."""
        intent, text = self._intent, self._sheet.low
        if self._take(
            r"(?:^|\band\s+|,\s*|\bplus\s+|\btell\s+(?:me\s+|us\s+)?|\bsay\s+|\bstate\s+|\bknow\s+|\bfind\s+out\s+|\bexactly\s+|\bshow\s+me\s+)when\b|\b(?:at|on|since)?\s*(?:which|what)\s+(?:exact\s+)?(?:date\s+and\s+time|time|timestamp|moment|point\s+in\s+time)\b|\bwhat\s+was\s+the\s+(?:time|timestamp)\b"
            r"|\bwhen\b(?=[\s?.!]*$)|[-:;?!.]\s*when\b(?=\s+(?:was|did|is|were|has)\b)|\bwhen\s+(?:was|is|did|has)\s+(?:it|that|this)\b|\bpeak\s+time\b|\b(?:(?:the|exact)\s+)*(?:timestamps?|times?|dates?|moments?)\s+(?:of|when|at\s+which|on\s+which)\b(?!\s+(?:the\s+)?(?:day|year|week)\b)|\b(?:and|with|plus|incl(?:uding|\.)?)\s+(?:(?:its|the|their)\s+)?(?:exact\s+)?(?:time(?:stamp)?s?|date(?:\s+and\s+time)?s?|moment)\b|\b(?:the\s+)?(?:exact\s+)?(?:time|timestamp|moment|date\s+and\s+time)\s+(?:it\s+(?:was|occurred|happened)|(?:it|this|that)\s+was|of\s+(?:its\s+|that\s+)?occurrence)\b"
            r"|\b(?:time|timestamp|moment|date|day)\s+of\s+(?:the\s+)?(?=highest|lowest|max|min|last|latest|peak|largest|smallest|warmest|coldest|hottest|\uf8ff|"
            + FIELD
            + ")"
        ):
            intent.when = True
        if self._take(
            r"\b(?:at|on|in)?\s*(?:which|what)\s+(?:day|date)\s+and\s+(?:at\s+)?(?:(?:which|what)\s+)?(?:hour|time)\b"
        ):
            intent.when = True
        intent.when |= self._groups.hour_asked
        if re.match(YES_NO, text) or re.search(r"\bwhether\b", text):
            self._take(r"\bwhether\b")
            intent.yes_no = True
        if self._take(
            r"\b(?:at\s+least|even|just)\s+(?:once|one\s+time)\b|\bat\s+(?:any|some)\s+(?:time|point|moment)\b|\bonce\b|\bat\s+all\b"
        ):
            intent.ever = True
        intent.ever |= bool(re.search(r"\bever\b", text))
        if re.search(rf"\b{READING_NOUN}\b", text):
            intent.readings = True

    def _read_missing(self) -> None:
        """Reads readings without a value, and different values."""
        intent = self._intent
        self._take(r"\b(?:not|non)[\s-]+(?:missing|null|empty)\b|\bvalid\b")
        if self._take(
            rf"\b(?:how\s+many|(?:the\s+)?(?:number|count)\s+of|count(?:\s+the)?)\s+(?:of\s+)?(?:the\s+)?(?:different|distinct|unique)\s+(?=(?:values?\s+(?:of|for|does|did)\s+)?{FIELD})"
        ):
            intent.distinct = True
        elif self._take(r"\b(?:how\s+many\s+)?(?:different|distinct|unique)\s+(?:values?|readings?|levels?)\b"):
            intent.distinct = True
            self._take(r"\bhow\s+many\b|\bnumber\s+of\b|\bcount\s+of\b")
        if self._take(
            r"\b(?:no|without|lack(?:s|ed|ing)?|not\s+(?:have|has|had|report|reported|recorded|measured|available)|missing)\s+(?:of\s+)?(?:an?\s+|any\s+|the\s+|its\s+|their\s+|values?\s+(?:of|for)\s+(?:the\s+)?)?(?="
            + FIELD
            + ")"
        ):
            intent.missing = True
        if self._take(
            r"(?<=\uf8ff)\s*not\s+(?:reported|recorded|measured|available|present|sent|delivered|given)\b|\bwithout\s+(?:an?|any)\s+(?:values?|measurements?)\b|"
            r"\b(?:missing|nulls?|empty|absent|unavailable|lack(?:s|ed|ing)?|gaps?|(?:was|were|is|are)\s+not\s+(?:reported|recorded|measured|available|present|sent)|(?:did\s+not|didn't)\s+(?:report|record|measure|send|deliver))\b"
        ):
            intent.missing = True

    def _read_counts(self) -> None:
        """Reads what is counted."""
        intent = self._intent
        if mm := self._take(r"\bhow\s+many\s+(?:mm|millimet(?:er|re)s)\s+of\s+(?=" + FIELD + ")"):
            self._total(mm[0])
        if self._take(
            r"\bhow\s+(?:often|frequently)\b|\b(?:for\s+|on\s+|at\s+|in\s+)?how\s+many\s+(?:times|occasions)\b|\bnumber\s+of\s+times\b"
        ):
            intent.how_often = True
        for pattern, seconds in ((r"hours?|hrs?", 3600), (r"minutes?|mins?", 60), (r"seconds?", 1)):
            counted = rf"\b(?:for\s+|during\s+|on\s+|in\s+)?(?:how\s+many|number\s+of|count\s+of|count(?:\s+up)?(?:\s+the)?|most|fewest|least|amount\s+of)\s+(?:the\s+)?(?:total\s+)?(?:{pattern})\b"
            if seconds == 3600:
                counted += r"|^\W*(?:the\s+)?hours\s+(?=(?:with|when|where|in\s+which)\b)|^\s*(?:the\s+)?hours\s+(?=(?:of\s+)?[\ue100-\ue1ff\uf8ff])"
            for found in self._take(counted):
                intent.hours, intent.count = seconds, True
                if "most" in found.group():
                    self._extreme(found, Measure.MAX)
                    intent.most = True
                if re.search(r"fewest|least", found.group()):
                    self._extreme(found, Measure.MIN)
                    intent.most = True
        if self._take(r"\b(?:for\s+)?how\s+long\b"):
            intent.hours, intent.count = 3600, True
        if self._take(
            rf"\b(?:how\s+many|number\s+of|count\s+(?:all\s+)?(?:of\s+)?(?:the\s+)?|amount\s+of)\s+[\uf8ff\s]*(?:of\s+the\s+)?{DEVICE_NOUN}\b"
        ):
            intent.devices = intent.device_count = True
        if self._take(
            rf"\b(?:how\s+many|(?:the\s+)?(?:total\s+|overall\s+)?number\s+of)\b(?!\s+[\uf8ff\s]*(?:of\s+)?(?:the\s+)?(?:{_NOT_COUNTED})\b)(?!\W*$)|\b(?:the\s+)?(?:total\s+)?counts?(?:\s+up)?(?:\s+of)?\b|\bamount\s+of\s+(?:data|readings|records|rows|measurements|values)\b"
        ):
            intent.count = True
        if self._take(r"\bhow\s+much\s+(?=data\b)"):
            intent.count = True
        if self._take(
            r"\b(?:the\s+)?total\s+(?=(?:"
            + FIELD
            + r"\s*)?(?:readings|measurements|records|samples|observations|data\s?points|rows|messages|entries)\b)"
        ):
            intent.count = True
        counts = [
            self._sheet.find(rf"\b{word}\s+(?:of\s+the\s+)?(?:{FIELD}\s*|\uf8ff+\s+)?(?:{READING_NOUN})\b")
            for word in ("most", "(?:fewest|least)")
        ]
        if any(counts) and not intent.missing:
            intent.count = True
        if not intent.count:
            for found in self._take(
                r"\b(?:sum(?:\s+(?:up|total))?(?:\s+of)?|sums|summed|accumulated|cumulated|aggregate|(?:the\s+|in\s+)?totals?(?:\s+(?:amount|sum|quantity))?(?:\s+of)?|altogether)\b"
            ):
                self._total(found)

    def _total(self, found: re.Match[str]) -> None:
        self._intent.total = True
        self._intent.words.append(Word(found.start(), found.end(), Measure.SUM))

    def _read_order(self) -> None:
        """Reads "ranked", "highest first" and what is asked beside."""
        intent, groups = self._intent, self._groups
        if self._take(
            rf"\b(?:rank(?:ing)?|sort(?:ed)?|order(?:ed)?)\s+(?:of\s+)?(?:all\s+)?(?:the\s+)?(?:{DEVICE_NOUN}|\uf8ff+)(?:\s+by)?\b|\branking\b|\bleague\s+table(?:\s+of)?\b|\bleader\s?board(?:\s+of)?\b|\branked\b(?:\s+by\b)?|\bsorted\b(?:\s+by\b)?|\border\s+by\b|\brank\b(?:\s+by\b)?|\bsort\b(?:\s+by\b)?"
        ):
            intent.ranked = True
        for pattern, upward in (
            (
                r"\b(?:in\s+)?descending(?:\s+order)?\b|\bfrom\s+(?:the\s+)?(?:highest|most|warmest|best|worst)\s+to\s+(?:the\s+)?(?:lowest|least|coldest|best|worst)\b|,?\s*\b(?:highest|largest|most|warmest|worst)\s+first\b",
                True,
            ),
            (
                r"\b(?:in\s+)?ascending(?:\s+order)?\b|\bfrom\s+(?:the\s+)?(?:lowest|least|coldest)\s+to\s+(?:the\s+)?(?:highest|most|warmest)\b|,?\s*\b(?:lowest|smallest|least|coldest)\s+first\b",
                False,
            ),
        ):
            if self._take(pattern):
                intent.ranked, intent.upward = True, upward
        if intent.ranked and groups.which is None and not groups.per:
            groups.which = Grouping.DEVICE
        if self._take(
            r"(?:\band\s+|,\s*)how\s+(?:high|low|large|big|strong|much|warm|cold|hot)\s+(?:was|is|did|were)\s+(?:it|that|the\s+value)\b(?:\s+(?:get|go|reach))?|(?:\band\s+|,\s*)(?:what|how\s+much)\s+(?:was|is)\s+(?:it|that|its\s+value|the\s+value|the\s+(?=averages?\b|mean\b))"
        ):
            self._take(r"(?<=\uf8ff)\s*(?:average|mean)\b")

    def _read_superlatives(self) -> None:
        """Reads the highest and the lowest."""
        intent = self._intent
        for way, measure, ends in (
            (
                r"how\s+(?:bad|strong|large|big|windy|polluted|dusty|dirty|foul|smoggy|hazy)(?=[^?]*\b(?:get|gotten|go|climb|rise)\b)",
                Measure.MAX,
                r"\b(?:get|gotten|climb|go|rise)\b",
            ),
            (r"how\s+high", Measure.MAX, r"\b(?:get|gotten|climb|go|rise)\b"),
            (r"how\s+low", Measure.MIN, r"\b(?:get|gotten|go|drop|fall|sink)\b"),
        ):
            for found in self._take(rf"\b{way}(?=\s+(?:did|has)\b)"):
                self._extreme(found, measure)
                self._take(ends)
        noun = rf"(?=(?:amount\s+|number\s+)?(?:of\s+)?(?:{READING_NOUN}\b|{FIELD}|missing|rain))"
        for found in self._take(rf"\b(?:most|greatest|largest|highest|maximum|biggest)\s+{noun}"):
            intent.most |= found.group().startswith("most")
            self._extreme(found, Measure.MAX)
        for found in self._take(rf"\b(?:fewest|least|smallest|lowest|minimum)\s+{noun}"):
            intent.most |= found.group().startswith(("fewest", "least"))
            self._extreme(found, Measure.MIN)
        if self._take(r"\bmost\s+recent(?:ly)?\b"):
            intent.latest = True
        intent.words += read_extremes(self._sheet)
        for found in self._take(r"\b(?:most|fewest|least)\b"):
            intent.most = True
            self._extreme(found, Measure.MAX if found.group() == "most" else Measure.MIN)
        if self._groups.which is not None:
            if self._take(r"\b(?:higher|larger|greater|more|stronger|bigger)\b"):
                intent.comparative = 1
            if self._take(r"\b(?:lower|smaller|less|fewer|weaker)\b"):
                intent.comparative = -1
        if self._take(r"\bhow\s+much\b"):
            intent.how_much = True

    def _read_ends(self) -> None:
        """Reads the newest and the oldest."""
        intent = self._intent
        if self._take(r"\b(?:right\s+now|now|currently|current|at\s+(?:the|this)\s+moment|at\s+present|presently)\b"):
            intent.latest = intent.now = True
        if self._take(r"\b(?:latest|last|newest|most\s+recent(?:ly)?|recent|recently|final|freshest)\b"):
            intent.latest = True
        if self._take(r"\b(?:very\s+)?(?:first|earliest|oldest|initial|initially)\b"):
            intent.first = True
