"""From a row of `readings."<contract>"` to a `Reading`.

Numbers keep their type: a double column never holds NaN or an infinity, since JSON has none; should one be there all the
same, it goes out as it is, for `number_value` is a double. Numbers inside of JSON values that are no finite double go out
as text.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from dataflow.validator.v1 import reading_pb2

from dataflow_validator.contracts.names import Column, quote_identifier
from dataflow_validator.contracts.spec import FieldType
from dataflow_validator.json_messages import read_json, to_struct, to_value
from dataflow_validator.pages import Row
from dataflow_validator.time_messages import to_timestamp

_ENVELOPE: Final = (
    "device_id",
    "event_time",
    "receive_time",
    "message_id",
    "revision",
    "maybe_duplicate",
    "extra::text",
)

_CONVERTERS: Final[dict[str, Callable[..., reading_pb2.Value]]] = {
    "text": lambda value: reading_pb2.Value(string_value=value),
    "bigint": lambda value: reading_pb2.Value(integer_value=value),
    "numeric": lambda value: reading_pb2.Value(decimal_value=format(value, "f")),
    "double precision": lambda value: reading_pb2.Value(number_value=value),
    "boolean": lambda value: reading_pb2.Value(boolean_value=value),
    "timestamptz": lambda value: reading_pb2.Value(timestamp_value=to_timestamp(value)),
    "bytea": lambda value: reading_pb2.Value(binary_value=value),
    "jsonb": lambda value: reading_pb2.Value(json_value=to_value(read_json(value))),
}


def value_message(sql_type: str, value: object) -> reading_pb2.Value:
    """Writes one value that is not NULL, of a column of a type; jsonb comes as its text."""
    return _CONVERTERS[sql_type](value)


NUMERIC_TYPES: Final = frozenset({FieldType.INTEGER, FieldType.NUMBER})
"""Fields that can be added up and compared as numbers."""


def value_of(sql_type: str, value: object) -> reading_pb2.Value:
    """Writes a value of a column of a type, JSON as text."""
    return _CONVERTERS[sql_type](value)


class ReadingShape:
    """What to select of a contract's table, and how to write a row of it.

    Args:
        columns: The contract's columns.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._fields = [
            (column.field, position, _CONVERTERS[column.sql_type])
            for position, column in enumerate(columns, start=len(_ENVELOPE))
        ]
        names = [quote_identifier(column.name) + ("::text" if column.sql_type == "jsonb" else "") for column in columns]
        self._names = (*_ENVELOPE, *names)

    def select_list(self, alias: str) -> str:
        """Returns the columns for SELECT, of a table by its alias."""
        return ", ".join(f"{alias}.{name}" for name in self._names)

    def reading(self, row: Row) -> reading_pb2.Reading:
        """Writes a row that was selected by `select_list`."""
        # By position: fields may be called as the columns of the envelope are.
        device_id, event_time, receive_time, message_id, revision, maybe_duplicate, extra = row[: len(_ENVELOPE)]
        left = None if extra is None else read_json(extra)
        return reading_pb2.Reading(
            device_id=device_id,
            event_time=to_timestamp(event_time),
            receive_time=to_timestamp(receive_time),
            message_id=str(message_id),
            revision=revision,
            fields={
                name: convert(row[position]) for name, position, convert in self._fields if row[position] is not None
            },
            extra=to_struct(left) if isinstance(left, dict) else None,
            maybe_duplicate=maybe_duplicate,
        )


def row_key(row: Row) -> tuple[str, datetime, UUID]:
    """Returns device, event time and message id of a row that a `ReadingShape` selected."""
    device_id, event_time, _, message_id = row[:4]
    return device_id, event_time, message_id


def row_revision(row: Row) -> int:
    """Returns the revision of a row that a `ReadingShape` selected."""
    revision: int = row[4]
    return revision
