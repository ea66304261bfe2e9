"""What no revision may change: the columns that hold rows already, and what says which reading a row is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dataflow_validator.contracts.compatibility.findings import Problem
from dataflow_validator.contracts.names import ENVELOPE_COLUMNS, column_of
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType

MAX_TABLE_COLUMNS: Final = 1_600
"""What a Postgres table holds. Columns of removed fields stay and count."""

EXACT_IN_DOUBLE: Final = 2**53
"""A double holds every whole number up to here."""


def column_problems(existing: Mapping[str, str], spec: ContractSpec) -> list[Problem]:
    """Say which fields of a new revision do not fit the columns that the contract's table has.

    A column is never dropped or retyped: rows of earlier revisions are in it, those of removed fields too. A field may take a
    column of another type where every value, old and new, fits it as it is: an integer of 64 bits a numeric column, an
    integer whose bounds lie within ±2^53 a double precision one. Two fields never share a column: its name is made of the
    field's exact name, case and all, and of a hash where that is longer than 63 bytes.

    Args:
        existing: The type of each of the table's columns by name; without those of the envelope or with them.
        spec: The new revision.

    Returns:
        One problem for each field, with the way out.
    """
    found = []
    for field in spec.fields:
        column = column_of(field)
        held = existing.get(column.name, column.sql_type)
        if held != column.sql_type and (why := _misfit(held, column.sql_type, field)):
            message = (
                f"field {field.name!r} is {field.type} ({column.sql_type}) now, and its column {column.name!r} is {held} since "
                f"an earlier revision: {why}. {_way_out(field, held)}"
            )
            found.append(Problem(field.name, message))
    names = {*existing, *ENVELOPE_COLUMNS, *(column_of(field).name for field in spec.fields)}
    if len(names) > MAX_TABLE_COLUMNS:
        message = (
            f"the table would have {len(names)} columns with those of earlier revisions, and Postgres holds "
            f"{MAX_TABLE_COLUMNS}: keep rarely used members in one field of type object, or make a new contract"
        )
        found.append(Problem("fields", message))
    return found


def _misfit(held: str, wanted: str, field: FieldSpec) -> str:
    """Say why values do not fit; "" where they do."""
    if wanted == "bigint" and held == "numeric":
        return ""
    if wanted == "bigint" and held == "double precision":
        low, high = _least(field), _greatest(field)
        if low is not None and high is not None and low >= -EXACT_IN_DOUBLE and high <= EXACT_IN_DOUBLE:
            return ""
        return "a double holds whole numbers exactly only up to 2^53"
    if wanted == "numeric" and held == "bigint":
        return "numbers beyond 64 bits do not fit a bigint"
    if wanted == "double precision" and held in {"bigint", "numeric"}:
        return "numbers with a fraction would be rounded"
    return f"{wanted} values do not fit it as they are"


def _least(field: FieldSpec) -> int | float | None:
    if field.enum:
        return min((value for value in field.enum if _is_number(value)), default=None)  # type: ignore[type-var, return-value]
    return field.min if field.exclusive_min is None else field.exclusive_min


def _greatest(field: FieldSpec) -> int | float | None:
    if field.enum:
        return max((value for value in field.enum if _is_number(value)), default=None)  # type: ignore[type-var, return-value]
    return field.max if field.exclusive_max is None else field.exclusive_max


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _way_out(field: FieldSpec, held: str) -> str:
    name = f"another field name ({field.name + '_' + field.type!r})" if "/" not in field.name else "another field name"
    if field.type is FieldType.INTEGER and held == "bigint":
        return f"Keep the bounds within 64 bits, or take {name}"
    if field.type is FieldType.INTEGER and held == "double precision":
        return f"Set min and max within ±2^53, keep it a number, or take {name}"
    return f"Keep the type, or take {name}: the old column stays with its rows"


def fixed_problems(old: ContractSpec, new: ContractSpec) -> list[Problem]:
    """Say which changes would make other readings of the same items: identity, event time and its parsing.

    Args:
        old: Any earlier revision; they agree in what is fixed.
        new: The new revision.

    Returns:
        One problem for each change, with the way out.
    """
    return [
        Problem(path, f"{what} cannot become {wanted}: {_FIXED}") for path, what, wanted in _fixed_changes(old, new)
    ]


_FIXED: Final = "it belongs to the contract for its life and not to a revision, because it says which reading an item is: make a new contract"


def _fixed_changes(old: ContractSpec, new: ContractSpec) -> Iterator[tuple[str, str, str]]:
    if old.identity != new.identity:
        yield "identity", f"the identity is {_listed(old.identity)} and", _listed(new.identity)
    if old.event_time != new.event_time:
        before, after = old.event_time or "the receive time", new.event_time or "the receive time"
        yield "event_time", f"the event-time field is {before!r} and", repr(after)
    elif old.event_time is not None and old.event_time_format is not new.event_time_format:
        yield "event_time_format", f"the event time is read as {old.event_time_format} and", new.event_time_format
    before_by_name = {field.name: field for field in old.fields}
    for field in new.fields:
        known = before_by_name.get(field.name)
        if known is None or field.name not in new.identity or field.name == new.event_time:
            continue
        if known.type is not field.type and {known.type, field.type} != {FieldType.INTEGER, FieldType.NUMBER}:
            yield field.name, f"identity field {field.name!r} is {known.type} and", field.type
        elif known.format is not field.format:
            yield field.name, f"identity field {field.name!r} is read as {known.format} and", field.format


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
