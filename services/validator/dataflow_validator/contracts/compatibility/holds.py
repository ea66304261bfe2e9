"""Whether one value satisfies a schema, as far as that can be said: true, false, or not known."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import jsonschema_rs

from dataflow_validator.contracts.coercion import coerced
from dataflow_validator.contracts.columns import UnfitError, converter
from dataflow_validator.contracts.compatibility.nodes import BIGINT, BINARY, EVENT, MOMENT, TEXT, Node, equal
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.event_time import read_moment
from dataflow_validator.contracts.names import BIGINT_MAX, BIGINT_MIN
from dataflow_validator.contracts.schema import build_validator
from dataflow_validator.contracts.spec import EPOCH, BinaryEncoding, EventTimeFormat, FieldSpec, FieldType, Json

_MAX_DEPTH: Final = 40

NUMBERS: Final = frozenset({"integer", "number"})


def type_of(value: object) -> str:
    """Name a value's type as JSON Schema does; a whole number is an "integer" however it is written."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def holds(node: Node, value: object, depth: int = 0) -> bool | None:
    """Say whether a value satisfies a schema; `None` where this evaluator does not know."""
    if isinstance(node.schema, bool):
        return node.schema
    if depth > _MAX_DEPTH:
        return None
    return every(word_holds(node, word, value, depth) for word in node.assertions())


def every(verdicts: Iterable[bool | None]) -> bool | None:
    """And, over three truth values."""
    known: bool | None = True
    for verdict in verdicts:
        if verdict is False:
            return False
        if verdict is None:
            known = None
    return known


def _any(verdicts: Iterable[bool | None]) -> bool | None:
    known: bool | None = False
    for verdict in verdicts:
        if verdict is True:
            return True
        if verdict is None:
            known = None
    return known


def _not(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict


def word_holds(node: Node, word: str, value: object, depth: int = 0) -> bool | None:
    """Say whether a value satisfies one keyword of a schema."""
    rule = node.get(word)
    below = depth + 1
    match word:
        case "type":
            kinds = rule if isinstance(rule, list) else [rule]
            kind = type_of(value)
            return kind in kinds or (kind == "integer" and "number" in kinds)
        case "enum":
            return any(equal(value, option) for option in rule) if isinstance(rule, list) else None
        case "const":
            return equal(value, rule)
        case "$ref":
            target = node.reference()
            return None if target is None else holds(target, value, below)
        case "allOf":
            return every(holds(part, value, below) for part in node.children(word))
        case "anyOf":
            return _any(holds(part, value, below) for part in node.children(word))
        case "oneOf":
            return _one(holds(part, value, below) for part in node.children(word))
        case "not":
            return _not(holds(node.child(word), value, below))
        case "$dynamicRef" | "$recursiveRef":
            return None
        case "then" | "else":
            return True  # judged with "if"
        case "if":
            verdict = holds(node.child("if"), value, below)
            then, otherwise = holds(node.child("then"), value, below), holds(node.child("else"), value, below)
            if verdict is None:
                return True if then is True and otherwise is True else None
            return then if verdict else otherwise
    if isinstance(value, bool) or value is None:
        return word != EVENT
    if isinstance(value, int | float):
        return _number_holds(word, rule, value)
    if isinstance(value, str):
        return _text_holds(node, word, rule, value, below)
    if word == EVENT:
        return False
    if isinstance(value, list):
        return _array_holds(node, word, rule, value, below)
    if isinstance(value, dict):
        return _object_holds(node, word, rule, value, below)
    return None


def _one(verdicts: Iterable[bool | None]) -> bool | None:
    known = list(verdicts)
    if known.count(True) > 1:
        return False
    if None in known:
        return None
    return known.count(True) == 1


def _number_holds(word: str, rule: Json, value: float) -> bool | None:
    if word in (MOMENT, EVENT):
        return _moment_holds(word, rule, value)
    if word == BIGINT:
        return (isinstance(value, float) and not value.is_integer()) or BIGINT_MIN <= value <= BIGINT_MAX
    if not isinstance(rule, int | float) or isinstance(rule, bool):
        return True
    match word:
        case "minimum":
            return value >= rule
        case "maximum":
            return value <= rule
        case "exclusiveMinimum":
            return value > rule
        case "exclusiveMaximum":
            return value < rule
        case "multipleOf":
            return value % rule == 0 if isinstance(value, int) and isinstance(rule, int) else None
    return True


def _text_holds(node: Node, word: str, rule: Json, value: str, depth: int) -> bool | None:
    match word:
        case "minLength":
            return len(value) >= rule if isinstance(rule, int | float) else None
        case "maxLength":
            return len(value) <= rule if isinstance(rule, int | float) else None
        case "pattern":
            return found(str(rule), value)
    if word == TEXT and isinstance(rule, list):
        read = coerced(value, FieldType(str(rule[0])))
        return False if isinstance(read, str) else holds(node.at(rule[1]), read, depth)
    if word == BIGINT:
        read = value if rule is None else coerced(value, FieldType(str(rule)))
        return True if isinstance(read, str) else _number_holds(word, rule, read)  # type: ignore[arg-type]
    if word in (MOMENT, EVENT):
        return _moment_holds(word, rule, value)
    if word == BINARY and isinstance(rule, list):
        low, high = rule[1], rule[2]
        spec = FieldSpec(
            "binary",
            FieldType.BINARY,
            encoding=BinaryEncoding(str(rule[0])),
            min_length=low if isinstance(low, int) else None,
            max_length=high if isinstance(high, int) else None,
        )
        return _fits(spec, "bytea", value)
    return True


def _moment_holds(word: str, rule: Json, value: object) -> bool | None:
    if not isinstance(rule, list):
        return None
    if isinstance(value, str) and rule[1] is not None:
        value = coerced(value, FieldType(str(rule[1])))
    written = EventTimeFormat(str(rule[0]))
    moment = read_moment(value, written)
    if word == MOMENT:
        if moment is None:
            return bool(rule[2])
        return _fits(FieldSpec("moment", FieldType.TIMESTAMP, format=written), "timestamptz", value)
    if moment is None:
        return False
    since = (moment.time - EPOCH).total_seconds() * 1e6
    low, high = rule[2], rule[3]
    if isinstance(low, int) and since < low:
        return False
    if isinstance(high, int) and since > high:
        return False
    return None  # how far ahead of the receive time it is, only judging can say


def _fits(spec: FieldSpec, column: str, value: object) -> bool | None:
    convert = converter(spec, column)
    if convert is None:
        return None
    try:
        convert(value)
    except UnfitError:
        return False
    return True


def _array_holds(node: Node, word: str, rule: Json, value: list[object], depth: int) -> bool | None:
    match word:
        case "minItems":
            return len(value) >= rule if isinstance(rule, int | float) else None
        case "maxItems":
            return len(value) <= rule if isinstance(rule, int | float) else None
        case "uniqueItems":
            return rule is not True or not any(
                equal(item, other) for i, item in enumerate(value) for other in value[:i]
            )
        case "prefixItems":
            return every(holds(part, item, depth) for part, item in zip(node.children(word), value, strict=False))
        case "items":
            rest = value[len(node.children("prefixItems")) :]
            return every(holds(node.child(word), item, depth) for item in rest)
        case "contains":
            if node.has("minContains") or node.has("maxContains"):
                return None
            return _any(holds(node.child(word), item, depth) for item in value)
        case "minContains" | "maxContains":
            return True  # with "contains"
        case "unevaluatedItems":
            return None if value else True
    return True


def _object_holds(node: Node, word: str, rule: Json, value: dict[str, object], depth: int) -> bool | None:
    match word:
        case "required":
            return all(name in value for name in rule) if isinstance(rule, list) else None
        case "minProperties":
            return len(value) >= rule if isinstance(rule, int | float) else None
        case "maxProperties":
            return len(value) <= rule if isinstance(rule, int | float) else None
        case "properties" | "patternProperties" | "additionalProperties":
            return every(_members_hold(node, word, value, depth))
        case "propertyNames":
            return every(holds(node.child(word), name, depth) for name in value)
        case "dependentRequired" if isinstance(rule, dict):
            wanted = [names for name, names in rule.items() if name in value and isinstance(names, list)]
            return all(name in value for names in wanted for name in names)
        case "dependentSchemas":
            return every(holds(part, value, depth) for name, part in node.members(word).items() if name in value)
        case "unevaluatedProperties" | "dependencies":
            return None if value else True
    return True


def _members_hold(node: Node, word: str, value: dict[str, object], depth: int) -> Iterator[bool | None]:
    named, patterns = node.members("properties"), node.members("patternProperties")
    for name, member in value.items():
        if word == "properties":
            if name in named:
                yield holds(named[name], member, depth)
            continue
        matches = {pattern: found(pattern, name) for pattern in patterns}
        if word == "patternProperties":
            for pattern, verdict in matches.items():
                if verdict is not False:
                    inner = holds(patterns[pattern], member, depth)
                    yield inner if verdict or inner else None
        elif name not in named and True not in matches.values():
            inner = holds(node.child(word), member, depth)
            yield inner if None not in matches.values() or inner else None


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> jsonschema_rs.Validator | None:
    try:
        return build_validator({"pattern": pattern})
    except ContractError:
        return None


def found(pattern: str, text: str) -> bool | None:
    """Say whether a regular expression is found in a text, by the engine that judges."""
    validator = _pattern(pattern)
    try:
        return None if validator is None else validator.is_valid(text)
    except ValueError:
        return None
