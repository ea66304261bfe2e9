"""The family of correlations: how two fields go together."""

import re
from typing import Final

from dataflow_insight.english.families.asked_part import for_each, read_asked_part
from dataflow_insight.english.families.device_rank import read_device_rank
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear
from dataflow_insight.english.sheet import FIELD, Sheet
from dataflow_insight.plans.plan import Focus, Grouping, Measure, Plan

_CORRELATION: Final = r"(?:anti-?)?(?:correlat(?:e|es|ed|ing|ions?)|corr)"
_RELATION: Final = r"(?:relation(?:ship)?s?|associations?|connections?|links?|dependenc(?:e|y)|interrelations?|related|associated|linked|connected)"
_TRACKS: Final = (
    r"(?:tracks?|tracked|follows?|followed|mirrors?|mirrored|parallels?|co-?var(?:y|ies)|varies\s+with|vary\s+with|moves?\s+with|moved\s+with|moves?\s+together|"
    r"goes\s+(?:along\s+)?with|go\s+(?:along\s+)?(?:with|together)|is\s+tied\s+to|are\s+tied\s+to|tied|correlates?\s+with)"
)
"""Verbs of one field that goes with another."""

_CLAIMS: Final = (
    rf"\b{_CORRELATION}\b",
    r"\bpearson(?:'s)?\b",
    rf"{FIELD}\s+(?:{_TRACKS})\s+(?:the\s+)?(?:\w+\s+)?{FIELD}|{FIELD}\s+and\s+(?:the\s+)?{FIELD}\s+(?:{_TRACKS})\s+(?:each\s+other|one\s+another|together)",
)
_RELATES: Final = rf"\b{_RELATION}\b|\bdepends?\s+(?:\w+\s+)?(?:up)?on\b|\bdoes\b.*\bdepend\b"
"""Words that claim a question with two fields, wherever those stand."""

_MANNER: Final = (
    r"\b(?:(?:pearson(?:'s)?|linear(?:ly)?|statistical(?:ly)?|overall|correlation)\s+)*(?:coefficients?|correlation\s+r|pearson(?:'s)?(?:\s+r)?|linear(?:ly)?)\b|"
    r"\bhow\s+(?:strong(?:ly)?|close(?:ly)?|well|much|tight(?:ly)?|far|is|are|do|does|high)\b|\bhow\b|\bto\s+what\s+(?:extent|degree)\b|\bstrength\s+of\b|\bdegree\s+of\b|"
    r"\b(?:positively|negatively|inversely|strongly|weakly|closely|significantly|linearly)\b|"
    r"\b(?:with\s+)?(?:one\s+another|each\s+other)\b|\bmutual(?:ly)?\b|\bdepends?\s+(?:up)?on\b|\bdepend\b"
)
_YES_NO: Final = r"\W*(?:and\s+|so\s+)?(?:is|are|was|were|do|does|did|has|have)\b(?!.*\bhow\b)"
_WAY: Final = r"\b(?:the\s+)?(?P<size>strongest|highest|largest|greatest|lowest|weakest|most)\s*(?P<way>positive(?:ly)?|negative(?:ly)?|inverse(?:ly)?)?(?=\W|$)"


def plan(reading: Reading) -> Plan | None:
    """Returns the plan of a question for the correlation of two fields.

    Raises:
        Refusal: It does not name exactly two fields.
        TimeError: The times make no range.
        ConditionError: A limit cannot be applied.
    """
    sheet = reading.sheet
    relates = sheet.find(_RELATES) is not None and len(re.findall(FIELD, sheet.visible)) > 1
    if not relates and not any(sheet.find(pattern) for pattern in _CLAIMS):
        return None
    rank = read_device_rank(sheet, max(1, len(reading.contract.devices)))
    asked = read_asked_part(sheet)
    chosen = sheet.take(_WAY) if asked.focus is Focus.DEVICE else None
    way = _way(sheet) if asked.focus is Focus.DEVICE and chosen is not None else ""
    sheet.take_all(rf"\b(?:{_CORRELATION}|{_RELATION})\b")
    sheet.take_all(rf"\b{_TRACKS}(?:\s+(?:each\s+other|one\s+another))?(?=\W|$)")
    sheet.take_all(_MANNER)
    sheet.take_all(
        rf"\bbetween\s+(?=(?:the\s+)?(?:\w+\s+)?{FIELD})|(?<=\uf8ff)\s*(?:vs\.?|versus|against)(?=\s+(?:the\s+)?{FIELD})|\band\b"
    )
    sheet.take_all(r"\b(?:strong|significant|linear|clear|any|some|direct|inverse|positive|negative)\s+(?=\uf8ff)")
    scope = reading.read_scope()
    fields = reading.free_fields()
    if len(fields) != 2:
        raise Refusal(unclear("A correlation is of two fields; please name both."))
    if any(not item.kind.numeric for item in fields):
        raise Refusal(unclear("Only fields that hold numbers have a correlation."))
    if asked.focus not in {Focus.VALUE, Focus.DEVICE}:
        raise Refusal(two_things())
    yes_no = asked.focus is Focus.VALUE and re.match(_YES_NO, reading.text) is not None
    if asked.focus is Focus.DEVICE and not rank:
        rank = _rank(chosen, way)
    return Plan(
        contract=reading.contract.name,
        measure=Measure.CORRELATION,
        field=fields[0].name,
        other_field=fields[1].name,
        scope=scope,
        group_by=(Grouping.DEVICE,) if rank else for_each(reading, asked),
        rank=rank,
        time_zone=reading.zone.key,
        focus=Focus.DEVICE if rank else Focus.YES_NO if yes_no else asked.focus,
    )


def _way(sheet: Sheet) -> str:
    """Covers what says of "the strongest" whether the highest or the lowest is meant, and returns "highest", "lowest" or nothing."""
    found = sheet.take(
        rf"\(?\s*\b(?:i\.?e\.?,?\s+|that\s+is,?\s+|meaning\s+|by\s+|with\s+)?(?:the\s+)?(?P<size>highest|largest|greatest|lowest|most\s+negative|most\s+positive)\s+(?:pearson\s+)?(?:{_CORRELATION}|coefficients?|pearson(?:'s)?(?:\s+r)?|r|value)(?:\s+coefficients?)?\b\s*\)?"
    )
    if found is None:
        return ""
    return "lowest" if found["size"] in {"lowest", "most negative"} else "highest"


def _rank(chosen: re.Match[str] | None, said: str) -> int:
    """Returns 1 for the device with the highest coefficient, -1 for that with the lowest."""
    if said:
        return 1 if said == "highest" else -1
    if chosen is None:
        raise Refusal(unclear("It is not clear by what the device is chosen."))
    way, size = chosen["way"] or "", chosen["size"]
    if way.startswith(("negative", "inverse")):
        return -1
    if way or size in {"highest", "largest", "greatest"}:
        return 1
    if size == "lowest":
        return -1
    raise Refusal(unclear("It is not clear whether the highest or the lowest coefficient is meant."))
