"""What no revision may change: the columns that hold rows already, and what says which reading a row is."""

from collections.abc import Iterator, Sequence
from typing import Final

from dataflow_validator.contracts.names import ENVELOPE_COLUMNS, Column, column_of
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType

MAX_TABLE_COLUMNS: Final = 1600 - len(ENVELOPE_COLUMNS)
"""Postgres' limit. Columns of removed fields stay and count."""

_EXACT_IN_DOUBLE: Final = 2**53


def column_problems(existing: Sequence[Column], spec: ContractSpec) -> list[str]:
    """Say which fields of a new revision do not fit the columns that the contract's table has.

    A column is never dropped or retyped: rows of earlier revisions are in it. A field may take a column of another type where
    every value, old and new, fits it as it is: an integer of 64 bits a numeric column, an integer whose bounds lie within
    ±2^53 a double precision one.

    Args:
        existing: The table's columns, those of removed fields too.
        spec: The new revision.

    Returns:
        One sentence for each problem, with the way out.
    """
    return list(_column_problems(existing, spec))


def _column_problems(existing: Sequence[Column], spec: ContractSpec) -> Iterator[str]:
    by_name = {column.name: column for column in existing}
    for field in spec.fields:
        column = column_of(field)
        held = by_name.get(column.name)
        if held is None:
            continue
        if held.field != field.name and tuple(FieldSpec(held.field, held.type).tokens) != field.tokens:
            yield (
                f"field {field.name!r} would share the column {column.name!r} with the field {held.field!r} of an earlier "
                "revision: give it another name"
            )
        elif held.sql_type != column.sql_type and (why := _misfit(held.sql_type, column.sql_type, field)):
            yield (
                f"field {field.name!r} is {_typed(field)} now, and its column {column.name!r} is {held.sql_type} since an "
                f"earlier revision ({held.type}): {why}. {_way_out(field, held)}"
            )
    added = {column_of(field).name for field in spec.fields} - by_name.keys()
    if len(by_name) + len(added) > MAX_TABLE_COLUMNS:
        yield (
            f"the table would have {len(by_name) + len(added)} columns with those of earlier revisions, and Postgres holds "
            f"{MAX_TABLE_COLUMNS}: gather fields in an object field, or make a new contract"
        )


def _misfit(held: str, wanted: str, field: FieldSpec) -> str:
    """Say why values do not fit; "" where they do."""
    if wanted == "bigint" and held == "numeric":
        return ""
    if wanted == "bigint" and held == "double precision":
        low, high = _least(field), _greatest(field)
        if low is not None and high is not None and low >= -_EXACT_IN_DOUBLE and high <= _EXACT_IN_DOUBLE:
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


def _typed(field: FieldSpec) -> str:
    return f"{field.type} ({column_of(field).sql_type})"


def _way_out(field: FieldSpec, held: Column) -> str:
    other = f"{field.name}_{field.type}" if "/" not in field.name else "another"
    if held.sql_type == "bigint" and field.type is FieldType.INTEGER:
        return "Keep the bounds within 64 bits, or take another field name"
    if held.sql_type == "double precision" and field.type is FieldType.INTEGER:
        return "Set min and max within ±2^53, keep it a number, or take another field name"
    named = f"another field name ({other!r})" if other != "another" else "another field name"
    return f"Keep the type, or take {named}: the old column stays with its rows"


def fixed_problems(old: ContractSpec, new: ContractSpec) -> list[str]:
    """Say which changes would make other readings of the same items: identity, event time and its parsing.

    Args:
        old: Any earlier revision; they agree in what is fixed.
        new: The new revision.

    Returns:
        One sentence for each problem, with the way out.
    """
    return list(_fixed_problems(old, new))


def _fixed_problems(old: ContractSpec, new: ContractSpec) -> Iterator[str]:
    out = "it belongs to the contract and not to a revision, because resends are recognised by it: make a new contract"
    if old.identity != new.identity:
        yield f"the identity is {_listed(old.identity)} and cannot become {_listed(new.identity)}: {out}"
    if old.event_time != new.event_time:
        yield f"the event-time field is {old.event_time or 'the receive time'!r} and cannot become {new.event_time or 'the receive time'!r}: {out}"
    elif old.event_time is not None and old.event_time_format is not new.event_time_format:
        yield f"the event time is read as {old.event_time_format} and cannot become {new.event_time_format}: {out}"
    if old.items != new.items:
        yield f"the items are at {old.items or 'the message itself'!r} and cannot move to {new.items or 'the message itself'!r}: {out}"
    if old.message_format is not new.message_format:
        yield f"messages are {old.message_format} and cannot become {new.message_format}: {out}"
    before = {field.name: field for field in old.fields}
    for field in new.fields:
        known = before.get(field.name)
        if known is None or field.name not in new.identity or field.name == new.event_time:
            continue
        if known.type is not field.type and {known.type, field.type} != {FieldType.INTEGER, FieldType.NUMBER}:
            yield f"identity field {field.name!r} is {known.type} and cannot become {field.type}: {out}"
        elif known.format is not field.format:
            yield f"identity field {field.name!r} is read as {known.format} and cannot become {field.format}: {out}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
