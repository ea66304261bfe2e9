"""Random pairs of contracts against random items: is anything called compatible that an item refutes?

Contracts are made of fields, of raw JSON Schemas and of both; most pairs are near misses, one changed a little from the
other. Items are made up here, without the help of the comparison: valid ones, ones at the edges of either contract, and
mutated ones. What counts is what both compiled contracts say of them.

    python tests/benchmarks/compatibility_pairs.py --pairs 10000 --seed 1
"""

import argparse
import copy
import dataclasses
import json
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    Coercion,
    CompiledContract,
    ContractError,
    ContractSpec,
    DeviceRule,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    Refused,
    UnknownFields,
    compile_contract,
    from_json_schema_document,
)
from dataflow_validator.contracts.compatibility import Comparison, Direction, compare
from dataflow_validator.contracts.schema import contract_schema
from dataflow_validator.contracts.spec import BinaryEncoding

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
RULE = DeviceRule.parse("topic:1")
NAMES = ("a", "b", "ts", "/n/x", "/n/y", "/l/0", "/l/1/z")
PATTERNS = ("^a", "^ab?$", "[0-9]+", "^[a-c]{1,3}$", "")
NUMBERS = (-5, -1, 0, 1, 2, 5, 10, 0.5, 1.5, 2**53, 2**63, -(2**63))
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 5, 7, 10, 0.5, 1.5, -0.5, 5.0, 1e20, 2**53 + 1, 2**63, 2**63 - 1, -(2**63) - 1),
    *("", "a", "ab", "abc", "b", "5", "5.0", "12.5", "true", "no", "x" * 9, "AA==", "AAAA", "ff", "é"),
    *(
        "2025-06-01T00:00:00Z",
        "2025-06-01 00:00",
        "2026-01-01T12:00:00Z",
        "1999-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
    ),
    *(1388549106, 1388549106000, "1388549106", [], [1], ["a"], [1, 1], [None, 2], {}, {"x": 1}, {"x": "a", "y": None}),
)


def any_field(random: Random, name: str, *, depth: int = 0) -> FieldSpec:
    """Make a field with a few rules."""
    kinds = list(FieldType) if depth < 2 else [FieldType.STRING, FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN]
    kind = random.choice(kinds)
    rules: dict[str, Any] = {"required": random.random() < 0.5, "nullable": random.random() < 0.3}
    if kind in {FieldType.INTEGER, FieldType.NUMBER}:
        low, high = sorted(random.sample(NUMBERS, 2))
        bounds = (("min", low), ("max", high), ("exclusive_min", low), ("exclusive_max", high))
        rules |= {key: value for key, value in bounds if random.random() < 0.25}
        if random.random() < 0.1:
            rules["multiple_of"] = random.choice([1, 2, 5, 0.5])
        if random.random() < 0.1:
            rules["enum"] = tuple(random.sample([0, 1, 2, 5, 7], 2))
    if kind in {FieldType.STRING, FieldType.ARRAY, FieldType.BINARY}:
        if random.random() < 0.4:
            rules["min_length"] = random.choice([0, 1, 2])
        if random.random() < 0.4:
            rules["max_length"] = random.choice([2, 3, 8])
    if kind is FieldType.STRING:
        if random.random() < 0.3:
            rules["pattern"] = random.choice(PATTERNS)
        if random.random() < 0.2:
            rules["enum"] = tuple(random.sample(["a", "ab", "abc", "b"], 2))
    if kind is FieldType.BINARY:
        rules["encoding"] = random.choice(list(BinaryEncoding))
    if kind is FieldType.TIMESTAMP:
        rules["format"] = random.choice(list(EventTimeFormat))
    if kind is FieldType.ARRAY and random.random() < 0.5:
        rules["items"] = any_field(random, "", depth=depth + 1)
    if kind is FieldType.OBJECT and random.random() < 0.5:
        rules["members"] = tuple(
            any_field(random, inner, depth=depth + 1) for inner in random.sample(["x", "y"], random.choice([1, 2]))
        )
    if not rules["required"] and kind is FieldType.STRING and random.random() < 0.2 and "enum" not in rules:
        rules["default"], rules["has_default"] = "ab", True
    return FieldSpec(name, kind, **rules)


def any_schema(random: Random, depth: int = 0) -> Any:
    """Make a JSON Schema of the common keywords."""
    if random.random() < 0.05:
        return random.random() < 0.8
    schema: dict[str, Any] = {}
    if random.random() < 0.8:
        kinds = ["null", "boolean", "integer", "number", "string", "array", "object"]
        if depth > 2:
            kinds = kinds[:5]
        schema["type"] = random.choice(kinds) if random.random() < 0.7 else random.sample(kinds, 2)
    kinds = schema.get("type", ["integer", "string", "object"])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if {"integer", "number"} & set(kinds):
        for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            if random.random() < 0.25:
                schema[key] = random.choice(NUMBERS)
        if random.random() < 0.1:
            schema["multipleOf"] = random.choice([1, 2, 3, 6, 0.5])
    if "string" in kinds:
        if random.random() < 0.3:
            schema["minLength"] = random.choice([0, 1, 2, 3])
        if random.random() < 0.3:
            schema["maxLength"] = random.choice([1, 2, 3, 8])
        if random.random() < 0.2:
            schema["pattern"] = random.choice(PATTERNS)
        if random.random() < 0.1:
            schema["format"] = random.choice(["date-time", "email"])
    if "object" in kinds:
        _object_words(random, schema, depth)
    if "array" in kinds:
        _array_words(random, schema, depth)
    if random.random() < 0.1:
        schema["enum"] = random.sample(VALUES, random.choice([1, 2, 4]))
    if random.random() < 0.05:
        schema["const"] = random.choice(VALUES)
    if depth < 3 and random.random() < 0.25:
        word = random.choice(["anyOf", "oneOf", "allOf"])
        schema[word] = [any_schema(random, depth + 1) for _ in range(2)]
    if depth < 3 and random.random() < 0.08:
        schema["not"] = any_schema(random, depth + 2)
    if depth < 3 and random.random() < 0.06:
        schema["if"], schema["then"], schema["else"] = (any_schema(random, depth + 2) for _ in range(3))
    if depth and random.random() < 0.08:
        schema["$ref"] = random.choice(["#/$defs/d", "#/$defs/e"])
    if depth == 0:
        schema["$defs"] = {
            "d": any_schema(random, 2),
            "e": {"type": "object", "properties": {"a": {"$ref": "#/$defs/e"}, "b": any_schema(random, 3)}},
        }
    return schema


def _object_words(random: Random, schema: dict[str, Any], depth: int) -> None:
    if random.random() < 0.85 and depth < 3:
        names = random.sample(["a", "b", "n", "x"], random.choice([1, 2, 3]))
        schema["properties"] = {name: any_schema(random, depth + 1) for name in names}
        if random.random() < 0.5:
            schema["required"] = random.sample([*names, "x"], random.choice([1, 2]))
    chance = random.random()
    if chance < 0.2:
        schema["additionalProperties"] = False
    elif chance < 0.3 and depth < 3:
        schema["additionalProperties"] = any_schema(random, depth + 2)
    elif chance < 0.35:
        schema["unevaluatedProperties"] = False
    if random.random() < 0.1 and depth < 3:
        schema["patternProperties"] = {random.choice(["^a", "^[x-z]", "n"]): any_schema(random, depth + 2)}
    if random.random() < 0.06:
        schema["propertyNames"] = {random.choice(["maxLength", "minLength"]): random.choice([1, 2])}
    if random.random() < 0.06:
        schema["maxProperties"] = random.choice([1, 2])
    if random.random() < 0.06:
        schema["minProperties"] = random.choice([1, 2])
    if random.random() < 0.06:
        schema["dependentRequired"] = {"a": ["b"]}
    if random.random() < 0.05 and depth < 3:
        schema["dependentSchemas"] = {"a": any_schema(random, depth + 2)}


def _array_words(random: Random, schema: dict[str, Any], depth: int) -> None:
    if depth < 3 and random.random() < 0.7:
        schema["items"] = any_schema(random, depth + 1)
    if depth < 3 and random.random() < 0.2:
        schema["prefixItems"] = [any_schema(random, depth + 2) for _ in range(random.choice([1, 2]))]
    for key in ("minItems", "maxItems"):
        if random.random() < 0.25:
            schema[key] = random.choice([0, 1, 2, 3])
    if random.random() < 0.1:
        schema["uniqueItems"] = True
    if random.random() < 0.1 and depth < 3:
        schema["contains"] = any_schema(random, depth + 2)


def any_contract(random: Random) -> ContractSpec:
    """Make a contract: of fields, of a raw schema, or of both."""
    kind = random.random()
    choices: dict[str, Any] = {
        "unknown": random.choice(list(UnknownFields)),
        "coerce": random.choice([Coercion.STRICT, Coercion.STRICT, Coercion.LOSSLESS]),
    }
    if kind < 0.35:
        schema = any_schema(random)
        return dataclasses.replace(from_json_schema_document(schema, name="pair"), **choices)
    names = random.sample(NAMES, random.choice([1, 2, 3]))
    fields = tuple(any_field(random, name) for name in names)
    if random.random() < 0.3:
        written = random.choice(list(EventTimeFormat))
        kinds = [FieldType.TIMESTAMP, FieldType.STRING if written is EventTimeFormat.RFC3339 else FieldType.NUMBER]
        fields = (*(one for one in fields if one.name != "ts"), FieldSpec("ts", random.choice(kinds)))
        choices |= {"event_time": "ts", "event_time_format": written}
        if random.random() < 0.5:
            choices["event_time_min"] = datetime(random.choice([1999, 2014, 2025]), 1, 1, tzinfo=UTC)
        if random.random() < 0.3:
            choices["event_time_max"] = datetime(random.choice([2025, 2026]), 6, 1, tzinfo=UTC)
        if random.random() < 0.3:
            choices["event_time_ahead"] = timedelta(hours=random.choice([0, 1, 12]))
    raw = any_schema(random) if kind > 0.9 else None
    return ContractSpec("pair", fields, json_schema=raw, **choices)


def changed(random: Random, spec: ContractSpec) -> ContractSpec:
    """Change a contract a little."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        spec = _changed_once(random, spec)
    return spec


def _changed_once(random: Random, spec: ContractSpec) -> ContractSpec:
    chance = random.random()
    if spec.fields_from_schema or (spec.json_schema is not None and chance < 0.4):
        if random.random() < 0.1:
            return dataclasses.replace(
                spec, unknown=random.choice(list(UnknownFields)), coerce=random.choice(list(Coercion))
            )
        schema = changed_schema(random, copy.deepcopy(spec.json_schema))
        if spec.fields_from_schema:
            derived = from_json_schema_document(schema, name="pair")
            return dataclasses.replace(spec, fields=derived.fields, json_schema=schema)
        return dataclasses.replace(spec, json_schema=schema)
    fields = list(spec.fields)
    if chance < 0.15:
        return dataclasses.replace(spec, unknown=random.choice(list(UnknownFields)))
    if chance < 0.25:
        return dataclasses.replace(spec, coerce=random.choice(list(Coercion)))
    if chance < 0.35 and spec.event_time is not None:
        return dataclasses.replace(
            spec,
            event_time_min=datetime(random.choice([1970, 1999, 2020]), 1, 1, tzinfo=UTC),
            event_time_ahead=timedelta(hours=random.choice([0, 6, 24])),
        )
    if chance < 0.5 or not fields:
        free = [name for name in (*NAMES, "c", "/n/new") if all(one.name != name for one in fields)]
        added = any_field(random, random.choice(free))
        return dataclasses.replace(spec, fields=(*fields, dataclasses.replace(added, required=random.random() < 0.3)))
    place = random.randrange(len(fields))
    if fields[place].name == spec.event_time:
        return spec
    if chance < 0.6:
        del fields[place]
        return dataclasses.replace(spec, fields=tuple(fields)) if fields else spec
    fields[place] = changed_field(random, fields[place])
    return dataclasses.replace(spec, fields=tuple(fields))


def changed_field(random: Random, one: FieldSpec) -> FieldSpec:
    """Change one rule of a field."""
    chance = random.random()
    if chance < 0.2:
        return dataclasses.replace(one, nullable=not one.nullable)
    if chance < 0.4:
        return dataclasses.replace(one, required=not one.required)
    if chance < 0.55 and (near := _beside(random, one)) is not None:
        return near
    other = any_field(random, one.name)
    if chance < 0.65:
        return dataclasses.replace(other, required=one.required, nullable=one.nullable)
    if one.items is not None and random.random() < 0.6:
        return dataclasses.replace(one, items=changed_field(random, one.items))
    if one.members and random.random() < 0.6:
        return dataclasses.replace(one, members=(changed_field(random, one.members[0]), *one.members[1:]))
    for _ in range(20):
        other = any_field(random, one.name)
        if other.type is one.type:
            word = random.choice(
                [
                    "min",
                    "max",
                    "exclusive_min",
                    "exclusive_max",
                    "multiple_of",
                    "enum",
                    "pattern",
                    "min_length",
                    "max_length",
                    "encoding",
                    "format",
                    "items",
                    "members",
                ]
            )
            return dataclasses.replace(one, **{word: getattr(other, word)})
    return one


def _beside(random: Random, one: FieldSpec) -> FieldSpec | None:
    """Move a bound by a step, or from inclusive to exclusive and back: where a careless comparison slips."""
    bounds = ["min", "max", "exclusive_min", "exclusive_max", "min_length", "max_length"]
    given = [word for word in bounds if getattr(one, word) is not None]
    if not given:
        return None
    word = random.choice(given)
    value = getattr(one, word)
    if word.endswith("length"):
        return dataclasses.replace(one, **{word: max(0, value + random.choice([1, -1]))})
    other = word.removeprefix("exclusive_") if word.startswith("exclusive_") else f"exclusive_{word}"
    if random.random() < 0.6:
        return dataclasses.replace(one, **{word: None, other: value})
    return dataclasses.replace(one, **{word: value + random.choice([1, -1, 0.5, -0.5])})


_SWAPPED = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum", "anyOf": "oneOf"}
_SWAPPED |= {new: old for old, new in _SWAPPED.items()}


def changed_schema(random: Random, schema: Any) -> Any:
    """Change one place of a JSON Schema."""
    if not isinstance(schema, dict) or not schema:
        return any_schema(random, 1)
    word = random.choice(list(schema))
    inner = schema[word]
    chance = random.random()
    if chance < 0.5 and word in _SWAPPED and _SWAPPED[word] not in schema:
        schema[_SWAPPED[word]] = schema.pop(word)
        return schema
    if (
        chance < 0.8
        and isinstance(inner, int | float)
        and not isinstance(inner, bool)
        and word not in {"const", "multipleOf"}
    ):
        schema[word] = (
            max(0, inner + random.choice([1, -1]))
            if word.startswith(("min", "max")) and "imum" not in word
            else inner + random.choice([1, -1, 0.5])
        )
        return schema
    if chance < 0.55 and isinstance(inner, dict) and inner:
        if word in {"properties", "$defs", "patternProperties", "dependentSchemas"}:
            name = random.choice(list(inner))
            if random.random() < 0.8:
                inner[name] = changed_schema(random, inner[name])
            elif word == "properties" and random.random() < 0.5:
                inner[random.choice(["q", "r"])] = any_schema(random, 2)
            elif word != "$defs":
                del inner[name]
        elif word not in {"dependentRequired", "const"}:
            schema[word] = changed_schema(random, inner)
        return schema
    if chance < 0.7 and word in {"anyOf", "oneOf", "allOf", "prefixItems"}:
        place = random.randrange(len(inner))
        inner[place] = changed_schema(random, inner[place])
        return schema
    if chance < 0.8 and word != "$defs":
        del schema[word]
        return schema
    other = any_schema(random, 1)
    if isinstance(other, dict):
        other.pop("$defs", None)
        for key in random.sample(sorted(other), min(len(other), 1)):
            schema[key] = other[key]
    return schema


class Items:
    """Makes items up around two contracts."""

    def __init__(self, random: Random, *specs: ContractSpec) -> None:
        self._random = random
        self._specs = specs
        self._documents = [contract_schema(spec) for spec in specs]
        self._moments = [spec for spec in specs if spec.event_time]

    def some(self, count: int) -> Iterator[Any]:
        """Make items: by one contract, by the other, and mutated."""
        random = self._random
        before: Any = {}
        for number in range(count):
            document = random.choice(self._documents)
            item = self._value(document, document, 0)
            if isinstance(item, dict):
                item = self._special(item)
            if number % 3 == 2:
                item = self._mutated(copy.deepcopy(before if random.random() < 0.3 else item), 0)
            before = item
            yield item

    def _special(self, item: dict[str, Any]) -> dict[str, Any]:
        """Give times, bytes and coerced values to the fields that want them."""
        random = self._random
        for one in random.choice(self._specs).fields:
            tokens = one.tokens
            holder: Any = item
            for token in tokens[:-1]:
                holder = holder.get(token) if isinstance(holder, dict) else None
            if not isinstance(holder, dict) or (tokens[-1] not in holder and random.random() < 0.6):
                continue
            if one.type is FieldType.TIMESTAMP or one.name == "ts":
                holder[tokens[-1]] = self._moment()
            elif one.type is FieldType.BINARY and random.random() < 0.8:
                made = bytes(random.choice([0, 1, 2, 3, 8, 9]))
                holder[tokens[-1]] = made.hex() if one.encoding is BinaryEncoding.HEX else b64encode(made).decode()
            elif one.type in {FieldType.NUMBER, FieldType.INTEGER} and random.random() < 0.2:
                value = holder.get(tokens[-1])
                holder[tokens[-1]] = str(value) if isinstance(value, int | float) else "5"
        return item

    def _moment(self) -> Any:
        random = self._random
        edges = [RECEIVED, RECEIVED - timedelta(days=100)]
        for spec in self._moments:
            edges += [
                spec.event_time_min,
                RECEIVED + spec.event_time_ahead,
                *([] if spec.event_time_max is None else [spec.event_time_max]),
            ]
        moment = random.choice(edges) + timedelta(seconds=random.choice([-1, 0, 0, 1]))
        seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        written = moment.isoformat()
        return random.choice(
            [
                written,
                written.replace("+00:00", "Z"),
                written[:19],
                seconds,
                int(seconds),
                int(seconds * 1000),
                int(seconds * 1_000_000),
                str(int(seconds)),
                str(int(seconds * 1000)),
            ]
        )

    def _mutated(self, value: Any, depth: int) -> Any:
        random = self._random
        if isinstance(value, dict) and value and random.random() < 0.8:
            name = random.choice(list(value))
            chance = random.random()
            if chance < 0.2:
                del value[name]
            elif chance < 0.3:
                value[random.choice(["a", "b", "n", "x", "zz", "c", "q"])] = random.choice(VALUES)
            else:
                value[name] = self._mutated(value[name], depth + 1)
            return value
        if isinstance(value, list) and value and random.random() < 0.7:
            place = random.randrange(len(value))
            value[place] = self._mutated(value[place], depth + 1)
            return value
        if isinstance(value, int | float) and not isinstance(value, bool) and random.random() < 0.5:
            return value + random.choice([1, -1, 0.5])
        if isinstance(value, str) and random.random() < 0.4:
            return random.choice([value[:-1], value + "a", value + value])
        return random.choice(VALUES)

    def _value(self, schema: Any, root: Any, depth: int) -> Any:
        random = self._random
        if not isinstance(schema, dict) or depth > 8:
            return random.choice(VALUES)
        if "$ref" in schema:
            target = root
            parts = schema["$ref"].removeprefix("#").split("/")[1:]
            for part in parts:
                target = target.get(part, {}) if isinstance(target, dict) else {}
            if parts:
                schema = {
                    **(target if isinstance(target, dict) else {}),
                    **{k: v for k, v in schema.items() if k != "$ref"},
                }
            elif (inner := root.get("$defs", {}).get("contract")) is not None and depth == 0:
                return self._value(inner, inner, 1)
        if "const" in schema and random.random() < 0.95:
            return schema["const"]
        if schema.get("enum") and random.random() < 0.9:
            return random.choice(schema["enum"])
        for word in ("allOf", "anyOf", "oneOf"):
            if schema.get(word):
                parts = schema[word] if word == "allOf" else [random.choice(schema[word])]
                merged = {key: value for key, value in schema.items() if key != word}
                for part in parts:
                    if isinstance(part, dict):
                        both = {
                            word: merged[word] for word in ("properties", "required") if word in part and word in merged
                        }
                        merged |= part
                        if "properties" in both:
                            merged["properties"] = {**both["properties"], **part["properties"]}
                        if "required" in both:
                            merged["required"] = [*both["required"], *part["required"]]
                return self._value(merged, root, depth + 1)
        kinds = schema.get("type", ["object", "string", "integer", "null"] if depth else "object")
        kind = kinds if isinstance(kinds, str) else random.choice(kinds)
        match kind:
            case "null":
                return None
            case "boolean":
                return random.random() < 0.5
            case "integer" | "number":
                edges = [
                    schema[word]
                    for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
                    if word in schema
                ]
                if not edges:
                    return random.choice([0, 1, 5, 7, -3, 2.0, *([] if kind == "integer" else [0.5, 1.25])])
                edge = random.choice(edges) + random.choice([0, 0, 1, -1, 0.5, -0.5])
                return int(edge) if kind == "integer" and abs(edge) < 1e300 else edge
            case "string":
                low, high = schema.get("minLength", 0), schema.get("maxLength", 6)
                text = (
                    random.choice(["a", "ab", "abc", "b1", "12", "é", "cab"])
                    if "pattern" in schema or random.random() < 0.5
                    else ""
                )
                size = random.choice([low, high, min(low + 1, high)])
                return (text + "abca" * 4)[:size] if size < 16 else text
            case "array":
                low, high = schema.get("minItems", 0), schema.get("maxItems", 3)
                prefix = schema.get("prefixItems", [])
                size = max(0, random.choice([low, high, low + 1]))
                return [
                    self._value(prefix[i] if i < len(prefix) else schema.get("items", True), root, depth + 1)
                    for i in range(min(size, 6))
                ]
        made = {}
        named = schema.get("properties", {})
        likely = random.choice([0.2, 0.6, 1.0])
        for name in [*named, *schema.get("required", [])]:
            if name in schema.get("required", []) or random.random() < likely:
                made[name] = self._value(named.get(name, True), root, depth + 1)
        if random.random() < 0.2:
            made[random.choice(["zz", "x", "ab", "c", "n"])] = random.choice(VALUES)
        return made


@dataclass(slots=True)
class Tally:
    """What came out."""

    pairs: int = 0
    items: int = 0
    uncompilable: int = 0
    compatible: Counter[str] = field(default_factory=Counter)
    incompatible: Counter[str] = field(default_factory=Counter)
    without_example: Counter[str] = field(default_factory=Counter)
    refuted_without_example: Counter[str] = field(default_factory=Counter)
    nothing_accepted: Counter[str] = field(default_factory=Counter)
    exempted: int = 0
    false_examples: list[str] = field(default_factory=list)
    refuted: list[str] = field(default_factory=list)
    clauses: Counter[str] = field(default_factory=Counter)
    compare_seconds: float = 0.0
    slowest_seconds: float = 0.0


def judge(contract: CompiledContract, payload: bytes) -> list[Refused]:
    """Give what a contract refuses in a message."""
    arrival = Arrival("dev", None, payload, RECEIVED, None, maybe_duplicate=False, batch_id=bytes(16), position=0)
    return [outcome for outcome in contract.judge(arrival, RULE) if not isinstance(outcome, Accepted)]


def is_exempt(
    item: Any, accepts: CompiledContract, refuses: CompiledContract, comparison: Comparison, direction: Direction
) -> bool:
    """Say whether only added optional fields are at fault: all reasons are about them, or all is well without them."""
    places = [one.path for one in comparison.exemptions if one.direction is direction]
    reasons = [why.path for outcome in judge(refuses, json.dumps(item).encode()) for why in outcome.reasons]
    if all(any(why == place or why.startswith(place + "/") for place in places) for why in reasons):
        return True
    rest = copy.deepcopy(item)
    for place in places:
        _strip(rest, [part.replace("~1", "/").replace("~0", "~") for part in place.split("/")[1:]])
    payload = json.dumps(rest).encode()
    return rest != item and not judge(accepts, payload) and not judge(refuses, payload)


def _strip(value: Any, path: list[str]) -> None:
    if isinstance(value, list):
        for place, inner in enumerate(value):
            if path[0] in {"*", str(place)}:
                _strip(inner, path[1:]) if path[1:] else None
    elif isinstance(value, dict):
        for name in [name for name in value if path[0] in {"*", name}]:
            if path[1:]:
                _strip(value[name], path[1:])
            else:
                del value[name]


def pairs(random: Random) -> Iterator[tuple[ContractSpec, ContractSpec]]:
    """Make pairs without end: changed ones mostly, and independent ones."""
    while True:
        old = any_contract(random)
        new = changed(random, old) if random.random() < 0.8 else any_contract(random)
        yield (old, new) if random.random() < 0.5 else (new, old)


def run(
    count: int, seed: int, items: int, *, probes: int = 0, progress: bool = False, stop_when_refuted: bool = False
) -> Tally:
    """Compare pairs and try to refute what is called compatible.

    Args:
        count: How many pairs.
        seed: The same seed gives the same pairs.
        items: Items for each pair.
        probes: As in `compare`; 0 shows the proof alone.
        progress: Print now and then.
        stop_when_refuted: Do not go on after the first pair that is called compatible and is not.
    """
    tally = Tally()
    for number, (old, new) in enumerate(pairs(Random(seed))):
        if tally.pairs >= count or (stop_when_refuted and tally.refuted):
            break
        try:
            compiled = compile_contract(old, 1), compile_contract(new, 2)
        except ContractError:
            tally.uncompilable += 1
            continue
        tally.pairs += 1
        _one(tally, Random(seed * 1_000_003 + number), (old, new), compiled, items, probes)
        if progress and tally.pairs % 1000 == 0:
            print(f"{tally.pairs} pairs, {len(tally.refuted)} refuted", file=sys.stderr, flush=True)
    return tally


def _one(
    tally: Tally,
    random: Random,
    specs: tuple[ContractSpec, ContractSpec],
    compiled: tuple[CompiledContract, CompiledContract],
    items: int,
    probes: int,
) -> None:
    begun = time.perf_counter()
    comparison = compare(*specs, probes=probes)
    took = time.perf_counter() - begun
    tally.compare_seconds += took
    tally.slowest_seconds = max(tally.slowest_seconds, took)
    for direction in Direction:
        found = [one for one in comparison.findings if one.direction is direction]
        (tally.incompatible if found else tally.compatible)[direction] += 1
        if found and all(one.counter_example is None for one in found):
            tally.without_example[direction] += 1
            tally.clauses.update({one.clause for one in found})
    _check_examples(tally, comparison, compiled)
    refuted: set[Direction] = set()
    accepted = [0, 0]
    for item in Items(random, *specs).some(items):
        tally.items += 1
        payload = json.dumps(item).encode()
        refused = [judge(contract, payload) for contract in compiled]
        accepted = [count + (not against) for count, against in zip(accepted, refused, strict=True)]
        if bool(refused[0]) is bool(refused[1]):
            continue
        direction = Direction.BACKWARD if refused[1] else Direction.FORWARD
        if direction in refuted:
            continue
        against = refused[1] or refused[0]
        found = [one for one in comparison.findings if one.direction is direction]
        if found:
            refuted.add(direction)
            if all(one.counter_example is None for one in found):
                tally.refuted_without_example[direction] += 1
        elif is_exempt(item, *(compiled if refused[1] else compiled[::-1]), comparison, direction):
            tally.exempted += 1
        else:
            refuted.add(direction)
            reasons = [f"{why.path} {why.rule}" for outcome in against for why in outcome.reasons]
            tally.refuted.append(
                json.dumps(
                    {
                        "direction": direction,
                        "item": item,
                        "reasons": reasons,
                        "old": specs[0].to_dict(),
                        "new": specs[1].to_dict(),
                    }
                )
            )

    for direction, count in zip(Direction, accepted, strict=True):
        found = [one for one in comparison.findings if one.direction is direction]
        if found and not count and all(one.counter_example is None for one in found):
            tally.nothing_accepted[direction] += 1


def _check_examples(tally: Tally, comparison: Comparison, compiled: tuple[CompiledContract, CompiledContract]) -> None:
    for one in comparison.findings:
        if one.counter_example is not None:
            backward = one.direction is Direction.BACKWARD
            accepts, refuses = compiled if backward else compiled[::-1]
            payload = one.counter_example.payload.encode()
            if judge(accepts, payload) or not judge(refuses, payload):
                tally.false_examples.append(one.message)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=150, help="for each pair")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--probes", type=int, default=0, help="items that compare() itself tries; 0: the proof alone")
    parser.add_argument("--show", type=int, default=3, help="refuted pairs to print")
    options = parser.parse_args()
    tally = run(options.pairs, options.seed, options.items, probes=options.probes, progress=True)
    bad = sum(tally.incompatible.values())
    without = sum(tally.without_example.values())
    print(
        f"pairs {tally.pairs} (each in both directions), items judged by both {tally.items}, left out {tally.uncompilable} that do not compile"
    )
    print(f"called compatible   {dict(tally.compatible)}")
    print(f"called incompatible {dict(tally.incompatible)}")
    print(f"called compatible and refuted by an item: {len(tally.refuted)}")
    print(f"counter-examples that do not hold: {len(tally.false_examples)}")
    print(
        f"incompatible without a counter-example: {without} of {bad} ({100 * without / max(bad, 1):.1f} %), of which in {sum(tally.nothing_accepted.values())} no item here is accepted by the side that it must come from, and {sum(tally.refuted_without_example.values())} an item here refutes"
    )
    print(f"  by clause: {dict(tally.clauses.most_common(12))}")
    print(f"items that only the exemption for added optional fields covers: {tally.exempted}")
    print(
        f"compare(): mean {1000 * tally.compare_seconds / max(tally.pairs, 1):.1f} ms, slowest {1000 * tally.slowest_seconds:.0f} ms"
    )
    for text in tally.refuted[: options.show]:
        print(text)
    return 1 if tally.refuted or tally.false_examples else 0


if __name__ == "__main__":
    sys.exit(main())
