"""Says some roundabout questions in plain words before they are read, each said in the assumptions."""

import re
from typing import Final

from dataflow_insight.catalogue.concepts import CONCEPTS
from dataflow_insight.english.everyday import everyday
from dataflow_insight.english.names import NameReader
from dataflow_insight.english.phrasings import plain_phrasing
from dataflow_insight.english.roundabout import plainer

_WIND: Final = r"(?:the\s+|a\s+)?winds?\s+(?:(?:mostly|usually|mainly|typically|normally|come|comes|came|coming|blow|blows|blew|blowing|blown|from)\b\s*)+"
_FORMS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "wind direction",
        rf"\b(?:from\s+)?(?:which|what)\s+(?:way|direction|point|quarter)\s+(?:did|does|do|was|is|has|were)\s+(?P<wind>{_WIND})",
        "what was the {field} ",
    ),
    ("wind direction", rf"\bwhere\s+(?:did|does|was|is)\s+(?P<wind>{_WIND})(?=.*)", "what was the {field} "),
    ("wind direction", r"\b(?:the\s+)?wind(?:'s)?\s+(?:usual|main|prevailing)\s+direction\b", "the prevailing {field}"),
    (
        "wind direction",
        rf"\b(?:from|in)\s+how\s+many\s+(?:different\s+)?(?:directions|ways)\s+(?:did|does|has|was)\s+(?P<wind>{_WIND})",
        "how many different {field} values are there ",
    ),
    ("rain", r"\bhow\s+much\s+(?:did|does|has)\s+it\s+rain(?:ed)?\b", "what was the total {field}"),
    ("rain", r"\b(?:did|does|has)\s+it\s+rain(?:ed)?\s+(?:the\s+)?(?P<most>most|least)\b", "had the {most} {field}"),
    ("rain", r"\b(?:did|does|has)\s+it\s+(?P<ever>ever\s+)?(?:actually\s+)?rain(?:ed)?\b", "was {field} above 0"),
    ("rain", r"\b(?:was|is)\s+there\s+(?:ever\s+)?any\s+rain(?:fall)?(?:\s+at\s+all)?\b", "was {field} ever above 0"),
    ("occupancy", r"\b(?P<lead>(?:was|is|were|are|stood|stayed|be|sat|been)\s+(?:the\s+)?(?:\w+[-_]\w+|it|room|office|place|building))\s+(?:empty|vacant|deserted)\b(?!\s+(?:values?|readings?|rows?|fields?|cells?))", "{lead} unoccupied"),
    ("occupancy", r"\b(?P<lead>(?:was|is|were|are|been|gets?|got)\s+(?:the\s+)?(?:\w+[-_]\w+|it|room|office|place|building)\s+(?:ever\s+|actually\s+)?)(?:used|in\s+use|busy|taken)\b", "{lead} occupied"),
    ("wind speed", r"\b(?:have|has|had|see|saw|with)\s+no\s+wind(?:\s+at\s+all)?\b", "have {field} equal to 0"),
    ("temperature", r"\b(?:did|does|has)\s+it\s+(?P<ever>ever\s+)?(?:freeze|frozen)\b", "was {field} below freezing"),
    ("rain", r"\b(?:record(?:ed)?|see|saw|have|had|get|got|register(?:ed)?|report(?:ed)?|measured?|experienced?|catch|caught)\s+(?:any\s+|some\s+)?rain(?:fall)?\b(?!\s*(?:of|above|over|below|under|more|less|between|values?|readings?|data|on\s+average|>|<))(?=\s*(?:at\s+all|ever|on|in|during|at|[?.!]|$))", "have {field} above 0 "),
    ("rain", r"\bhow\s+many\s+rainy\s+(?P<unit>hours|days)\b(?:\s+(?:were|did)\s+(?:there|we\s+have))?", "how many {unit} was {field} above 0"),
    ("rain", r"\bhow\s+many\s+(?P<unit>hours|days)\s+(?:of|with)\s+(?:any\s+)?rain(?:fall)?\b(?!\s*(?:of|above|over|below|under|more|less|between|>|<))(?:\s+(?:were|did)\s+(?:there|we\s+have))?", "how many {unit} was {field} above 0"),
)  # fmt: skip
_SHARE: Final = (
    r"(?:only\s+|just\s+)?(?P<n>\d{1,2}(?:\.\d+)?|half)\s*(?:%|percent|per\s+cent)?\s*of\s+(?:the\s+|all\s+|its\s+)*"
)
_TIMES: Final = r"(?:time|readings|values|measurements|hours|data|samples|observations|cases)"
_VALUE: Final = r"(?:value|level|concentration|limit|threshold|figure|number|amount)"
_BELOW: Final = r"(?:below|under|beneath|less\s+than|lower\s+than|at\s+or\s+below|at\s+most|no\s+more\s+than)"
_ABOVE: Final = r"(?:above|over|more\s+than|higher\s+than|greater\s+than|beyond|at\s+least)"
_ARE: Final = r"(?:is|are|was|were|lies?|lay|do|does|did|falls?|fell|stays?|stayed|remains?|remained|has|have)"
_QUANTILES: Final[tuple[tuple[str, bool], ...]] = (
    (rf"\b{_BELOW}\s+(?:which|what)\s+{_VALUE}\s+{_ARE}\s+{_SHARE}", True),
    (rf"\b{_ABOVE}\s+(?:which|what)\s+{_VALUE}\s+{_ARE}\s+{_SHARE}", False),
    (rf"\b{_BELOW}\s+(?:which|what)\s+(?P<rest>[^?]{{1,30}}?)\s+{_VALUE}\s+{_ARE}\s+{_SHARE}", True),
    (rf"\b{_ABOVE}\s+(?:which|what)\s+(?P<rest>[^?]{{1,30}}?)\s+{_VALUE}\s+{_ARE}\s+{_SHARE}", False),
    (
        rf"\b(?:which|what)\s+(?P<rest>[^?]{{1,40}}?)\s+(?:is|was|gets?|got)\s+exceeded\s+(?:by\s+|for\s+|in\s+|during\s+)?(?=(?:only|just)\b|\d|half){_SHARE}{_TIMES}",
        False,
    ),
    (
        rf"\b(?:which|what)\s+(?P<rest>[^?]{{0,40}}?){_VALUE}\s+(?:do|did|does|are|were)\s+{_SHARE}{_TIMES}?\s*(?P<more>[^?]{{0,60}}?)\s+(?:stay|lie|fall|are|remain|sit|come|go|keep|end\s+up)?\s*{_BELOW}(?=\W*$)",
        True,
    ),
    (
        rf"\b(?:which|what)\s+(?P<rest>[^?]{{0,40}}?){_VALUE}\s+(?:do|did|does|are|were)\s+{_SHARE}{_TIMES}?\s*(?P<more>[^?]{{0,60}}?)\s+(?:stay|lie|rise|are|remain|sit|come|go|keep|end\s+up|exceed)?\s*(?:{_ABOVE}|(?<=exceed))(?=\W*$)",
        False,
    ),
    (
        rf"\b(?:which|what)\s+(?P<rest>[^?]{{0,40}}?){_VALUE}\s+(?:is|was|gets?|got)\s+not\s+exceeded\s+(?:by|in|for|during)\s+{_SHARE}{_TIMES}",
        True,
    ),
    (
        rf"\b(?:which|what)\s+(?P<rest>[^?]{{0,40}}?){_VALUE}\s+(?:is|was|gets?|got)\s+exceeded\s+(?:by|in|for|during)\s+{_SHARE}{_TIMES}",
        False,
    ),
    (
        rf"\b(?:which|what)\s+(?P<more>(?:[^\s?]+\s+){{0,3}}?){_VALUE}\s+(?:did|does|do|was|is)\s+(?P<rest>[^?]{{0,80}}?)\s+(?:exceed(?:ed)?|surpass(?:ed)?|{_ABOVE}|(?:go|stay|lie|rise)\s+{_ABOVE})\s+(?:(?:in|for|during)\s+)?{_SHARE}{_TIMES}",
        False,
    ),
    (
        rf"\b(?:which|what)\s+(?P<more>(?:[^\s?]+\s+){{0,3}}?){_VALUE}\s+(?:did|does|do|was|is)\s+(?P<rest>[^?]{{0,80}}?)\s+(?:{_BELOW}|(?:go|stay|lie|fall)\s+{_BELOW})\s+(?:(?:in|for|during)\s+)?{_SHARE}{_TIMES}",
        True,
    ),
    (
        rf"\b(?:(?:which|what)\s+(?:is\s+the\s+)?)?(?:{_VALUE}|cut-?off|lower\s+(?:bound|edge|limit))\s+(?:(?:that\s+)?(?:separates?|cuts?\s+off|marks?(?:\s+off)?|splits?\s+off|defines?)|for|of)\s+the\s+(?:top|highest|upper|worst|largest)\s+{_SHARE}(?P<rest>[^?]{{1,60}}?)(?:\s+from\s+(?:the\s+rest|all\s+others?|the\s+others?))?(?=\W*$)",
        False,
    ),
    (
        rf"\b(?:(?:which|what)\s+(?:is\s+the\s+)?)?(?:{_VALUE}|cut-?off|upper\s+(?:bound|edge|limit))\s+(?:(?:that\s+)?(?:separates?|cuts?\s+off|marks?(?:\s+off)?|splits?\s+off|defines?)|for|of)\s+the\s+(?:bottom|lowest|lower|smallest|best)\s+{_SHARE}(?P<rest>[^?]{{1,60}}?)(?:\s+from\s+(?:the\s+rest|all\s+others?|the\s+others?))?(?=\W*$)",
        True,
    ),
    (
        rf"\b(?:the\s+)?(?:top|highest|upper|worst|largest)\s+{_SHARE}(?P<rest>[^?]{{1,60}}?)\s+(?:starts?|begins?)\s+at\s+(?:which|what)\s+{_VALUE}",
        False,
    ),
    (
        rf"\b{_SHARE}{_TIMES}?\s*(?P<rest>[^?]{{0,80}}?)\s+{_ARE}\s+{_BELOW}\s+(?:which|what)(?:\s+{_VALUE})?",
        True,
    ),
    (
        rf"\b{_SHARE}{_TIMES}?\s*(?P<rest>[^?]{{0,80}}?)\s+{_ARE}\s+{_ABOVE}\s+(?:which|what)(?:\s+{_VALUE})?",
        False,
    ),
)
_DEPENDS: Final = (
    r"\bhow\s+(?:does|do|did)\s+(?:the\s+)?(?P<what>[^?]{2,60}?)\s+(?:depend(?:s|ed)?\s+(?:up)?on|vary\s+(?:with|by|over|across)|change\s+(?:with|by|over|across)|differ\s+(?:by|between|across|with))\s+(?:the\s+)?"
    r"(?P<by>hours?\s+of\s+(?:the\s+)?day|times?\s+of\s+(?:the\s+)?day|days?\s+of\s+(?:the\s+)?week|weekdays?|wind\s+directions?|stations?|sites?|sensors?|rooms?)\b"
)
_HOW_MANY_LAST: Final = r"^\W*(?P<noun>[a-z]+s)\b(?P<rest>[^:;,?]*)(?:[:;,]|\s-)\s*how\s+many(?:\s+(?:are|were)\s+(?:there|they|these))?\W*$"
_EACH_OF: Final = r"\b(?:(?:on|for|of|in)\s+)?(?:each|every)\s+(?:single\s+)?(?:one\s+)?of\s+the\s+(?:\w+\s+)?(?P<noun>hour|day|week|month)s\b(?:\s+(?:of|in))?"
_OF_AVERAGE: Final = r"(?P<way>\b(?:above|below|over|under|exceed(?:s|ed|ing)?))\s+an?\s+(?P<measure>average|mean)\s+(?:value\s+)?of\s+(?P<n>-?\d)"
_ORDINALS_OF: Final = r"(?P<list>\b\d{1,2}(?:\.\d+)?(?:st|nd|rd|th)?(?:(?:\s*,)?\s*(?:and|or|,|&)\s*(?:the\s+)?\d{1,2}(?:\.\d+)?(?:st|nd|rd|th)?){1,12})[\s-]+(?P<noun>percentile|centile)s?\b"
_QUARTILES: Final = (
    r"\b(?P<first>first|1st|lower|second|2nd)\s+and\s+(?:the\s+)?(?P<second>third|3rd|upper)\s+quartiles?\b"
)
_AND_WHAT: Final = r"\s*[,;]?\s*\band\s+(?:what|how\s+(?:much|high|low))\s+(?:was|is|were|are)\s+(?:it|that|they|those)\s+(?=(?:on|at|in|during|over|by|yesterday|today)\b)"
_BOTH_KINDS: Final = r"\b(?:(?:on|at)\s+)?(?P<first>weekdays|working\s+days|week-?ends)\s+and\s+(?=(?:weekdays|working\s+days|week-?ends)\b)"
_MEASURED: Final = r"\b(?:average|mean|avg|median|max\w*|min\w*|highest|lowest|total|sum|standard|percentile|peak)\b"
_USUALLY: Final = r"\b(?:mostly|usually|mainly|typically|normally)\b"


def plainly(question: str, names: NameReader, assumptions: list[str]) -> str:
    """Returns the question with roundabout forms said plainly, where the contract measures what they are about."""
    plain = everyday(plain_phrasing(plainer(question), names), names_a_field=lambda text: _names_a_field(text, names))
    if _letters(plain) != _letters(question):
        assumptions.append(f'the question was read as "{plain}"')
    question = plain
    for pattern, below in _QUANTILES:
        found = re.search(pattern, question, re.IGNORECASE)
        if found is None:
            continue
        share = 50.0 if found["n"].lower() == "half" else float(found["n"])
        groups = found.groupdict()
        about = " ".join(filter(None, (groups.get("rest"), groups.get("more"))))
        written = f"the {share if below else 100 - share:g}th percentile of {about} "
        # "… (90th percentile)" says the same again.
        again = rf"[,;]?\s*\(?\s*(?:i\.\s?e\.,?\s*|that\s+is,?\s*|namely\s+|in\s+other\s+words,?\s*)?(?:the\s+|its\s+)?{share if below else 100 - share:g}(?:st|nd|rd|th)\s+percentile\s*\)?"
        question = f"{question[: found.end()]}{re.sub(again, '', question[found.end() :], flags=re.IGNORECASE)}"
        assumptions.append("the value below which a part of the readings lie is a percentile")
        return f"{question[: found.start()]}{written}{question[found.end() :]}"
    if _names_a_field(question, names):
        question = re.sub(r"\bmost\s+polluted\b", "worst", question, flags=re.IGNORECASE)
        question = re.sub(r"\bleast\s+polluted\b", "cleanest", question, flags=re.IGNORECASE)
    question = re.sub(_HOW_MANY_LAST, r"how many \g<noun> \g<rest>", question, flags=re.IGNORECASE)
    question = re.sub(
        _ORDINALS_OF,
        lambda found: " and ".join(f"{number}th percentile" for number in re.findall(r"\d+(?:\.\d+)?", found["list"])),
        question,
        flags=re.IGNORECASE,
    )
    question = re.sub(_QUARTILES, r"\g<first> quartile and \g<second> quartile", question, flags=re.IGNORECASE)
    question = re.sub(_BOTH_KINDS, r"on \g<first> versus on ", question, flags=re.IGNORECASE)
    question = re.sub(_AND_WHAT, " versus ", question, flags=re.IGNORECASE)
    question = re.sub(_EACH_OF, r"for each \g<noun> ", question, flags=re.IGNORECASE)
    question = re.sub(_OF_AVERAGE, r"on \g<measure> \g<way> \g<n>", question, flags=re.IGNORECASE)
    if (found := re.search(_DEPENDS, question, re.IGNORECASE)) is not None:
        measure = "" if re.search(_MEASURED, found["what"], re.IGNORECASE) else "average "
        written = f"{measure}{found['what']} by {found['by']}"
        assumptions.append(f'"{found.group()}" means "{written}"')
        question = f"{question[: found.start()]}{written}{question[found.end() :]}"
    for concept, pattern, plain in _FORMS:
        item = names.concept_field(concept)
        if item is None:
            continue
        form = re.compile(pattern, re.IGNORECASE)
        while (found := form.search(question)) is not None:
            groups = found.groupdict()
            written = plain.format(field=item.name, **{name: text for name, text in groups.items() if text})
            if groups.get("wind") and re.search(_USUALLY, groups["wind"], re.IGNORECASE):
                written = written.replace("the ", "the prevailing ", 1)
            assumptions.append(f'"{found.group().strip()}" means "{written.strip()}"')
            question = f"{question[: found.start()]}{written}{question[found.end() :]}"
    return question


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _names_a_field(question: str, names: NameReader) -> bool:
    """Whether a field is called by a name of its own, so that "polluted" is no name of one."""
    low = question.casefold()
    return any(
        names.concept_field(phrase) is not None and re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", low)
        for concept in CONCEPTS
        for phrase in concept.phrases
    )
