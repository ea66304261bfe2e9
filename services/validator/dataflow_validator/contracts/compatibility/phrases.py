"""Rules in the words of people: "at least 5", "text of at most 8 characters"."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from dataflow_validator.contracts.compatibility.facts import ALL_TYPES, Facts
from dataflow_validator.contracts.compatibility.findings import json_text, words_of
from dataflow_validator.contracts.compatibility.nodes import BIGINT, BINARY, EVENT, MOMENT, TEXT
from dataflow_validator.contracts.spec import EPOCH, Json

CLAUSES: Final[Mapping[str, str]] = {
    MOMENT: "timestamp",
    EVENT: "eventTime",
    BIGINT: "storable",
    BINARY: "encoding",
    TEXT: "coerce",
    "depth": "schema",
}
"""How the rules are named that JSON Schema has no word for."""

_PHRASES: Final[Mapping[str, str]] = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "pattern": "matching {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} elements",
    "maxItems": "at most {} elements",
    "minProperties": "at least {} members",
    "maxProperties": "at most {} members",
}
_PAIRS: Final[Mapping[str, tuple[str, ...]]] = {
    "minimum": ("minimum", "exclusiveMinimum"),
    "exclusiveMinimum": ("minimum", "exclusiveMinimum"),
    "maximum": ("maximum", "exclusiveMaximum"),
    "exclusiveMaximum": ("maximum", "exclusiveMaximum"),
    "const": ("const", "enum"),
    "enum": ("const", "enum"),
}


def phrase(word: str, rule: Json) -> str:
    """Say one rule."""
    if word in _PHRASES:
        return _PHRASES[word].format(rule if isinstance(rule, str) else json_text(rule))
    if word == "type":
        return " or ".join(map(str, rule)) if isinstance(rule, list) else str(rule)
    if word == "enum" and isinstance(rule, list):
        return "one of " + words_of(rule)
    if word == "const":
        return "only " + words_of([rule])
    if word == "false":
        return "not allowed"
    if word in {"additionalProperties", "unevaluatedProperties"}:
        return "no other members" if rule is False else "other members only by a rule"
    if word == "uniqueItems":
        return "no element twice" if rule else "any elements"
    if word == MOMENT and isinstance(rule, list):
        return f"a moment ({rule[0]})"
    if word == EVENT and isinstance(rule, list):
        return _event(rule)
    if word == BIGINT:
        return "a whole number of 64 bits"
    if word == BINARY and isinstance(rule, list):
        high = "" if rule[2] is None else f" to {rule[2]}"
        return f"{rule[0]} of {rule[1]}{high} bytes" if high else f"{rule[0]} of at least {rule[1]} bytes"
    if word == "depth":
        return "too involved to decide"
    return f"{CLAUSES.get(word, word)} {_shortened(rule)}"


def _event(rule: list[Json]) -> str:
    parts = [f"a moment ({rule[0]})"]
    for name, edge in (("from", rule[2]), ("to", rule[3])):
        if isinstance(edge, int):
            parts.append(f"{name} {(EPOCH + timedelta(microseconds=edge)).isoformat()}")
    if isinstance(rule[4], int):
        parts.append(f"at most {timedelta(microseconds=rule[4])} ahead of its receipt")
    return ", ".join(parts)


def _shortened(rule: Json) -> str:
    text = words_of([rule])
    return text if len(text) <= 60 else text[:59] + "…"


def known(facts: Facts, word: str) -> str:
    """Say what the facts have to say about a keyword."""
    if word == "type":
        kinds = facts.types
        if kinds == ALL_TYPES:
            return "any type"
        return " or ".join(sorted(kinds - {"integer"} if "number" in kinds else kinds)) or "nothing"
    if word == "required":
        return "optional"
    if word == "false":
        return "allowed"
    phrases = [phrase(other, rule) for other in _PAIRS.get(word, (word,)) for rule in facts.get(other)]
    return "; ".join(dict.fromkeys(phrases)) or "no rule"
