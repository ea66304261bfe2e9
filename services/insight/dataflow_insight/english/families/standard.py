"""The family of plain questions: an aggregate, a value, a count or a ranking of what the scope leaves."""

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.english.intents import PLAIN, SUPERLATIVES, Intent, read_intent
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unknown_field
from dataflow_insight.english.shape import Shape
from dataflow_insight.plans.plan import Measure, Plan


def plan(reading: Reading) -> Plan | tuple[Plan, ...] | None:
    """Returns the plan of a question that no other family claimed.

    Raises:
        Refusal: The parts do not make one query.
    """
    scope = reading.read_scope()
    implied = _adjectives(reading)
    intent = read_intent(reading.sheet)
    if implied is not None and implied[1] is not None:
        intent.highest |= implied[1] is Measure.MAX
        intent.lowest |= implied[1] is Measure.MIN
    measured = _measured(reading, implied[0] if implied is not None else None, intent)
    if measured is not None:
        reading.cover_unit(measured)
    reading.settle(
        measured=measured is not None or bool(reading.conditions),
        counts=intent.count or intent.yes_no,
        coverage=intent.coverage,
    )
    shape = Shape(
        intent, measured, reading.conditions, reading.contract, reading.devices, reading.times.given, reading.text
    )
    return shape.plan(scope)


def _adjectives(reading: Reading) -> tuple[Field, Measure | None] | None:
    entries: list[tuple[str, str, Measure | None]] = [
        *SUPERLATIVES,
        *((pattern, name, None) for pattern, name in PLAIN),
    ]
    for pattern, name, measure in entries:
        found = reading.sheet.take(pattern)
        if found is None:
            continue
        item = reading.reader.concept_field(name)
        if item is None:
            raise Refusal(unknown_field(reading.contract))
        reading.assumptions.append(f'"{found.group()}" is about the field {item.name}')
        return item, measure
    return None


def _measured(reading: Reading, implied: Field | None, intent: Intent) -> Field | None:
    """Returns the field that is measured; a field that only stands in a comparison is not."""
    fields = list(dict.fromkeys([*reading.free_fields(), *([implied] if implied is not None else [])]))
    if len(fields) > 1:
        raise Refusal(two_things())
    if fields:
        return fields[0]
    if reading.conditions and not intent.count and not intent.how_often and not intent.devices and intent.asks:
        used = {found.condition.field for found in reading.conditions}
        if len(used) == 1 and not (intent.latest and intent.when) and not intent.coverage:
            return reading.contract.field_named(used.pop())
    return None
