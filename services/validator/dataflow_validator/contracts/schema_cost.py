"""How much work a JSON Schema can make of one value: references let a short document ask for 2^n steps."""

from typing import Final

from dataflow_validator.contracts.references import References
from dataflow_validator.contracts.spec import Json

MAX_SCHEMA_STEPS: Final = 100_000
"""Subschemas visited when every reference is followed once. FIWARE's models have a few hundred."""

_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS: Final = ("properties", "patternProperties", "dependentSchemas")
_SINGLE: Final = (
    "not",
    "if",
    "then",
    "else",
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)


def steps(document: Json) -> int:
    """Count the subschemas that judging can visit, each as often as references lead to it; at most twice the limit.

    A reference back to where it came from counts as nothing: what it costs depends on the depth of the value, which the
    parser bounds.
    """
    try:
        return _Counter(document).count(document)
    except RecursionError:
        return 2 * MAX_SCHEMA_STEPS


class _Counter:
    def __init__(self, document: Json) -> None:
        self._references = References(document)
        self._known: dict[int, int] = {}

    def count(self, schema: Json) -> int:
        if not isinstance(schema, dict):
            return 1
        if (known := self._known.get(id(schema))) is not None:
            return known
        self._known[id(schema)] = 0  # while it is being counted, a reference back is free
        total = 1
        for keyword in _LISTS:
            if isinstance(parts := schema.get(keyword), list):
                total += sum(map(self.count, parts))
        for keyword in _MAPS:
            if isinstance(members := schema.get(keyword), dict):
                total += sum(map(self.count, members.values()))
        for keyword in _SINGLE:
            if (inner := schema.get(keyword)) is not None:
                total += self.count(inner)
        for keyword in ("$ref", "$dynamicRef"):
            total += self.count(self._references.target(schema, keyword))
        total = min(total, 2 * MAX_SCHEMA_STEPS)
        self._known[id(schema)] = total
        return total
