"""The words of an answer that say something about numbers: measures, directions, extremes, limits, negation."""

import re
from enum import StrEnum
from typing import Final


class Tag(StrEnum):
    """What a word says that a number is."""

    MEAN = "mean"
    MEDIAN = "median"
    PERCENTILE = "percentile"
    DEVIATION = "deviation"
    SUM = "sum"
    HIGH = "high"
    LOW = "low"
    LONG = "long"
    RANGE = "range"
    DISTINCT = "distinct"
    MODE = "mode"
    MISSING = "missing"
    CORRELATION = "correlation"
    LATEST = "latest"
    FIRST = "first"
    EXTREME = "extreme"


_TAGS: Final[tuple[tuple[Tag, str], ...]] = (
    (Tag.MODE, r"most\s+(?:common|frequent)(?:ly)?|most\s+often|commonest|predominant(?:ly)?|prevailing"),
    (Tag.LATEST, r"most\s+recent(?:ly)?|latest|newest"),
    (Tag.FIRST, r"earliest|oldest|first"),
    (Tag.MEAN, r"averag(?:e[ds]?|ing)|mean|avg|typical(?:ly)?"),
    (Tag.MEDIAN, r"medians?"),
    (Tag.PERCENTILE, r"percentiles?|quartiles?|deciles?|quantiles?"),
    (Tag.DEVIATION, r"standard\s+deviations?|deviations?|std(?:dev)?|stdev"),
    (Tag.SUM, r"total(?:s|ed|ling)?|sum(?:s|med)?|altogether|cumulative"),
    (Tag.LONG, r"longest"),
    (Tag.HIGH, r"highest|maxim(?:um|a|al)|max|largest|biggest|greatest|most|peak(?:s|ed)?|top|warmest|hottest|strongest|brightest|record|loudest|wettest|windiest|steepest|sharpest"),
    (Tag.LOW, r"lowest|minim(?:um|a|al)|min|smallest|least|fewest|coldest|coolest|weakest|darkest|calmest|driest|quietest|cleanest|bottom|shortest"),
    (Tag.RANGE, r"(?:value\s+)?spread"),
    (Tag.DISTINCT, r"distinct|different|unique"),
    (Tag.MISSING, r"missing|lack(?:s|ed|ing)?|absent|without\s+(?:a\s+|any\s+)?(?:value|values)|have\s+no\s+value|has\s+no\s+value"),
    (Tag.CORRELATION, r"correlat(?:ion|ions|e|es|ed|ing)"),
    (Tag.EXTREME, r"worst|best|(?!(?:nearest|closest|highest|lowest|west|north-?west|south-?west|test|rest|interest|request|honest|modest|latest|earliest|guest|suggest|forest|manifest|harvest|invest|protest|contest|digest|arrest|quest|chest|nest|vest|pest|best|est)\b)[a-z]{3,}est"),
)  # fmt: skip
TAG: Final = re.compile(
    r"(?<![\w-])(?:" + "|".join(f"(?P<{tag}>{pattern})" for tag, pattern in _TAGS) + r")(?![\w-])", re.IGNORECASE
)
"""A word that says what kind of number something is; the name of the group that matches is the `Tag`."""

_MORE: Final = r"higher|more|greater|larger|bigger|warmer|hotter|stronger|brighter|longer|louder|wetter|windier|dirtier|worse|dustier|milder|moister|faster|busier"
_LESS: Final = (
    r"lower|less|fewer|smaller|colder|cooler|weaker|darker|shorter|quieter|drier|calmer|cleaner|better|slower"
)
_ROSE: Final = r"rose|ris(?:e|es|en|ing)|increas(?:e|es|ed|ing)|grew|grow(?:s|n|ing|th)?|climb(?:s|ed|ing)?|went\s+up|gained?|warmed|surged?|soared|upwards?|exceed(?:s|ed|ing)?"
_FELL: Final = r"fell|fall(?:s|en|ing)?|decreas(?:e|es|ed|ing)|declin(?:e|es|ed|ing)|drop(?:s|ped|ping)?|sank|sink(?:s|ing)?|went\s+down|lost|cooled|plunged?|plummeted|shrank|downwards?|reduc(?:ed|tion)|undercut"
_FLAT: Final = (
    r"stable|unchanged|constant|steady|flat|the\s+same|equal|identical|level\s+with|no\s+(?:difference|change)"
)
DIRECTION: Final = re.compile(
    rf"(?<![\w-])(?:(?P<up>{_MORE}|{_ROSE})|(?P<down>{_LESS}|{_FELL})|(?P<flat>{_FLAT}))(?![\w-])", re.IGNORECASE
)
"""A word that says which of two values is the larger: group `up`, `down` or `flat`."""

UP_QUESTION: Final = re.compile(rf"(?<![\w-])(?:{_MORE}|{_ROSE})(?![\w-])", re.IGNORECASE)
DOWN_QUESTION: Final = re.compile(rf"(?<![\w-])(?:{_LESS}|{_FELL})(?![\w-])", re.IGNORECASE)

UNSIGNED: Final = re.compile(
    r"(?<![\w-])(?:differences?|differ(?:s|ed)?|apart|gap|changes?|changed|by)(?![\w-])", re.IGNORECASE
)
"""Words that let a difference stand without its sign."""

NEGATION: Final = re.compile(
    r"(?<![\w-])(?:no|not|never|none|nothing|nobody|nowhere|neither|nor|without|cannot|zero|hardly|lacks?)(?![\w-])|n['\u2019]t(?!\w)",
    re.IGNORECASE,
)
EXCLUDING: Final = re.compile(
    r"(?<![\w-])(?:except(?:ing)?|without|excluding|excludes?|other\s+than|leaving\s+out|apart\s+from|but\s+not|not)(?![\w-])",
    re.IGNORECASE,
)
YES_NO: Final = re.compile(
    r"^[\s*>\"'(-]*(?P<yes>yes|true|correct|indeed)\b|^[\s*>\"'(-]*(?P<no>no|false|nope)\b(?=\s*[,.:;!-]|\s*$)",
    re.IGNORECASE,
)
OVERALL: Final = re.compile(
    r"(?<![\w-])(?:overall|altogether|combined|in\s+total|(?:across|over)\s+all|all\s+(?:the\s+)?(?:stations?|devices?|sensors?|rooms?|sites?)|whole|entire|network)(?![\w-])",
    re.IGNORECASE,
)

_BEFORE_LIMIT: Final = r"(?:\s+(?:a|an|the|or|value|limit|threshold|mark|level|of|equal|to))*\s*$"
_NOT: Final = r"(?:not|never|n['\u2019]t)\s+(?:\w+\s+)?"
LIMITS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (operator, re.compile(rf"(?:{pattern}){_BEFORE_LIMIT}", re.IGNORECASE))
    for operator, pattern in (
        ("<=", rf"(?<!\w){_NOT}(?:above|over|exceed(?:s|ed|ing)?|(?:{_MORE})\s+than)|(?<!\w)no\s+(?:{_MORE})\s+than|<=|\u2264|(?<!\w)(?:at\s+most|up\s+to|maximum\s+of|(?:{_LESS})\s+than\s+or\s+equal|below\s+or\s+equal)"),
        (">=", rf"(?<!\w){_NOT}(?:below|under|(?:{_LESS})\s+than)|(?<!\w)no\s+(?:{_LESS})\s+than|>=|\u2265|(?<!\w)(?:at\s+least|minimum\s+of|reach(?:es|ed|ing)?|(?:{_MORE})\s+than\s+or\s+equal|above\s+or\s+equal)"),
        ("<>", r"(?<!\w)(?:not\s+equal\s+to|other\s+than|different\s+from|not)|<>|!="),
        (">", rf">|(?<!\w)(?:above|over|beyond|exceed(?:s|ed|ing)?|in\s+excess\s+of|(?:{_MORE})\s+than|(?:{_ROSE})\s+(?:above|over))"),
        ("<", rf"<|(?<!\w)(?:below|under|beneath|underneath|(?:{_LESS})\s+than)"),
        ("=", r"(?<!\w)(?:equal\s+to|equals?|equalled|exactly|is|was|of|at)|="),
    )
)  # fmt: skip
"""Comparisons with a limit by the text before the number; the first that matches is meant."""

NOUNS: Final = frozenset(
    {"reading", "readings", "value", "values", "row", "rows", "measurement", "measurements", "record", "records"}
)
PLACES: Final = frozenset(
    {
        "station",
        "stations",
        "device",
        "devices",
        "sensor",
        "sensors",
        "room",
        "rooms",
        "site",
        "sites",
        "machine",
        "machines",
    }
)

STRENGTHS: Final[tuple[tuple[float, str], ...]] = ((0.1, "no"), (0.3, "weak"), (0.6, "moderate"), (1.01, "strong"))
"""Below this size a coefficient of correlation is called so; "no" stands for "practically none"."""

STRENGTH: Final = re.compile(
    r"(?<![\w-])(?P<word>weak|moderate|strong|negligible|practically\s+no)(?:ly)?(?![\w-])", re.IGNORECASE
)
SIGN: Final = re.compile(r"(?<![\w-])(?P<word>positive|negative|inverse)(?:ly)?(?![\w-])", re.IGNORECASE)


def strength(coefficient: float) -> str:
    """Returns how strong a correlation is in a word."""
    return next(word for limit, word in STRENGTHS if abs(coefficient) < limit)
