"""What a sentence holds that nobody knows: leftover digits, vague quantities, invented names."""

import re
from typing import Final

from dataflow_insight.answers.hygiene import unfit
from dataflow_insight.answers.letters import MASK, is_numeral
from dataflow_insight.answers.mentions import Mentions
from dataflow_insight.answers.numbers import vague_quantity

_CAPITAL: Final = re.compile(r"(?<![\w\uf8ff])[^\W\d_a-z][\w'\u2019-]*")
_FIRST: Final = re.compile(r"[^\w\uf8ff]*(?P<word>[^\W\d_][\w'\u2019-]*)")
"""What a sentence is about may be an invented name without a capital, too."""

_OPENER: Final = re.compile(r"^[\W_]*$|[:\u2022|]\s*[\"'(*]*$")
_SNAKE: Final = re.compile(r"(?<![\w\uf8ff])[a-zA-Z]\w*_\w+")
_PLACE: Final = re.compile(
    r"(?<![\w-])(?:at|station|sensor|device|room|site|machine)\s+(?:the\s+)?[\"']?(?P<word>[a-z][\w-]*)", re.IGNORECASE
)
_KNOWN_CAPITALS: Final = frozenset(["i", "utc", "gmt", "am", "pm", "yes", "no", "ok", "iso"])
_AFTER_PLACE: Final = frozenset((
    "except", "excluding", "without", "against", "compared", "versus", "a", "about", "above", "all", "almost", "also", "and", "any", "are", "around", "as", "average", "averaged",
    "be", "been", "before", "below", "best", "both", "by", "called", "common", "did", "during", "each", "either",
    "even", "every", "exactly", "first", "for", "from", "had", "has", "have", "high", "higher", "highest", "hour",
    "hours", "how", "id", "ids", "in", "interest", "is", "it", "its", "last", "least", "less", "level", "levels",
    "low", "lower", "lowest", "many", "maximum", "mean", "measured", "midday", "midnight", "minimum", "more",
    "most", "name", "named", "names", "night", "no", "noon", "not", "of", "on", "once", "one", "only", "or", "over",
    "own", "peak", "per", "reading", "readings", "recorded", "reported", "room", "same", "second", "shows",
    "showed", "showing", "station", "temperature", "temperatures", "that", "the", "their", "them", "these", "they",
    "this", "those", "time", "times", "to", "together", "total", "true", "two", "under", "value", "values", "was",
    "weekends", "were", "when", "where", "which", "while", "with", "within", "work", "would", "worst", "you",
    "zero", "there", "then", "but", "than", "half", "rest", "sent", "sea", "ground", "roughly", "nearly", "just",
    "different", "device", "devices", "list", "data",
))  # fmt: skip
_OPENERS: Final = frozenset((
    "calendar", "empty", "averages", "let", "maximums", "minimums", "medians", "peaks", "concentration", "concentrations", "temperatures", "key", "likewise", "here's", "if", "because", "few", "many", "more", "best", "worst", "details", "again", "next", "then", "computed", "measured", "stored", "value", "means", "totals", "shares", "runs", "gaps", "changes", "correlations", "ranking", "rank", "place", "top", "bottom", "yours", "dear", "sure", "okay", "certainly", "course", "apart", "aside", "back", "earlier", "later", "meanwhile", "whatever", "wherever", "whenever", "namely", "roughly",
    "a", "about", "above", "according", "across", "additionally", "after", "again", "all", "although", "altogether",
    "among", "an", "and", "another", "any", "approximately", "are", "as", "at", "average", "based", "because",
    "before", "below", "besides", "between", "both", "by", "compared", "comparing", "comparison", "contrast",
    "correlation", "counting", "counts", "daily", "data", "day", "days", "despite", "device", "devices", "did",
    "difference", "during", "each", "either", "even", "every", "excluding", "except", "exactly", "fewer", "first",
    "for", "from", "further", "given", "had", "half", "has", "have", "here", "high", "higher", "highest", "hour",
    "hourly", "hours", "however", "i", "if", "in", "including", "indeed", "instead", "is", "it", "its", "just",
    "last", "latest", "least", "less", "level", "levels", "like", "longest", "low", "lower", "lowest", "many",
    "maximum", "mean", "meanwhile", "measured", "measurements", "median", "minimum", "missing", "month", "monthly",
    "months", "more", "moreover", "most", "much", "nearly", "neither", "never", "next", "no", "none", "nor", "not",
    "note", "nothing", "now", "of", "on", "once", "only", "or", "other", "others", "otherwise", "our", "out",
    "over", "overall", "peak", "per", "percent", "readings", "reading", "results", "result", "second", "several",
    "she", "since", "sites", "site", "so", "some", "station", "stations", "still", "sum", "summary", "table",
    "taken", "that", "the", "their", "them", "then", "there", "therefore", "these", "they", "this", "those",
    "though", "through", "throughout", "thus", "time", "times", "to", "together", "top", "total", "true", "false",
    "two", "under", "unfortunately", "until", "values", "value", "versus", "via", "was", "we", "week", "weekly",
    "weeks", "were", "what", "when", "where", "whereas", "whether", "which", "while", "who", "why", "with",
    "within", "without", "yes", "yesterday", "yet", "you", "your", "zero", "one", "three", "four", "five", "six",
    "seven", "eight", "nine", "ten", "sensor", "sensors", "room", "rooms", "machine", "machines", "standard",
    "share", "range", "change", "gap", "run", "streak", "number", "numbers", "count", "today", "following",
    "answer", "query", "queries", "nobody", "nowhere", "warmest", "coldest", "hottest", "windiest", "differences",
    "devices'", "percentages", "percentage", "absolute", "assuming", "assumption", "taking", "it's", "that's",
    "there's", "sorry", "please", "hello", "thanks", "ok",
))  # fmt: skip


def _is_opener(text: str, known: frozenset[str]) -> bool:
    word = text.lower().replace("\u2019", "'").removesuffix("'s")
    return word in _OPENERS or word in _KNOWN_CAPITALS or word in known or word.endswith(("ly", "est", "ing", "ed"))


def stranger(found: Mentions, known: frozenset[str]) -> str | None:
    """Returns what in a sentence is not known; None where there is nothing.

    Args:
        found: What the sentence says; everything known is masked in `rest`.
        known: More words that may be written with a capital, in lower case.
    """
    rest = found.rest
    if (problem := unfit(rest)) is not None:
        return problem
    left = next((letter for letter in rest if letter != MASK and is_numeral(letter)), None)
    if left is not None:
        return f"a number that cannot be read ({left!r})"
    if (word := vague_quantity(rest)) is not None:
        return f"a number that is not exact ({word!r})"
    for match in _SNAKE.finditer(rest):
        return f"the name {match.group()!r}"
    first = _FIRST.match(rest)
    if first is not None and not _is_opener(first["word"], known):
        return f"the name {first['word']!r}"
    for match in _CAPITAL.finditer(rest):
        word = match.group().lower().replace("\u2019", "'")
        word = word.removesuffix("'s")
        if word in _KNOWN_CAPITALS or word in known:
            continue
        if (
            _OPENER.search(rest[: match.start()])
            and not match.group()[1:].isupper()
            and (word in _OPENERS or word.endswith(("ly", "est")))
        ):
            continue
        return f"the name {match.group()!r}"
    for match in _PLACE.finditer(rest):
        word = match["word"].lower()
        if word not in _AFTER_PLACE and word not in known:
            return f"the place {match['word']!r}"
    return None
