"""Says plainly what a question says twice: which side is taken from which, and the days of "the first week (1-7)"."""

import calendar
import re
from typing import Final

from dataflow_insight.english.moments import MONTHS

_WORDS: Final = r"(?:the\s+|that\s+|those\s+)?(?P<{name}>[a-z0-9][\w.'-]*(?:\s+[\w.'-]+){{0,2}}?)"
_TAIL: Final = re.compile(
    rf"(?P<lead>[,:;.?(]|\s-)\s*(?:and\s+|so\s+|i\.?e\.?,?\s+|that\s+is,?\s+|in\s+the\s+order\s+)?{_WORDS.format(name='a')}\s+(?:minus|less|-)\s+{_WORDS.format(name='b')}\s*\)?\W*$",
    re.IGNORECASE,
)
_TWO: Final = re.compile(r"\b(?:vs\.?|versus|compar\w+|differ\w*|between|against|how\s+much|than)(?=\W)", re.IGNORECASE)
_OF_READINGS: Final = re.compile(
    r"\b(?:first|last|latest|newest|oldest)\s+(?:\w+\s+)?(?:readings?|values?|measurements?|records?)\b", re.IGNORECASE
)
_FIRSTS: Final = frozenset({"first", "former", "first one"})
_SECONDS: Final = frozenset({"second", "last", "latter", "second one", "other"})
_MONTH: Final = "|".join(sorted(MONTHS, key=len, reverse=True))
_MONTH_NAME: Final = re.compile(rf"\b(?P<month>{_MONTH})\b\.?(?:,?\s+(?P<year>\d{{4}}))?", re.IGNORECASE)
_DAYS: Final = re.compile(
    rf"\b(?:the\s+)?(?P<place>first|second|third|fourth|last|final|1st|2nd|3rd|4th)\s+(?P<part>week|half)\s*\(\s*(?:from\s+)?(?:the\s+)?(?:days?\s+)?(?P<first>\d{{1,2}})(?:st|nd|rd|th)?\s*(?:-|\u2013|\u2014|to)\s*(?:the\s+)?(?P<last>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"(?:\s+(?:of\s+)?(?P<inside>{_MONTH})\.?(?:\s+(?P<inside_year>\d{{4}}))?)?\s*\)(?:\s+(?:of|in)\s+(?P<outside>{_MONTH})\b\.?(?:\s+(?P<outside_year>\d{{4}}))?)?",
    re.IGNORECASE,
)
_DIVIDED: Final = re.compile(r"\s/\s(?=(?:the\s+)?(?:mean|average|avg|median|maximum|minimum|total)\b)", re.IGNORECASE)
_PART: Final = r"(?:first|second|third|fourth|last|1st|2nd|3rd|4th)\s+(?:week|half)"
_OF_MONTH: Final = re.compile(rf"\b{_PART}(?P<month>\s+of\s+(?:{_MONTH})\b\.?(?:\s+\d{{4}})?)", re.IGNORECASE)
_OF_NONE: Final = re.compile(rf"\b{_PART}\b(?!\s+(?:of|in)\b|\s*\()", re.IGNORECASE)
_H: Final = r"(?:[01]?\d|2[0-4])(?::[0-5]\d)?"
_NAMED_HOURS: Final = re.compile(
    rf"(?:\b(?:in|during|at|within)\s+)?(?:\b(?:the|a)\s+)?\b(?:nights?|day|day[\s-]?time(?:\s+hours)?|night[\s-]?time(?:\s+hours)?|mornings?|afternoons?|evenings?|rush\s+hours?|(?:business|office|working|opening|school|peak)\s+hours)\s*\(\s*(?:from\s+)?(?P<first>{_H})\s*h?\s*(?:-|\u2013|to)\s*(?P<last>{_H})\s*(?:h|o'clock)?\s*\)",
    re.IGNORECASE,
)
"""Pattern of "at night (22-6)"."""

_MOST: Final = re.compile(
    r"\b(?P<most>most|fewest|least|more|fewer)\s+(?P<state>rainy|wet|dry|freezing|frosty|dark|occupied|unoccupied)\s+(?P<noun>hours|minutes|readings|times)\b(?!\s+than\s+(?:not|dry|wet))",
    re.IGNORECASE,
)
"""Pattern of "the most rainy hours"."""

_SUBTRACT: Final = re.compile(
    r"\bsubtract\s+(?P<a>[^?.]+?)\s+from\s+(?P<b>(?:that|those|the)\b[^?.]+)\W*$", re.IGNORECASE
)
_DAY_NAME: Final = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_PART_OF_DAY: Final = re.compile(
    rf"\b(?P<day>{_DAY_NAME})s?\s+(?P<part>morning|afternoon|evening|night)s\b", re.IGNORECASE
)
"""Pattern of "Saturday mornings"."""

_NAMED_DAYS: Final = re.compile(
    rf"\b{_DAY_NAME},?\s+(?:the\s+)?(?P<first>\d{{1,2}})(?:st|nd|rd|th)?\s*(?P<to>-|to|until|till|through|and)\s*{_DAY_NAME},?\s+(?:the\s+)?(?P<last>\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{_MONTH})\b)",
    re.IGNORECASE,
)
"""Pattern of "Monday 13 to Friday 17 January"."""

_MONDAY: Final = re.compile(
    r"[;.,?(]?\s*\b(?:please\s+)?(?:give|state|name|show|say|answer\s+with|use|tell|report|return)\s+(?:me\s+)?(?:just\s+|only\s+)?(?:the\s+)?(?:date\s+of\s+)?(?:its|their|the|that)\s+(?:week'?s\s+)?mondays?(?:'s)?(?:\s+date)?\s*\)?[\s.?!]*$"
    r"|\(\s*(?:from\s+)?mon(?:day)?s?\s*(?:-|\u2013|to|through|until)\s*sun(?:day)?s?\s*\)|\(\s*(?:weeks?\s+)?(?:start(?:s|ing)?|begin(?:s|ning)?|run(?:s|ning)?)\s+(?:on\s+|from\s+)?(?:a\s+)?mondays?\s*\)",
    re.IGNORECASE,
)
"""Pattern of what only says that weeks begin on Monday."""

_CLOCK: Final = r"(?:\d{1,2}:\d{2}|midnight|noon|midday|\d{1,2}\s?[ap]\.?m\.?)"
_NOUN: Final = r"(?:readings?|values?|measurements?)"
_CLOCKS: Final = re.compile(
    rf"(?:\b(?P<lead>from|between)\s+)?(?:the\s+)?(?:(?P<a>{_CLOCK})\s+{_NOUN}|{_NOUN}\s+(?:at|of|from)\s+(?P<a2>{_CLOCK}))\s*(?P<to>to|and|until|till|-)\s*(?:the\s+)?(?:one\s+at\s+|{_NOUN}\s+(?:at|of|from)\s+)?(?P<b>{_CLOCK})(?:\s+{_NOUN}\b)?",
    re.IGNORECASE,
)
"""Pattern of "the 06:00 reading to the 14:00 reading"."""

_HIGH_LESS_LOW: Final = re.compile(
    r"\(?\s*\b(?:max(?:imum)?|highest|peak)\s*(?:minus|less|-)\s*(?:the\s+)?(?:min(?:imum)?|lowest)\b\s*\)?",
    re.IGNORECASE,
)
_SWUNG: Final = re.compile(
    r"\b(?:by\s+)?how\s+(?:much|many\s+degrees|far|wide(?:ly)?)\s+(?:did|does|has)\s+(?P<what>.+?)\s+(?:swing|vary|fluctuate|change|spread|range|differ|varied|swung)\b",
    re.IGNORECASE,
)
_LOST: Final = re.compile(
    rf"\b(?:lost|loses?|dropped|missed|misses)\s+(?P<most>the\s+(?:most|fewest|least))\s+(?P<what>(?:\S+\s+){{0,2}}?)(?P<noun>{_NOUN}|data)\b",
    re.IGNORECASE,
)
_LOSE: Final = re.compile(
    rf"\bhow\s+many\s+(?P<what>(?:\S+\s+){{0,2}}?)(?P<noun>{_NOUN})\s+(?:did|has|have|does)\s+(?P<who>[^?]{{1,40}}?)\s+(?:lose|lost|miss|missed|fail\s+to\s+(?:deliver|send|report)|not\s+(?:deliver|send|report))\b",
    re.IGNORECASE,
)
_WEEKDAY: Final = re.compile(
    r"(?<!\bwhich\s)(?<!\bwhat\s)(?<!\bper\s)(?<!\bby\s)(?<!\beach\s)(?<!\bevery\s)(?<!\bof\s)\bweekday\b(?!\s+(?:and\s+hour|of\b))",
    re.IGNORECASE,
)
"""Pattern of one weekday that means all of them, beside a weekend."""

_PLACES: Final = {"first": 0, "1st": 0, "second": 1, "2nd": 1, "third": 2, "3rd": 2, "fourth": 3, "4th": 3}


def said_once(question: str) -> str:
    """Returns the question with such repetitions written in one way.

    "weekend vs weekday …: weekday minus weekend" ends with "second minus first"; "the first week (1-7) of January" is
    "1-7 January" where the days are those of that week.
    """
    if _HIGH_LESS_LOW.search(question) is not None and _SWUNG.search(question) is not None:
        question = _SWUNG.sub(r"what was the range of \g<what>", _HIGH_LESS_LOW.sub(" ", question))
    if re.search(r"\b(?:which|what|per|by|each|every)\s+(?:\w+\s+)?weeks?\b|\bweekly\b", question, re.IGNORECASE):
        question = _MONDAY.sub(" ", question)
    question = re.sub(r"\s*\bor\s+not\b(?=\W*$)", "", question, flags=re.IGNORECASE)
    question = _SUBTRACT.sub(r"difference between \g<a> and \g<b>, second minus first", question)
    question = _NAMED_HOURS.sub(_between, _DIVIDED.sub(" divided by ", question))
    months = {" ".join(found["month"].split()) for found in _OF_MONTH.finditer(question)}
    if len(months) == 1:
        question = _OF_NONE.sub(rf"\g<0> {months.pop()}", question)
    question = re.sub(
        r"\bunder\s+(?=(?:an?\s+|the\s+)?(?:[\w-]+\s+){0,2}winds?\b)", "with ", question, flags=re.IGNORECASE
    )
    question = _MOST.sub(r"\g<most> \g<noun> when it was \g<state>", question)
    question = _PART_OF_DAY.sub(r"\g<day>s in the \g<part>", question).replace("s in the night", "s at night")
    question = _NAMED_DAYS.sub(r"\g<first> \g<to> \g<last>", question)
    question = _LOST.sub(r"has \g<most> missing \g<what>\g<noun>", question)
    question = _LOSE.sub(r"how many \g<what>\g<noun> are missing at \g<who>", question)
    question = _CLOCKS.sub(_from_to, question)
    question = _with_days(_with_order(question))
    return _WEEKDAY.sub(r"\g<0>s", question) if re.search(r"\bweekends?\b", question, re.IGNORECASE) else question


def _between(found: re.Match[str]) -> str:
    first, last = (hour if ":" in hour else f"{int(hour):02d}:00" for hour in (found["first"], found["last"]))
    return f"between {first} and {last}"


def _from_to(found: re.Match[str]) -> str:
    return f"from {found['a'] or found['a2']} to {found['b']}"


def _with_order(question: str) -> str:
    tail = _TAIL.search(question)
    if tail is None:
        return question
    head = question[: tail.start()]
    if _TWO.search(head) is None or _OF_READINGS.search(question):
        return question
    a, b = (_stem(tail[name]) for name in ("a", "b"))
    places = [_place(head, word) for word in (a, b)]
    if places[0] is not None and places[1] is not None and places[0] != places[1]:
        straight = places[0] < places[1]
    elif (a in _FIRSTS and b in _SECONDS) or (a in _SECONDS and b in _FIRSTS):
        straight = a in _FIRSTS
    else:
        return question
    return f"{head}, {'first minus second' if straight else 'second minus first'}"


def _stem(words: str) -> str:
    return re.sub(
        r"s$",
        "",
        re.sub(r"\s+(?:hours?|days?|ones?|readings?|values?)$", "", " ".join(words.lower().strip(" .").split())),
    )


def _place(head: str, word: str) -> int | None:
    found = re.search(rf"\b{re.escape(word)}", head.lower())
    return None if found is None else found.start()


def _with_days(question: str) -> str:
    named = {(found["month"].lower(), found["year"] or "") for found in _MONTH_NAME.finditer(question)}
    months = {MONTHS[month] for month, _ in named}
    years = {year for _, year in named if year}
    if len(months) != 1 or len(years) > 1:
        return question
    month, year = next(iter(months)), next(iter(years), "")

    def plainly(found: re.Match[str]) -> str:
        length = calendar.monthrange(int(year) if year else 2001, month)[1]
        days = (int(found["first"]), int(found["last"]))
        if days != _days_of(found["place"].lower(), found["part"].lower(), length):
            return found.group()
        return f"{days[0]}-{days[1]} {calendar.month_name[month]} {year}".strip()

    return _DAYS.sub(plainly, question)


def _days_of(place: str, part: str, length: int) -> tuple[int, int] | None:
    """Returns the first and the last day of a week or a half of a month, as far as that is sure."""
    if place in {"last", "final"}:
        return (length - 6, length) if part == "week" else (16, length)
    number = _PLACES[place]
    if part == "week":
        return 7 * number + 1, 7 * number + 7
    return {0: (1, 15), 1: (16, length)}.get(number)
