"""Why an item was not stored: structured, complete, root cause first, and safe to store and show."""

from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

import jsonschema_rs
import orjson

from dataflow_validator.contracts.pointer import MISSING, pointer_of, resolve

MAX_REASONS: Final = 100
"""Reasons kept for one item: more would only make the quarantine row larger."""

MAX_EXPLAINED_VALUES: Final = 4096
"""Members and elements of an item up to which all its reasons are found."""

MAX_ACTUAL_CHARACTERS: Final = 120
_MAX_MESSAGE_CHARACTERS: Final = 400
_MAX_PATH_CHARACTERS: Final = 512

_RANKS: Final = {
    "json": 0,
    "type": 1,
    "timestamp": 1,
    "base64": 1,
    "hex": 1,
    "required": 2,
    "minimum": 3,
    "maximum": 3,
    "exclusiveMinimum": 3,
    "exclusiveMaximum": 3,
    "eventTimeMinimum": 3,
    "eventTimeMaximum": 3,
}
_OTHER_RANK: Final = 4

_RULES_WITH_A_VALUE: Final = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "pattern",
        "format",
    }
)


class Reason(NamedTuple):
    """One way in which an item breaks its contract.

    Attributes:
        path: JSON Pointer inside the item; for a missing member the pointer that it would have. "" is the item itself.
        rule: The rule that was broken, as JSON Schema spells it where it has the rule ("type", "required", "minimum"),
            else "json", "timestamp", "base64", "hex", "eventTimeMinimum", "eventTimeMaximum", "device", "items", "storable".
        expected: What the rule asks for.
        actual: What was found, shortened.
        message: The same as one sentence.
    """

    path: str
    rule: str
    expected: str
    actual: str
    message: str

    @property
    def rank(self) -> int:
        """0 unparsable, 1 wrong type, 2 missing, 3 out of range, 4 other."""
        return _RANKS.get(self.rule, _OTHER_RANK)


def reason(tokens: Iterable[str | int], rule: str, expected: str, actual: object, message: str) -> Reason:
    """Make a reason whose every part is bounded and can be stored by Postgres.

    Args:
        tokens: Where in the item.
        rule: Which rule, see `Reason`.
        expected: What it asks for.
        actual: The value found, or `MISSING`.
        message: One sentence.
    """
    return Reason(
        storable_text(pointer_of(tokens), _MAX_PATH_CHARACTERS),
        rule,
        storable_text(expected, _MAX_MESSAGE_CHARACTERS),
        describe(actual),
        storable_text(message, _MAX_MESSAGE_CHARACTERS),
    )


def root_cause_first(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Order reasons by rank, keep the order found within a rank, drop repetitions."""
    return tuple(sorted(dict.fromkeys(reasons), key=lambda item: item.rank)[:MAX_REASONS])


def reasons_to_json(reasons: Iterable[Reason]) -> str:
    """Write reasons as the JSON text that the quarantine stores."""
    return orjson.dumps([item._asdict() for item in reasons]).decode()


def storable_text(text: str, limit: int) -> str:
    """Shorten text and make visible what Postgres cannot hold in it (NUL, lone surrogates)."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()


def describe(value: object) -> str:
    """Say what a value is in few characters; containers by their size only."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, dict):
        return f"an object of {len(value)} members"
    if isinstance(value, list):
        return f"an array of {len(value)} elements"
    if isinstance(value, str):
        return '"' + storable_text(value, MAX_ACTUAL_CHARACTERS) + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return storable_text(str(value), MAX_ACTUAL_CHARACTERS)


def schema_reasons(validator: jsonschema_rs.Validator, item: object) -> list[Reason]:
    """Collect what the compiled schema has against an item.

    Args:
        validator: The contract's compiled schema.
        item: The parsed item.

    Returns:
        One reason for each broken rule, at most `MAX_REASONS`; none when the item is valid. Of an item of more than
        `MAX_EXPLAINED_VALUES` values only the first, since the engine copies the value at fault for each of its errors. An
        item on which the engine itself gives up (a pattern that backtracks too far) is refused with that as its reason.
    """
    found: list[Reason] = []
    try:
        if _is_large(item):
            validator.validate(item)
            return found
        for error in islice(validator.iter_errors(item), MAX_REASONS):
            found.extend(_from_error(error, item))
            if len(found) >= MAX_REASONS:
                break
    except jsonschema_rs.ValidationError as error:
        found.extend(_from_error(error, item))
    except ValueError as problem:
        found.append(reason((), "schema", "a value that can be judged", MISSING, f"could not be judged: {problem}"))
    return found


def _is_large(item: object) -> bool:
    level = [item]
    count = 0
    while level and count <= MAX_EXPLAINED_VALUES:
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                count += len(value)
                below.extend(islice(value.values(), MAX_EXPLAINED_VALUES))
            elif isinstance(value, list):
                count += len(value)
                below.extend(value[:MAX_EXPLAINED_VALUES])
        level = below
    return count > MAX_EXPLAINED_VALUES


def _from_error(error: jsonschema_rs.ValidationError, item: object) -> list[Reason]:
    kind = error.kind
    path = error.instance_path
    rule = kind.name
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        name = kind.property
        return [reason([*path, name], rule, "a value", MISSING, f"{name!r} is required and missing")]
    actual = resolve(item, [str(token) for token in path])
    if isinstance(
        kind,
        jsonschema_rs.ValidationErrorKind.AdditionalProperties
        | jsonschema_rs.ValidationErrorKind.UnevaluatedProperties,
    ):
        return [
            reason(
                [*path, name], rule, "no such member", resolve(actual, [name]), f"{name!r} is not part of the contract"
            )
            for name in kind.unexpected[:MAX_REASONS]
        ]
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.FalseSchema):
        return [reason(path, "false", "nothing", actual, "the contract's schema accepts nothing here")]
    return [reason(path, rule, _expected(kind), actual, error.message)]


def _expected(kind: jsonschema_rs.ValidationErrorKind) -> str:
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Type):
        return " or ".join(kind.types)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Enum):
        return "one of " + ", ".join(describe(option) for option in kind.options[:50])
    if kind.name in _RULES_WITH_A_VALUE:
        return f"{kind.name} {kind.value}"
    return kind.name
