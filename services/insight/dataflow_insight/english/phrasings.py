"""Says further wordings plainly: a second sentence that asks for the values, a place counted from an end, day against night.

Each form means the same as what is put in its place, and says nothing of a device, a time or a limit that is then left out.
"""

import re
from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.moments import MONTHS
from dataflow_insight.english.names import NameReader
from dataflow_insight.english.rewriting import rewritten, rules

_MONTH: Final = "|".join(sorted(MONTHS, key=len, reverse=True))
_HIGH_END: Final = r"(?:dirtiest|top|highest|most\s+polluted|largest|biggest|warmest|hottest|windiest|strongest)"
_LOW_END: Final = r"(?:cleanest|bottom|lowest|least\s+polluted|smallest|coldest|calmest|weakest)"
_PLACE: Final = r"(?P<place>second|third|fourth|fifth|sixth|2nd|3rd|4th|5th|6th)"
_RANKED: Final = (
    rf"\b(?P<ask>which|what)\s+(?P<noun>{DEVICE_NOUN}|day|hour|week|weekday)\s+(?:is|was|comes?|came|ranks?|ranked|finishe[sd]|sits|lies|stands|takes|took)\s+(?:in\s+|on\s+)?(?:the\s+)?{_PLACE}(?:\s+(?:place|position|spot))?"
    r"\s+(?:for|by|in|on|in\s+terms\s+of|with|when\s+ranked\s+by)\s+(?:the\s+|its\s+)?(?P<what>[^?,;(]{3,60}?)\s*[,(]?\s*(?:when\s+)?(?:counting|counted|starting|beginning|seen|ranked|going)\s+(?:down\s+|up\s+)?(?:from|with|at)\s+the\s+"
)
_OF_AIR: Final = (
    r"(?=[^?]*\b(?:pm\s?2\.?5|pm\s?10|so2|no2|co2?|o3|ozone|\w+\s+(?:mon|di)oxide|dust|particles|pollution|smog)\b)"
)
_CLOCK: Final = r"\d{1,2}(?::\d\d)?(?:\s*(?:am|pm|h\b|o'clock))?"
_DAYTIME: Final = rf"(?:by|during|in|at|over)?\s*(?:the\s+)?day(?:\s?time)?\s*(?:\(\s*|,\s*|from\s+)(?:from\s+|between\s+|i\.e\.,?\s*)?(?P<first>{_CLOCK})\s*(?:-|to|until|till|and)\s*(?P<last>{_CLOCK})\s*\)?"
_NIGHT: Final = r"(?:by|during|in|at|over)?\s*(?:the\s+)?night(?:\s?time|s)?(?!\s*\()"
_NOT: Final = r"(?P<word>\s*,?\s*\b(?:than|and|or|versus|vs\.?|compared\s+(?:to|with)|against)\s+)"
_DAY_THEN_NIGHT: Final = re.compile(rf"\b{_DAYTIME}{_NOT}{_NIGHT}\b", re.IGNORECASE)
_NIGHT_THEN_DAY: Final = re.compile(rf"\b{_NIGHT}{_NOT}{_DAYTIME}", re.IGNORECASE)

_COUNT: Final = r"(?:\d{1,2}|two|three|four|five|six|seven|eight|nine|ten)"
_TOLD: Final = r"(?:\s+(?:was|were|is|are|did|does)\s+(?:it|they|that|this|these|those)(?:\s+(?:measured|recorded|observed|seen|taken|reported|occur|happen))?)?"
_WAYS: Final = r"(?:above|over|below|under|beyond|at\s+least|at\s+most|greater\s+than|higher\s+than|lower\s+than|less\s+than|more\s+than)"
_PASSES: Final = r"(?:(?:go(?:es)?|get(?:s)?|rise(?:s)?|climb(?:s)?|drop(?:s)?|fall(?:s)?|was|is)\s+)"

_PLAIN: Final = rules(
    # A list of readings, and the value of a first one, are told with their places and times.
    (rf"(?P<lead>\b(?:{_COUNT}\s+(?:highest|lowest|largest|smallest|greatest|biggest|worst)|(?:top|bottom|highest|lowest)\s+{_COUNT})\s+[^?]*?\b(?:readings|values|measurements|records)\b[^?]*?),?\s+(?:and|plus)\s+(?:where|when|where\s+and\s+when|when\s+and\s+where|(?:at|from|in)\s+(?:which|what)\s+{DEVICE_NOUN}){_TOLD}\W*$", r"\g<lead>?"),
    (rf"^(?P<lead>\W*(?:what|which)\s+(?:was|is)\s+(?:the\s+)?(?:very\s+)?(?:first|last)\s+[^?]*?\b(?:{_WAYS})\s+(?:minus\s+)?-?\d[^?]*?),?\s+and\s+(?:when|at\s+(?:what|which)\s+time){_TOLD}\W*$", r"\g<lead>?"),
    (rf"^\W*when\s+(?:did|was|does)\s+(?P<what>[^?]+?)\s+(?P<end>first|last)\s+(?:{_PASSES}?(?P<way>{_WAYS})|(?P<up>exceed))\s+(?P<rest>[^?]+?),?\s+and\s+(?:what\s+(?:was|is)\s+(?:the\s+|its\s+)?(?:value|reading|level|concentration|figure)|how\s+(?:high|low|much)\s+was\s+it)(?:\s+(?:then|at\s+that\s+time))?\W*$", r"what was the \g<end> \g<what> \g<way>\g<up> \g<rest>?"),
    (r"(?P<lead>\bbetween\s+(?:minus\s+)?-?\d+(?:\.\d+)?\s+and\s+(?:minus\s+)?-?\d+(?:\.\d+)?(?:\s*(?:°\s?[cf]|ppm|%|µg/m³|ug/m3|hpa|m/s|lux))?)\s*,?\s*\(?\s*(?:both\s+)?(?:inclusive(?:ly)?|included)\b\s*\)?", r"\g<lead>"),
    (r"\bhow\s+much\s+of\s+(?:the\s+)?(?P<whole>pm\s?10|pm\s?2\.?5|particles|dust)\s+(?P<be>is|was|were|are|consists?\s+of|came\s+from)\b", r"what fraction of \g<whole> \g<be>"),
    (rf"^\W*when(?:ever)?\s+(?P<cond>[^?,]*?\b(?:{_WAYS}|between)\s+(?:minus\s+)?-?\d[^?,]*),\s*(?P<ask>(?:what|which|how)\b[^?]+)\?*$", r"\g<ask> when \g<cond>?"),
    (r"^\W*(?:the\s+)?number\s+of\s+(?P<unit>days|hours)(?P<when>\s+(?:in|of|during)\s+[^?,]{3,30}?)?\s+with\s+rain\b", r"how many \g<unit> with rain\g<when>"),
    (rf"\b(?:excluding|ignoring|leaving\s+out|except(?:\s+for)?|not\s+counting)\s+(?:all\s+|any\s+|the\s+)*(?:readings|values|hours|measurements)\s+(?P<way>{_WAYS})\s+(?=(?:minus\s+)?-?\d)", r"in readings not \g<way> "),
    # Words for an extreme, for different values and for missing ones.
    (r"\b(?P<ask>which|what)\s+(?P<what>wind\s+direction|direction)\s+(?P<was>is|was)\s+(?:the\s+)?(?:rarest|least\s+(?:common|frequent|often(?:\s+(?:seen|recorded|observed))?))\b", r"\g<ask> \g<what> had the fewest readings"),
    (r"\brarest\b", "least common"),
    (r"\bmost\s+seldom\b|\bseldomest\b", "least often"),
    (r"\bhow\s+dry\s+(?P<be>did|does|has)\s+(?:the\s+)?air\s+(?:in\s+|at\s+)?(?P<who>\S+)\s+(?P<get>get|become|gotten)\b", r"how low \g<be> humidity at \g<who> \g<get>"),
    (r"\b(?:around|about|near)\s+(?:noon|midday|lunch\s?time|midnight)\s*\(\s*(?:from\s+|between\s+)?(?P<first>\d{1,2}(?::\d\d)?)\s*(?:-|to|until|till|and)\s*(?P<last>\d{1,2}:\d\d)\s*\)", r"between \g<first> and \g<last>"),
    (r"\b(?P<ask>how\s+many|number\s+of)\s+(?P<kind>different|distinct|unique)\s+(?P<what>temperature|humiditie|pressure|concentration|wind\s+speed|wind\s+direction|light\s+level|co2\s+level|ozone\s+level)s\b", r"\g<ask> \g<kind> \g<what> values"),
    (r"\bhumiditie values\b", "humidity values"),
    (r"^\W*(?P<a>[\w-]+)\s+or\s+(?P<b>[\w-]+)\s*[:,-]\s*(?:who|which(?:\s+one)?|where)\s+(?P<has>has|had|gets|got|sees|saw|is|was)\s+(?P<rest>[^?]+)\?*$", r"which \g<has> \g<rest>, \g<a> or \g<b>?"),
    (rf"\b(?P<did>did|does|has|have)\s+(?P<who>(?:any|every|no)\s+{DEVICE_NOUN})\s+(?:miss(?:ed)?|lack(?:ed)?|lose|lost)\s+(?P<way>more\s+than|over|at\s+least|less\s+than|fewer\s+than)\s+(?P<n>\d+)\s+(?P<what>[\w.]+)\s+(?P<noun>values|readings|measurements)\b", r"\g<did> \g<who> have \g<way> \g<n> missing \g<what> \g<noun>"),
    (r"(?<!\d)(?<!\d\s)(?:%|\bpct)\s+of\s+(?=(?:the\s+|all\s+)*(?:readings|hours|time|values|days|rows|samples|measurements|records)\b)", "percent of "),
    (rf"\bon\s+the\s+(?:day|date)\s+(?:of\s+)?(?:the\s+)?(?=(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{_MONTH})|(?:{_MONTH})\s+\d|\d{{4}}-\d\d)\b)", "on "),
    (rf"{_RANKED}{_HIGH_END}(?:\s+(?:one|{DEVICE_NOUN}))?\s*\)?", r"\g<ask> \g<noun> has the \g<place> highest \g<what>"),
    (rf"{_OF_AIR}{_RANKED}worst(?:\s+(?:one|{DEVICE_NOUN}))?\s*\)?", r"\g<ask> \g<noun> has the \g<place> highest \g<what>"),
    (rf"{_OF_AIR}{_RANKED}best(?:\s+(?:one|{DEVICE_NOUN}))?\s*\)?", r"\g<ask> \g<noun> has the \g<place> lowest \g<what>"),
    (rf"{_RANKED}{_LOW_END}(?:\s+(?:one|{DEVICE_NOUN}))?\s*\)?", r"\g<ask> \g<noun> has the \g<place> lowest \g<what>"),
)  # fmt: skip
"""Pattern and how to say it plainly."""

_OUTSIDE: Final = r"\s+(?:outside|outdoors|out\s+there|in\s+the\s+open)\b"
_IT_WAS: Final = (
    r"\b(?P<be>it\s+(?:was|is|were|got)|(?:was|is|did)\s+it(?:\s+(?:get|go|drop|fall|stay|ever))?)\s+(?P<way>(?:not\s+)?(?:below|above|under|over|less\s+than|more\s+than|at\s+least|at\s+most|between))\s+"
    r"(?P<n>zero\b|freezing\b|(?:minus\s+|-)?\d+(?:\.\d+)?(?:\s+and\s+(?:minus\s+|-)?\d+(?:\.\d+)?)?\s*(?:°\s?[cf]\b|degrees?\b|celsius\b|fahrenheit\b))"
)

_MEASURES: Final = {
    "average": "mean", "averages": "mean", "mean": "mean", "means": "mean", "avg": "mean", "median": "median", "medians": "median", "maximum": "max", "max": "max",
    "highest": "max", "peak": "max", "minimum": "min", "min": "min", "lowest": "min", "total": "sum", "totals": "sum", "sum": "sum", "count": "count", "counts": "count",
}  # fmt: skip
_NEUTRAL: Final = r"values?|numbers?|figures?|amounts?|levels?"
_AND_VALUES: Final = re.compile(
    r"(?:\s*[.?!;]|,\s*(?:and\s+)?|\s+and\s+)\s*(?:please\s+)?(?:also\s+)?(?:give|state|show|list|report|include|tell|add|print|return|provide|say)\s+(?:me\s+)?(?:also\s+)?(?:the|its|their)\s+(?:respective\s+|corresponding\s+)?"
    rf"(?P<measure>{'|'.join(_MEASURES)}|{_NEUTRAL})(?:\s+(?:values?|levels?|figures?))?\s+(?:for|of|on|at|in|from)\s+(?:(?:each|every|all)(?:\s+(?:one\s+)?of\s+(?:these|those|the|them)|\s+such|\s+of)?|these|those|them)\s*(?:days?|weeks?|hours?|dates?|{DEVICE_NOUN})?\W*$",
    re.IGNORECASE,
)


def plain_phrasing(question: str, names: NameReader) -> str:
    """Returns the question with such wordings said plainly.

    Args:
        question: Without chat around it.
        names: Those of the contract: "outside" changes nothing where only the weather outside is measured.
    """
    question = _without_values(question)
    question = _DAY_THEN_NIGHT.sub(
        lambda found: _between(found["first"], found["last"]) + found["word"] + _between(found["last"], found["first"]),
        question,
    )
    question = _NIGHT_THEN_DAY.sub(
        lambda found: _between(found["last"], found["first"]) + found["word"] + _between(found["first"], found["last"]),
        question,
    )
    question = rewritten(question, _PLAIN)
    temperature = names.concept_field("temperature")
    if temperature is not None:
        question = re.sub(_IT_WAS, lambda found: _told(found, temperature.name), question, flags=re.IGNORECASE)
    if names.concept_field("wind speed") is not None:
        question = re.sub(_OUTSIDE, "", question, flags=re.IGNORECASE)
    return question


def _told(found: re.Match[str], name: str) -> str:
    be = "is" if re.search(r"\bis\b", found["be"]) else "was"
    asked = re.match(r"it\b", found["be"], re.IGNORECASE) is None
    return f"{be} {name} {found['way']} {found['n']}" if asked else f"{name} {be} {found['way']} {found['n']}"


def _between(first: str, last: str) -> str:
    def hour(text: str) -> str:
        return f"{int(text):02d}:00" if text.strip().isdigit() else text.strip()

    return f"between {hour(first)} and {hour(last)}"


def _without_values(question: str) -> str:
    """Leaves out "Give the average for each of these days", where the average is what the question is about."""
    found = _AND_VALUES.search(question)
    if (
        found is None
        or re.search(r"\b(?:which|what|list|show|name)\b", question[: found.start()], re.IGNORECASE) is None
    ):
        return question
    measure = _MEASURES.get(found["measure"].lower())
    asked = {_MEASURES.get(word) for word in re.findall(r"[a-z]+", question[: found.start()].lower())}
    return question if measure is not None and measure not in asked else f"{question[: found.start()]}?"
