"""The UPDATE that gives rows the values of another revision. Pure: text, no connection."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.contracts.names import quote_identifier
from dataflow_validator.readings.rows import FIXED_COLUMNS, readings_table

_KEY: Final = {"device_id", "event_time", "message_id"}
_KEPT: Final = {"receive_time", "content_hash", "maybe_duplicate", "revision", "stored_xid"}
"""What a revision does not change, or what is set apart."""


def update_statement(contract: CompiledContract, table_columns: Collection[str]) -> tuple[str, list[int]]:
    """Return the UPDATE of a contract's rows, and which of their members are its arrays, from $2 on; $1 is the revision.

    Args:
        contract: Whose rows, by which revision.
        table_columns: All columns of the table; those without a field in this revision become null, as if it had been so
            from the start.
    """
    names = [*FIXED_COLUMNS, *((column.name, column.sql_type) for column in contract.columns), ("extra", "jsonb")]
    indexes = [index for index, (name, _) in enumerate(names) if name in _KEY or index >= len(FIXED_COLUMNS)]
    arrays = ", ".join(f"${number}::{names[index][1]}[]" for number, index in enumerate(indexes, start=2))
    own = {name for name, _ in names[len(FIXED_COLUMNS) :]}
    sets = [f"{quote_identifier(names[index][0])} = u.c{index}" for index in indexes if index >= len(FIXED_COLUMNS)]
    sets += [f"{quote_identifier(name)} = NULL" for name in table_columns if name not in own | _KEY | _KEPT]
    key = " AND ".join(f"r.{names[index][0]} = u.c{index}" for index in indexes if names[index][0] in _KEY)
    return (
        f"UPDATE {readings_table(contract.spec.name)} r "  # noqa: S608 - a contract's name is an identifier
        f"SET revision = $1::integer, stored_xid = pg_current_xact_id(), {', '.join(sets)} "
        f"FROM unnest({arrays}) AS u ({', '.join(f'c{index}' for index in indexes)}) WHERE {key}"
    ), indexes
