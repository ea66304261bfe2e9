"""Printing: plain tables for people, JSON for programs."""

import base64
import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def print_json(value: object) -> None:
    """Prints one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def print_json_line(value: object, *, err: bool = False) -> None:
    """Prints one JSON document as one line, as streams do."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_plain), err=err)


def as_document(message: Message) -> dict[str, Any]:
    """Returns a message as JSON with the names of its proto, defaults included."""
    document: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return document


def json_text(value: Message) -> str:
    """Returns a `google.protobuf.Value` or `Struct` as one line of JSON; whole numbers, which are doubles there, as whole."""
    return json.dumps(_whole(MessageToDict(value)), ensure_ascii=False)


def _whole(value: object) -> object:
    if isinstance(value, dict):
        return {name: _whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_whole(element) for element in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = "") -> None:
    """Prints rows under their column names; numbers to the right, and `empty` where there is no row."""
    if not rows:
        click.echo(empty or "(none)")
        return
    for line in table(columns, rows):
        click.echo(line)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lays out a table; what a device may have put into a cell cannot move the terminal's cursor."""
    texts = [[text(cell) for cell in row] for row in rows]
    widths = [
        max(width(name), *(width(row[position]) for row in texts)) if texts else width(name)
        for position, name in enumerate(columns)
    ]
    right = [
        any(_is_number(row[position]) for row in rows)
        and all(row[position] is None or _is_number(row[position]) for row in rows)
        for position in range(len(columns))
    ]
    lines = [_line(list(columns), widths, right), _line(["-" * width for width in widths], widths, right)]
    lines += [_line(row, widths, right) for row in texts]
    return lines


def print_fields(fields: Mapping[str, object]) -> None:
    """Prints names and values, one a line; what is None or empty is left out."""
    shown = {name: text(value) for name, value in fields.items() if value is not None and value != ""}
    longest = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        click.echo(f"{name:<{longest}}  {value}")


def moment(value: Timestamp) -> str:
    """Returns a time as people and programs read it: RFC 3339, UTC, no more digits than needed; empty where unset."""
    if not value.seconds and not value.nanos:
        return ""
    return rfc3339(value.ToDatetime(UTC))


def rfc3339(value: datetime) -> str:
    """Returns a UTC time as RFC 3339 with as many digits as it needs."""
    seconds = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{value.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{seconds}{fraction}Z"


def word(enumeration: EnumDescriptor, value: int, prefix: str) -> str:
    """Returns an enum value without its prefix; empty where unset, the number where a newer service sent it."""
    descriptor = enumeration.values_by_number.get(value)
    name = str(value) if descriptor is None else descriptor.name.removeprefix(prefix)
    return "" if name == "UNSPECIFIED" else name


def age(value: Duration) -> str:
    """Returns a length of time in the unit that suits it."""
    seconds = value.seconds + value.nanos / 1e9
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def size(count: int) -> str:
    """Returns a number of bytes in the unit that suits it."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def text(value: object) -> str:
    """Returns a cell's text without control characters, however hostile its content."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, datetime):
        return rfc3339(value)
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_plain)
    return "".join(_visible(character) for character in shown)


def width(shown: str) -> int:
    """Returns how many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in shown
    )


def _visible(character: str) -> str:
    # Cc, Cf, Cs, Zl, Zp: escapes, direction marks and lone surrogates would let a payload rewrite the screen.
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return character.encode("unicode_escape", "surrogatepass").decode("ascii") if hidden else character


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        " " * (columns - width(cell)) + cell if to_right else cell + " " * (columns - width(cell))
        for cell, columns, to_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        return rfc3339(value)
    return str(value)
