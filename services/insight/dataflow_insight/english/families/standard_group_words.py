"""The words of groups: nouns of what there can be one row for, and what leads to them."""

from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN, NUMBER_WORDS
from dataflow_insight.plans.plan import Grouping

NUMBER: Final = r"(?P<n>\d{1,4}|" + "|".join(word for word in NUMBER_WORDS if word != "zero") + r")"
"""Pattern of how many groups are wanted."""

HIGHER: Final = (
    r"(?:highest|maximum|maximal|max|largest|biggest|greatest|top|most|strongest|heaviest|warmest|hottest|windiest|brightest|worst|wettest|rainiest|dustiest|dirtiest|most\s+polluted|"
    r"steepest|loudest)"
)
"""Adjectives of a place at the top."""

LOWER: Final = r"(?:lowest|minimum|minimal|min|smallest|least|fewest|weakest|bottom|coldest|coolest|darkest|calmest|driest|dryest|cleanest|least\s+polluted)"
"""Adjectives of a place at the bottom."""

WHOLE: Final = r"(?:(?:calendar|single|individual|whole|full|separate|particular|given)\s+)?"
"""Adjectives of a stretch of time that change nothing."""

NOUNS: Final[tuple[tuple[str, Grouping], ...]] = (
    (
        r"(?:hours?|times?)(?:\s+|-)of(?:\s+|-)(?:the\s+|a\s+)?day|hours?\s+of\s+the\s+clock|clock\s+hours?|daily\s+hours?",
        Grouping.HOUR_OF_DAY,
    ),
    (r"days?(?:\s+|-)of(?:\s+|-)(?:the\s+|a\s+)?week|week\s?days?|weekly\s+days?", Grouping.WEEKDAY),
    (rf"{WHOLE}(?:days?|dates?)", Grouping.DAY),
    (rf"{WHOLE}weeks?", Grouping.WEEK),
    (rf"{WHOLE}months?", Grouping.MONTH),
    (rf"{WHOLE}hours?", Grouping.HOUR),
    (rf"(?:single\s+|individual\s+|known\s+|different\s+)*(?:monitoring\s+|measuring\s+|weather\s+)?{DEVICE_NOUN}", Grouping.DEVICE),
)  # fmt: skip
"""Nouns of groups, the longer ones first."""

NOUN_BEFORE: Final = r"(?:station|sensor|device|site|room|machine|day|week|month)"
"""Nouns that stand before a measure as adjectives do ("station averages")."""

ADJECTIVES: Final = {
    "hourly": Grouping.HOUR,
    "daily": Grouping.DAY,
    "weekly": Grouping.WEEK,
    "monthly": Grouping.MONTH,
}
"""Adjectives of finer groups."""

PER: Final = (
    r"(?:per|by|for\s+each(?:\s+of(?:\s+the|\s+\uf8ff+))?|for\s+every|for\s+all(?:\s+of)?\s+the|of\s+each(?:\s+of(?:\s+the|\s+\uf8ff+))?|of\s+every|at\s+each(?:\s+of(?:\s+the|\s+\uf8ff+))?|at\s+every|"
    r"on\s+each(?:\s+of(?:\s+the|\s+\uf8ff+))?|on\s+every|in\s+each(?:\s+of(?:\s+the|\s+\uf8ff+))?|in\s+every|with\s+each|from\s+each|from\s+every|during\s+each|did\s+each|did\s+every|each|every|"
    r"(?:grouped|broken\s+down|split(?:\s+up)?|separated|aggregated|sorted|listed|separately|individually)\s+(?:by|per|for\s+each)|"
    r"as\s+a\s+function\s+of(?:\s+the)?|depend(?:s|ing|ed)?\s+(?:up)?on(?:\s+the)?|against(?:\s+the)?|over\s+the\s+different|across\s+the\s+different)"
)
"""What leads to a grouping."""

AND_PER: Final = rf"\s*(?:,|and|&|/|x|\s)\s*(?:then\s+)?(?:{PER}\s+)?(?:the\s+)?"
"""What leads to a second grouping."""

BEST_VALUE: Final = (
    rf"\b(?:{HIGHER}|{LOWER})\s+(?:(?:\w|[\ue000-\uf8ff])+\s+)?(?:average|mean|median|total|sum|standard\s+deviation)\b"
)
"""A highest or lowest value of groups, whatever they are."""

WHEN_IN: Final = (
    (
        r"\b(?:when|at\s+(?:what|which)\s+times?)\s+(?:during|in|of|on|over)\s+(?:the\s+(?:course\s+of\s+the\s+)?|a\s+)(?:typical\s+)?day\b",
        Grouping.HOUR_OF_DAY,
    ),
    (r"\bwhen\s+(?:during|in)\s+(?:the|a)\s+week\b", Grouping.WEEKDAY),
)
""""When during the day" and its like."""

LEAD: Final = r"most|fewest|least"
"""Superlatives of numbers, which are left for the measures."""

BEFORE_NOUN: Final = r"(?:^|[,:;]\s*|\b(?:is|was|are|were|me|us|list|name|show|find|give|get|want|know|see|determine|identify|and|all|the|those|any|only|there|(?:names|ids|list)\s+of)\s+)$"
"""What may stand before a noun that groups are chosen by."""

PROFILES: Final[tuple[tuple[str, Grouping], ...]] = (
    (r"\bwhat\s+(?:does|do|did)\s+(?:the|a)\s+(?:typical|average|usual)\s+day\s+look\s+like\b", Grouping.HOUR_OF_DAY),
    (r"\b(?:hour\s+by\s+hour|hour\s+for\s+hour)\b", Grouping.HOUR),
    (
        r"\b(?:the\s+)?(?:typical\s+|average\s+|mean\s+)?(?:diurnal|daily|hourly|24[- ]?h(?:our)?)\s+(?:profiles?|patterns?|cycles?|courses?|curves?|rhythms?|variations?)\b",
        Grouping.HOUR_OF_DAY,
    ),
    (
        r"\b(?:over|throughout|during|in)\s+the\s+(?:course\s+of\s+(?:the|a)\s+)day\b|\b(?:over|throughout|during|through)\s+(?:a|the\s+typical|a\s+typical)\s+day\b|\bthrough(?:out)?\s+the\s+day\b|\b(?:develops?|evolves?|changes?|vary|varies|behaves?|looks?\s+like)\s+(?:over|throughout|during|through|in)\s+the\s+day\b",
        Grouping.HOUR_OF_DAY,
    ),
    (r"\b(?:the\s+)?weekly\s+(?:profiles?|patterns?|cycles?|courses?|rhythms?)\b", Grouping.WEEKDAY),
    (r"\b(?:day\s+by\s+day|day\s+for\s+day|from\s+day\s+to\s+day|on\s+a\s+daily\s+basis)\b", Grouping.DAY),
    (r"\b(?:week\s+by\s+week|on\s+a\s+weekly\s+basis)\b", Grouping.WEEK),
    (r"\b(?:month\s+by\s+month|on\s+a\s+monthly\s+basis)\b", Grouping.MONTH),
    (rf"\b{DEVICE_NOUN}\s+(?:by|for)\s+{DEVICE_NOUN}\b", Grouping.DEVICE),
)
"""Courses and profiles, which are groups by themselves."""
