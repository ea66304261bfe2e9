"""Random items around contracts: valid ones, ones at the edges, and mutated ones."""

import copy
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from dataflow_validator.contracts import (
    ContractSpec,
    FieldType,
)
from dataflow_validator.contracts.schema import contract_schema
from dataflow_validator.contracts.spec import BinaryEncoding

from tests.benchmarks.random_contracts import VALUES

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
"""When every item is received."""


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
