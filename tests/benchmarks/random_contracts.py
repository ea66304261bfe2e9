"""Random contracts: of fields, of raw JSON Schemas and of both; and contracts that differ a little from a given one."""

import copy
import dataclasses
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from dataflow_validator.contracts import (
    Coercion,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    UnknownFields,
    from_json_schema_document,
)
from dataflow_validator.contracts.spec import BinaryEncoding

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
