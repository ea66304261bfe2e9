"""The family of values beside an extreme: what one field was when another one was at its highest or lowest."""

import re
from typing import Final

from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, unclear
from dataflow_insight.english.sheet import FIELD
from dataflow_insight.plans.plan import Measure, Plan

_HIGH: Final = r"(?:highest|maximum|maximal|max|peak|largest|greatest|top|worst|strongest)"
_LOW: Final = r"(?:lowest|minimum|minimal|min|smallest|weakest|bottom)"
_VALUE: Final = r"(?:\s+(?:value|level|reading|concentration|point|measurement))?"
_PEAKED: Final = r"(?:peak(?:s|ed)|top(?:s|ped)\s+out|culminated)"
_BE: Final = r"(?:was|were|is|are|reached|reaches|hit|hits|had|has|attained|got\s+to|stood\s+at|read|showed)"
_AT: Final = (
    r"(?:when(?:ever)?|while|at\s+the\s+(?:(?:very|same|exact)\s+)?(?:time|moment|hour|instant|point)(?:\s+in\s+time)?(?:\s+(?:of|when|that|at\s+which))?|"
    r"in\s+the\s+(?:hour|reading|record|moment)(?:\s+(?:of|when|with|at\s+which|in\s+which))?|in\s+the\s+same\s+reading\s+as|during\s+the\s+hour\s+(?:of|when|with))"
)
_PLACE: Final = r"(?:\s+(?:there|at\s+that\s+(?:station|place)|[\ue200-\ue2ff]\uf8ff*|at\s+(?:the\s+)?(?:\w+\s+)?[\ue200-\ue2ff]\uf8ff*))?"
_CLAUSES: Final[tuple[str, ...]] = (
    rf"\b{_AT}\s+(?:the\s+)?{FIELD}{_VALUE}{_PLACE}\s+{_BE}\s+(?:at\s+)?(?:its\s+|the\s+|their\s+)?(?:(?P<high>{_HIGH})|(?P<low>{_LOW})){_VALUE}",
    rf"\b{_AT}\s+(?:the\s+)?{FIELD}{_VALUE}{_PLACE}\s+(?P<high>{_PEAKED})(?P<low>)",
    rf"\b{_AT}\s+(?:the\s+|its\s+)?(?:(?P<high>{_HIGH})|(?P<low>{_LOW})){_VALUE}\s+(?:of\s+|for\s+|in\s+)?(?:the\s+)?{FIELD}{_VALUE}(?:\s+(?:was|were|occurred|happened|came)(?:\s+(?:measured|recorded|reached|reported))?)?",
)
_HOW: Final = r"\bhow\s+(?P<word>warm|hot|cold|cool|windy|humid|bright|high|low|strong|much|large)\b"
_ADJECTIVES: Final = {
    "warm": "temperature", "hot": "temperature", "cold": "temperature", "cool": "temperature",
    "windy": "wind speed", "humid": "humidity", "bright": "light",
}  # fmt: skip


def plan(reading: Reading) -> tuple[Plan, ...] | None:
    """Returns the plans of a question for fields at the moment of another one's extreme.

    Raises:
        Refusal: It is not clear which field is asked for.
        TimeError: The times make no range.
        ConditionError: A limit cannot be applied.
    """
    sheet = reading.sheet
    clause = next((found for pattern in _CLAUSES if (found := sheet.find(pattern)) is not None), None)
    if clause is None:
        return None
    extreme = next(mention for mention in reading.names.fields if mention.mark in clause.group())
    others = [mention.field for mention in reading.names.fields if mention is not extreme and mention.field is not None]
    before = sheet.visible[: clause.start()] + sheet.visible[clause.end() :]
    if re.search(
        r"\b(?:average|mean|avg|median|total|sum|how\s+many|number|percentage|share|highest|lowest|maximum|minimum)\b",
        before,
    ):
        return None
    how = sheet.find(_HOW)
    if not others and how is not None and how["word"] in _ADJECTIVES:
        item = reading.reader.concept_field(_ADJECTIVES[how["word"]])
        others = [item] if item is not None else []
    if extreme.field is None or not others:
        return None
    sheet.cover(clause.start(), clause.end())
    sheet.take_all(_HOW)
    sheet.take_all(r"\b(?:at\s+(?:the|that)\s+(?:same\s+)?(?:time|moment)|then|there|when)\b")
    scope = reading.read_scope()
    asked = [
        item for item in dict.fromkeys(others) if item.name not in {condition.field for condition in scope.conditions}
    ]
    if not asked:
        raise Refusal(unclear("It is not clear which value is asked for at that moment; please name its field."))
    high = clause["high"] is not None
    plans = []
    for item in asked:
        reading.cover_unit(item)
        plans.append(
            Plan(
                contract=reading.contract.name,
                measure=Measure.MAX if high else Measure.MIN,
                field=extreme.field.name,
                other_field=item.name,
                scope=scope,
                with_where_and_when=True,
                time_zone=reading.zone.key,
            )
        )
    return tuple(plans)
