"""Lossless coercion: a value of another type that says exactly the same is read as the field's type.

| field | accepted besides its own type |
|---|---|
| number | text that is a JSON number of at most 17 significant digits: "12.5", "-3", "1e3"; a whole one that a double holds |
| integer | text that is a JSON number without a fraction: "5", "5.0" |
| boolean | the text "true" or "false"; not 0 and 1, which are numbers |
| timestamp | text made of digits, as an epoch number |
| array, object | what `items` and `members` declare, inside of them |

Never: decimal commas, spaces, thousands separators, "+5", hexadecimal, "NaN", yes/no, numbers for text (5 and "5.0"
would be two spellings of one value), text for objects. An integer is a number as it is, and 5.0 an integer, in either mode.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from dataflow_validator.contracts.spec import FieldSpec, FieldType

_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,308})(?:\.\d{1,320})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DIGITS: Final = re.compile(r"-?(?:0|[1-9]\d{0,18})(?:\.\d{1,9})?", re.ASCII)
_MAX_SIGNIFICANT_DIGITS: Final = 17
_COERCED: Final = frozenset({FieldType.NUMBER, FieldType.INTEGER, FieldType.BOOLEAN, FieldType.TIMESTAMP})


class Coercer:
    """Applies lossless coercion for the fields of one contract."""

    def __init__(self, fields: Sequence[FieldSpec]) -> None:
        """Keep the fields that text can stand for, at the top or inside.

        Args:
            fields: All fields of the contract.
        """
        self._fields = [(field.tokens, field) for field in fields if _may_change(field)]

    def coerce(self, item: object) -> object:
        """Give the item with its coercible values replaced; the item itself is left as it is.

        Values that cannot be read without loss stay, and are then refused by the schema with their own text.
        """
        for tokens, field in self._fields:
            item = _replace(item, tokens, field)
        return item


def _may_change(field: FieldSpec) -> bool:
    inner = field.members if field.items is None else (*field.members, field.items)
    return field.type in _COERCED or any(_may_change(part) for part in inner)


def _replace(item: object, tokens: tuple[str, ...], field: FieldSpec) -> object:
    if not tokens:
        return _read(item, field)
    head, rest = tokens[0], tokens[1:]
    if isinstance(item, dict) and head in item:
        before = item[head]
        after = _replace(before, rest, field)
        return item if after is before else {**item, head: after}
    if isinstance(item, list) and head.isascii() and head.isdigit() and int(head) < len(item):
        index = int(head)
        after = _replace(item[index], rest, field)
        return item if after is item[index] else [*item[:index], after, *item[index + 1 :]]
    return item


def _read(value: object, field: FieldSpec) -> object:
    if isinstance(value, str):
        return coerced(value, field.type) if field.type in _COERCED else value
    if isinstance(value, list) and field.items is not None:
        inner = field.items
        after = [_read(element, inner) for element in value]
        return value if all(new is old for new, old in zip(after, value, strict=True)) else after
    if isinstance(value, dict):
        for member in field.members:
            value = _replace(value, (member.name,), member)
    return value


def coerced(text: str, kind: FieldType) -> object:
    """Read text as a field's type where nothing is lost; else give the text back."""
    if kind is FieldType.BOOLEAN:
        return {"true": True, "false": False}.get(text, text)
    if kind is FieldType.TIMESTAMP:
        return _number(text, kind) if _DIGITS.fullmatch(text) else text
    if not _JSON_NUMBER.fullmatch(text):
        return text
    if kind is FieldType.INTEGER:
        exact = Decimal(text)
        if exact.adjusted() > 308:
            return text
        whole = int(exact)
        return whole if whole == exact else text
    return _number(text, kind)


def _number(text: str, kind: FieldType) -> object:
    exact = Decimal(text)
    if exact == exact.to_integral_value() and exact.adjusted() <= 308:
        whole = int(exact)
        # 12345678901234567891 is between two doubles: stored as a number, it would be another one.
        return whole if kind is FieldType.TIMESTAMP or float(whole) == whole else text
    if len(exact.normalize().as_tuple().digits) > _MAX_SIGNIFICANT_DIGITS:
        return text
    number = float(text)
    # 1e400 is no double, and 1e-400 is not zero.
    return text if number in (float("inf"), float("-inf"), 0.0) else number
