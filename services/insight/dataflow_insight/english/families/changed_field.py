"""Which field a change is about, and in which unit it is asked for."""

import re
from typing import Final

from dataflow_insight.catalogue.catalogue import Kind
from dataflow_insight.english.limits import UNIT
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, needs_field, two_things

IN_UNIT: Final = rf"\bhow\s+many\s+(?:{UNIT})(?![\w/^])"
"""Pattern of "how many degrees"."""


def cover_unit(reading: Reading) -> None:
    """Covers "by how many degrees" and keeps the unit for the field."""
    sheet = reading.sheet
    if sheet.find(IN_UNIT) is None:
        return
    sheet.take_all(rf"\bby\s+(?={IN_UNIT})")
    for item in list(dict.fromkeys(mention.field for mention in reading.names.fields if mention.field is not None))[:1]:
        reading.cover_unit(item)


def changed_field(reading: Reading) -> str:
    """Returns the name of the field that changes, and covers its unit.

    Raises:
        Refusal: The question names none, or several.
    """
    fields = reading.free_fields()
    if not fields and (item := _warming(reading)) is not None:
        return item
    if not fields and (item := _only_number(reading)) is not None:
        return item
    if not fields:
        raise Refusal(needs_field("A change is of one field"))
    if len(fields) > 1:
        raise Refusal(two_things())
    reading.cover_unit(fields[0])
    return fields[0].name


def _only_number(reading: Reading) -> str | None:
    """Returns the field of a contract that measures nothing else."""
    numbers = [item for item in reading.contract.fields if item.kind is Kind.NUMBER]
    if len(numbers) != 1 or not reading.names.devices:
        return None
    reading.assumptions.append(f"the change is about the field {numbers[0].name}")
    return numbers[0].name


def _warming(reading: Reading) -> str | None:
    """Returns the field that "warmed up" and "cooled down" are about."""
    item = reading.reader.concept_field("temperature")
    if item is None or not re.search(r"\b(?:warm(?:ed)?|heat(?:ed)?\s+up|cool(?:ed)?|warming|cooling)\b", reading.text):
        return None
    reading.assumptions.append(f"the change is about the field {item.name}")
    return item.name
