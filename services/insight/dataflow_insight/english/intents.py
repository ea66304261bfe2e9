"""Reads what a question asks for: which measures, per which device, ranked how, and what to say first."""

import re
from dataclasses import dataclass, field
from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN, NUMBER_WORDS, ORDINALS, READING_NOUN
from dataflow_insight.english.sheet import DEVICE, FIELD, Sheet
from dataflow_insight.plans.plan import Measure

_N: Final = r"(?P<n>\d{1,4}|" + "|".join(word for word in NUMBER_WORDS if word != "zero") + r")"
_HIGH: Final = r"(?:highest|maximum|maximal|max|largest|biggest|greatest|top|most|strongest|heaviest)"
_NOT_COUNTED: Final = (
    rf"{DEVICE_NOUN}|contracts?|tables?|systems?|databases?|data\s?sets?|names?|ids?|periods?|dates?|timestamps?|results?|"
    r"questions?|figures?|logs?|quantit(?:y|ies)|levels?|units?|fields?"
)
"""Nouns that mean nothing in a question, but something else when they are what is counted."""
_LOW: Final = r"(?:lowest|minimum|minimal|min|smallest|least|fewest|weakest|bottom)"

SUPERLATIVES: Final[tuple[tuple[str, str, Measure], ...]] = (
    (r"\b(?:warmest|hottest)\b", "temperature", Measure.MAX),
    (r"\b(?:coldest|coolest)\b", "temperature", Measure.MIN),
    (r"\bwindiest\b", "wind speed", Measure.MAX),
    (r"\bbrightest\b", "light", Measure.MAX),
    (r"\bdarkest\b", "light", Measure.MIN),
    (r"\bmost\s+humid\b", "humidity", Measure.MAX),
    (r"\bleast\s+humid\b", "humidity", Measure.MIN),
    (r"\bhow\s+(?:hot|warm)(?=\s+did\b.*\bget\b)", "temperature", Measure.MAX),
    (r"\bhow\s+(?:cold|cool)(?=\s+did\b.*\bget\b)", "temperature", Measure.MIN),
)
"""Adjectives that name a field and an extreme at once: pattern, common name of the field, measure."""

PLAIN: Final[tuple[tuple[str, str], ...]] = (
    (r"\bhow\s+(?:hot|warm|cold|cool)\b(?=\s+(?:was|is|were)\b)", "temperature"),
    (r"\bhow\s+(?:windy)\b", "wind speed"),
    (r"\bhow\s+humid\b", "humidity"),
    (r"\bhow\s+bright\b", "light"),
)
"""Questions for a value that name a field only by an adjective."""


@dataclass(slots=True)
class Intent:
    """What the words ask for.

    Attributes:
        count: Asks how many.
        hours: What is counted is called hours (or minutes): length in seconds; 0 for readings.
        how_often: What is counted is called times.
        average: Asks for the mean.
        highest: Asks for an extreme at the top.
        lowest: Asks for an extreme at the bottom.
        total: Asks for a sum.
        latest: Asks for the newest.
        missing: Asks for readings without a value.
        coverage: Asks which time the data cover.
        first: Asks for the beginning.
        when: Asks for a time.
        date: Asks for a day ("on which date").
        which_device: Asks which device.
        devices: Asks about the devices themselves ("list the stations").
        device_count: Asks how many devices.
        per_device: Asks for one answer for each device.
        ranked: Asks for an order of devices.
        rank: How many devices, or 0.
        place: "second highest": 2; otherwise 0.
        how_much: "How much …".
        most: The extreme was the word "most", "least" or "fewest".
        yes_no: Asks whether.
        combined: Asks for one answer over several devices.
        plural: Speaks of devices in the plural.
        readings: Speaks of readings.
        now: Asks about the present.
        field_name: Common name of the field that an adjective implies.
    """

    count: bool = False
    hours: int = 0
    how_often: bool = False
    average: bool = False
    highest: bool = False
    lowest: bool = False
    total: bool = False
    latest: bool = False
    missing: bool = False
    coverage: bool = False
    first: bool = False
    when: bool = False
    date: bool = False
    which_device: bool = False
    devices: bool = False
    device_count: bool = False
    per_device: bool = False
    ranked: bool = False
    rank: int = 0
    place: int = 0
    how_much: bool = False
    most: bool = False
    yes_no: bool = False
    combined: bool = False
    plural: bool = False
    readings: bool = False
    now: bool = False
    field_name: str = ""
    words: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether any measure is asked for."""
        return any(
            (self.count, self.average, self.highest, self.lowest, self.total, self.latest, self.missing, self.coverage,
             self.how_often, self.hours, self.devices)
        )  # fmt: skip


def read_intent(sheet: Sheet) -> Intent:
    """Covers the words that say what is asked and returns their meaning."""
    intent = Intent()
    text = sheet.low

    def take(pattern: str) -> bool:
        found = sheet.take_all(pattern)
        intent.words += [item.group() for item in found]
        return bool(found)

    _read_coverage(sheet, intent)
    _read_shape(sheet, intent)
    take(r"\b(?:not|non)[\s-]+(?:missing|null|empty)\b|\bvalid\b")
    if take(r"\bhow\s+many\s+(?:mm|millimet(?:er|re)s)\s+of\s+(?=" + FIELD + ")"):
        intent.total = True
    if take(
        r"\b(?:no|without|lack(?:s|ed|ing)?|not\s+(?:have|has|had|report|reported|recorded|measured|available)|missing)\s+(?:of\s+)?(?:an?\s+|any\s+|the\s+|its\s+|their\s+|values?\s+(?:of|for)\s+(?:the\s+)?)?(?="
        + FIELD
        + ")"
    ):
        intent.missing = True
    if take(
        r"\b(?:missing|nulls?|empty|absent|unavailable|(?:was|were|is|are)\s+not\s+(?:reported|recorded|measured|available|present|sent)|(?:did\s+not|didn't)\s+(?:report|record|measure|send|deliver))\b"
    ):
        intent.missing = True
    if intent.missing or sheet.find(r"\bgaps?\b"):
        intent.missing |= take(r"\bgaps?\b")
    if take(
        r"\bhow\s+(?:often|frequently)\b|\b(?:for\s+|on\s+|at\s+|in\s+)?how\s+many\s+(?:times|occasions)\b|\bnumber\s+of\s+times\b"
    ):
        intent.how_often = True
    for pattern, seconds in ((r"hours?|hrs?", 3600), (r"minutes?|mins?", 60), (r"seconds?", 1)):
        if take(
            rf"\b(?:for\s+|during\s+|on\s+|in\s+)?(?:how\s+many|number\s+of|count\s+of|count(?:\s+up)?(?:\s+the)?|most|fewest|least|amount\s+of)\s+(?:the\s+)?(?:total\s+)?(?:{pattern})\b"
        ):
            intent.hours, intent.count = seconds, True
            if re.search(rf"\b(?:most)\s+(?:{pattern})\b", text):
                intent.highest = intent.most = True
            if re.search(rf"\b(?:fewest|least)\s+(?:{pattern})\b", text):
                intent.lowest = intent.most = True
    if take(r"\b(?:for\s+)?how\s+long\b"):
        intent.hours, intent.count = 3600, True
    if take(
        rf"\b(?:how\s+many|number\s+of|count\s+(?:all\s+)?(?:of\s+)?(?:the\s+)?|amount\s+of)\s+[\uf8ff\s]*(?:of\s+the\s+)?{DEVICE_NOUN}\b"
    ):
        intent.devices = intent.device_count = True
    if take(
        rf"\b(?:how\s+many|(?:the\s+)?(?:total\s+|overall\s+)?number\s+of)\b(?!\s+[\uf8ff\s]*(?:of\s+)?(?:the\s+)?(?:{_NOT_COUNTED})\b)(?!\W*$)|\b(?:the\s+)?(?:total\s+)?counts?(?:\s+up)?(?:\s+of)?\b|\bamount\s+of\s+(?:data|readings|records|rows|measurements|values)\b"
    ):
        intent.count = True
    if take(r"\b(?:on\s+)?(?:the\s+)?(?:averages?|averaged|averaging|avg|means?|mean\s+value|arithmetic\s+mean)\b"):
        intent.average = True
    if take(r"\bmost\s+recent(?:ly)?\b"):
        intent.latest = True
    if take(r"\bhow\s+much\s+(?=data\b)"):
        intent.count = True
    if take(
        r"\b(?:the\s+)?total\s+(?=(?:"
        + FIELD
        + r"\s*)?(?:readings|measurements|records|samples|observations|data\s?points|rows|messages|entries)\b)"
    ):
        intent.count = True
    more, fewer = (
        sheet.find(rf"\b{word}\s+(?:of\s+the\s+)?(?:{FIELD}\s*)?(?:{READING_NOUN})\b")
        for word in ("most", "(?:fewest|least)")
    )
    if (more or fewer) and not intent.missing:
        intent.count = True
    if take(r"\bhow\s+high(?=\s+(?:did|has)\b)"):
        intent.highest = True
        take(r"\b(?:get|gotten|climb|go|rise)\b")
    if take(r"\bhow\s+low(?=\s+(?:did|has)\b)"):
        intent.lowest = True
        take(r"\b(?:get|gotten|go|drop|fall|sink)\b")
    if take(
        r"(?:\band\s+|,\s*)how\s+(?:high|low|large|big|strong|much|warm|cold|hot)\s+(?:was|is)\s+(?:it|that|the\s+value)\b|(?:\band\s+|,\s*)(?:what|how\s+much)\s+(?:was|is)\s+(?:it|that)\b"
    ):
        intent.words.append("and its value")
    if take(
        r"\b(?:most|greatest|largest|highest|maximum|biggest)\s+(?=(?:amount\s+|number\s+)?(?:of\s+)?(?:"
        + READING_NOUN
        + r"\b|"
        + FIELD
        + r"|missing|rain))"
    ):
        intent.highest = True
        intent.most = bool(re.search(r"\bmost\b", text))
    if take(
        r"\b(?:fewest|least|smallest|lowest|minimum)\s+(?=(?:amount\s+|number\s+)?(?:of\s+)?(?:"
        + READING_NOUN
        + r"\b|"
        + FIELD
        + r"|missing|rain))"
    ):
        intent.lowest = True
        intent.most = bool(re.search(r"\bleast\b|\bfewest\b", text))
    if take(
        r"\b(?:all[- ]time\s+|record\s+)?(?:highest|maximum|maximums|maxima|maximal|max|largest|biggest|greatest|peaks?|peaked|strongest|heaviest|top|record\s+high)\b"
    ):
        intent.highest = True
    if take(
        r"\b(?:all[- ]time\s+|record\s+)?(?:lowest|minimum|minimums|minima|minimal|min|smallest|weakest|lightest|bottom|record\s+low)\b"
    ):
        intent.lowest = True
    if take(r"\b(?:most|fewest|least)\b"):
        intent.most = True
        intent.highest |= bool(re.search(r"\bmost\b", text))
        intent.lowest |= bool(re.search(r"\bleast\b|\bfewest\b", text))
    if intent.which_device and take(r"\bhigher\b|\blarger\b|\bgreater\b|\bmore\b"):
        intent.highest = True
        intent.words.append("higher of")
    if intent.which_device and take(r"\blower\b|\bsmaller\b|\bless\b|\bfewer\b"):
        intent.lowest = True
        intent.words.append("lower of")
    if take(r"\bhow\s+much\b"):
        intent.how_much = True
    if not intent.count and take(
        r"\b(?:sum(?:\s+(?:up|total))?(?:\s+of)?|summed|accumulated|aggregate|(?:the\s+|in\s+)?total(?:\s+(?:amount|sum|quantity))?(?:\s+of)?|altogether)\b"
    ):
        intent.total = True
    if take(r"\b(?:right\s+now|now|currently|current|at\s+(?:the|this)\s+moment|at\s+present|presently)\b"):
        intent.latest = intent.now = True
    if take(r"\b(?:latest|last|newest|most\s+recent(?:ly)?|recent|final)\b"):
        intent.latest = True
    if take(r"\b(?:first|earliest|oldest|initial|initially)\b"):
        intent.first = True
    return intent


def _read_shape(sheet: Sheet, intent: Intent) -> None:
    """Reads which device, each device, how many of them, when."""
    text = sheet.low

    def take(pattern: str) -> re.Match[str] | None:
        found = sheet.take(pattern)
        if found is not None:
            intent.words.append(found.group())
        return found

    for pattern in (
        rf"\b(?P<way>top|bottom|first|highest|lowest)\s+{_N}\s+(?={DEVICE_NOUN}\b)",
        rf"\b(?P<way>top|bottom)\s+{_N}\b",
        rf"\b(?:which|what)\s+(?:are\s+(?:the\s+)?)?{_N}\s+(?={DEVICE_NOUN}\b)",
        rf"\b(?:the\s+)?{_N}\s+(?={DEVICE_NOUN}\s+(?:with|that|which|having|where)\b)",
        rf"\b(?:the\s+)?{_N}\s+(?=(?:highest|lowest|warmest|coldest|hottest|coolest|windiest)\s+(?:\w+\s+)?{DEVICE_NOUN}\b)",
    ):
        if (found := sheet.find(pattern)) is not None:
            number = found["n"]
            intent.rank = int(number) if number.isdigit() else NUMBER_WORDS[number]
            way = found.groupdict().get("way") or ""
            intent.highest |= way in {"top", "highest", "first"}
            intent.lowest |= way in {"bottom", "lowest"}
            intent.which_device = True
            if "which" in found.group() or "what" in found.group():
                sheet.cover(found.start("n"), found.end("n"))
            else:
                sheet.cover(found.start(), found.end())
            break
    ordinals = "|".join(ORDINALS)
    if (
        found := take(rf"\b(?P<place>{ordinals})[\s-]+(?={_HIGH}\b|{_LOW}\b|warmest|coldest|hottest|coolest)")
    ) is not None:
        intent.place = ORDINALS[found["place"]]
    if take(
        rf"\b(?:rank(?:ing)?|sort(?:ed)?|order(?:ed)?)\s+(?:of\s+)?(?:all\s+)?(?:the\s+)?{DEVICE_NOUN}(?:\s+by)?\b|\branking\b|\branked\b|\bsorted\b"
    ):
        intent.ranked = intent.per_device = True
        intent.highest |= bool(
            take(
                r"\b(?:in\s+)?descending(?:\s+order)?\b|\bfrom\s+(?:the\s+)?highest\s+to\s+(?:the\s+)?lowest\b|\bhighest\s+first\b"
            )
        )
        intent.lowest |= bool(
            take(
                r"\b(?:in\s+)?ascending(?:\s+order)?\b|\bfrom\s+(?:the\s+)?lowest\s+to\s+(?:the\s+)?highest\b|\blowest\s+first\b"
            )
        )
    if take(
        rf"\b(?:per(?=[\s-])|for\s+each(?:\s+of\s+the)?|for\s+every|by|of\s+each|of\s+every|at\s+each|at\s+every|each|every)[\s-]+(?:single\s+|individual\s+)?{DEVICE_NOUN}\b|\b{DEVICE_NOUN}\s+by\s+{DEVICE_NOUN}\b|\bby\s+{DEVICE_NOUN}\b|\bindividually\b|\bseparately\b|\brespectively\b|\beach\b"
    ):
        intent.per_device = True
    if (found := take(r",?\s*\b(?P<way>highest|largest|most|lowest|smallest|least)\s+first\b")) is not None:
        intent.ranked = intent.per_device = True
        intent.highest = found["way"] in {"highest", "largest", "most"}
        intent.lowest = not intent.highest
    if take(rf"\b(?:give|list|show|name|print)\s+(?:me\s+)?all\s+(?:of\s+)?(?:the\s+)?{DEVICE_NOUN}\b") or take(
        rf"\b(?:names|list|ids)\s+of\s+(?:all\s+)?(?:of\s+)?(?:the\s+)?(?:known\s+)?{DEVICE_NOUN}\b"
    ):
        intent.devices = True
    elif take(rf"\bfor\s+all\s+(?:of\s+)?(?:the\s+)?(?:\w+\s+)?{DEVICE_NOUN}\b"):
        # "The total for all stations" is one number.
        intent.per_device = not re.search(r"\b(?:total|sum|overall)\b", text)
        intent.plural = True
    if sheet.take_all(
        r"^how\s+(?:do|does|did)\b(?=.*\bcompare)|\b(?:compare|comparison\s+of|versus|vs\.?|compared\s+(?:to|with))"
    ):
        intent.per_device = True
    if (
        found := take(
            rf"\b(?:at\s+|in\s+|from\s+|on\s+)?(?:which|what|whose)\s+(?:one\s+)?(?:of\s+)?(?:the\s+|these\s+|all\s+)*(?P<noun>{DEVICE_NOUN})\b|\bwho\b(?=\s+(?:reported|recorded|measured|had|has|sent))|\bwhich\s+of\s+(?:the\s+)?{DEVICE}"
        )
    ) is not None:
        intent.which_device = True
        noun = found.groupdict().get("noun") or ""
        intent.plural |= noun.endswith("s")
    elif (
        not re.search(rf"\b(?:how\s+many|number\s+of|count\s+of)\s+(?:the\s+)?{DEVICE_NOUN}", text)
        and take(
            rf"\b(?:name|id)s?\s+of\s+(?:the\s+)?{DEVICE_NOUN}\b|\b{DEVICE_NOUN}\s+(?=(?:with|having|that\s+(?:had|has|reported|recorded|measured|sent)|which\s+(?:had|has|reported|recorded|measured|sent))\b)"
        )
    ) or take(r"(?:^|,\s*|\band\s+)which\s+(?:one\s+)?(?=(?:had|has|was|is|recorded|reported|measured|got|sent)\b)"):
        intent.which_device = True
    if intent.which_device:
        while (
            found := sheet.find(
                rf"{DEVICE}\s*,?\s*(?P<or>or)\s+(?:at\s+|in\s+)?(?:the\s+)?(?:{DEVICE_NOUN}\s+)?{DEVICE}"
            )
        ) is not None:
            sheet.cover(found.start("or"), found.end("or"))
        if (
            found := sheet.find(rf"(?P<between>\bbetween\s+)(?:the\s+)?{DEVICE}\s*(?:,|and|or)\s*{DEVICE}")
        ) is not None:
            sheet.cover(found.start("between"), found.end("between"))
    if take(r"(?:^|\band\s+|,\s*)where\b(?!\s*" + FIELD + ")"):
        intent.which_device = True
    if take(
        r"(?:^|\band\s+|,\s*|\btell\s+me\s+|\bknow\s+|\bfind\s+out\s+|\bexactly\s+|\bshow\s+me\s+)when\b|\b(?:at|on|since)?\s*(?:which|what)\s+(?:exact\s+)?(?:date\s+and\s+time|time|timestamp|moment|point\s+in\s+time)\b|\bwhat\s+was\s+the\s+(?:time|timestamp)\b|\b(?:time|timestamp)\s+of\s+(?:the\s+)?(?=highest|lowest|max|min|last|latest|peak|largest|"
        + FIELD
        + ")"
    ):
        intent.when = True
    if take(r"\b(?:at|on|in)?\s*(?:which|what)\s+(?:day|date)\s+and\s+(?:at\s+)?(?:(?:which|what)\s+)?(?:hour|time)\b"):
        intent.when = True
    if take(r"\b(?:at|on|in)?\s*(?:which|what)\s+(?:day|date|hour)\b"):
        intent.when = intent.date = True
    if re.match(r"(?:and\s+|so\s+)?(?:did|was|were|is|are|has|have|does|do)\b", text) or re.search(
        r"\bwhether\b", text
    ):
        take(r"\bwhether\b")
        intent.yes_no = True
    if re.search(r"\b(?:combined|together|in\s+total|overall|altogether|in\s+all|across|over)\b", text):
        intent.combined = True
    if re.search(
        r"\bstations\b|\bsensors\b|\bdevices\b|\bsites\b|\blocations\b|\brooms\b|\bnodes\b|\bmachines\b|\bmonitors\b",
        text,
    ):
        intent.plural = True
    if re.search(rf"\b{READING_NOUN}\b", text):
        intent.readings = True


def _read_coverage(sheet: Sheet, intent: Intent) -> None:
    """Reads questions about the time that the data cover."""
    for pattern in (
        r"\b(?:what|which)\s+(?:is\s+the\s+|was\s+the\s+)?(?:whole\s+|total\s+|full\s+)?(?:time\s*)?(?:period|span|range|frame|window|interval|dates|days|timespan|timeframe|date\s+range)(?:\s+of\s+time)?\b",
        r"\b(?:time|date)\s*(?:range|span|period|frame)s?\b|\btimespan\b|\btimeframe\b|\bdate\s+range\b",
        r"\bcover(?:s|ed|age|ing)?\b|\bspan(?:s|ned)?\b|\bhow\s+far\s+back\b|\bbetween\s+(?:which|what)\s+(?:dates|days|times)\b|\b(?:from|since)\s+when\s+(?:to|until|till)\s+when\b",
    ):
        if sheet.take_all(pattern):
            intent.coverage = True
    if sheet.take(
        r"\bfirst\s+(?:and|to|&)\s+(?:the\s+)?last\b|\bearliest\s+and\s+(?:the\s+)?(?:latest|last)\b|\boldest\s+and\s+(?:the\s+)?(?:newest|latest)\b|\bstart\s+and\s+(?:the\s+)?end\b|\bbegin(?:ning)?\s+and\s+(?:the\s+)?end\b|\bstart(?:s|ed)?\s+and\s+end(?:s|ed)?\b|\bbegin\s+and\s+end\b"
    ):
        intent.coverage = True
        sheet.take_all(r"\b(?:dates?|days?)\b")
    if sheet.take(r"\b(?:start(?:s|ed|ing)?|begin(?:s|ning)?|began)\b"):
        intent.coverage = intent.first = True
    if sheet.take(r"\b(?:ends?|ended|ending|stop(?:s|ped)?|finish(?:es|ed)?)\b"):
        intent.coverage = intent.latest = True
    if sheet.take(r"\bsince\s+when\b"):
        intent.coverage = intent.first = True
    sheet.take_all(r"\bup\s+to\b(?=\s*$)")
