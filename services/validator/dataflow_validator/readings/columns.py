"""From rows to `ReadingColumns`: values packed by column, which costs a fraction of a message for each reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from dataflow.validator.v1 import reading_columns_pb2
from dataflow.validator.v1.reading_columns_pb2 import FieldColumn

from dataflow_validator.contracts.names import Column
from dataflow_validator.pages import Row
from dataflow_validator.time_messages import microseconds

_FIRST_FIELD: Final = 7
"""Position of the first field in a row as `ReadingShape` selects it."""


def _moments(values: Sequence[datetime]) -> list[int]:
    return [microseconds(value) for value in values]


def _decimals(values: Sequence[Any]) -> list[str]:
    return [format(value, "f") for value in values]


_KINDS: Final[dict[str, tuple[reading_columns_pb2.ColumnKind.ValueType, str, Any, Callable[..., Any] | None]]] = {
    "text": (reading_columns_pb2.COLUMN_KIND_TEXT, "texts", "", None),
    "bigint": (reading_columns_pb2.COLUMN_KIND_INTEGER, "integers", 0, None),
    "double precision": (reading_columns_pb2.COLUMN_KIND_NUMBER, "numbers", 0.0, None),
    "boolean": (reading_columns_pb2.COLUMN_KIND_BOOLEAN, "booleans", False, None),
    "timestamptz": (
        reading_columns_pb2.COLUMN_KIND_TIMESTAMP,
        "integers",
        datetime.fromisoformat("1970-01-01T00:00:00+00:00"),
        _moments,
    ),
    "jsonb": (reading_columns_pb2.COLUMN_KIND_JSON, "texts", "", None),
    "bytea": (reading_columns_pb2.COLUMN_KIND_BINARY, "binaries", b"", None),
    "numeric": (reading_columns_pb2.COLUMN_KIND_DECIMAL, "texts", 0, _decimals),
}


def reading_columns(columns: Sequence[Column], rows: Sequence[Row]) -> reading_columns_pb2.ReadingColumns:
    """Writes rows that `ReadingShape` selected.

    Args:
        columns: Those of the shape, in its order.
        rows: At least one; further columns behind the shape's are ignored.
    """
    lists = list(zip(*rows, strict=True))
    device_ids, event_times, receive_times, message_ids, revisions, duplicates, extras = lists[:_FIRST_FIELD]
    devices = {device: place for place, device in enumerate(dict.fromkeys(device_ids))}
    message = reading_columns_pb2.ReadingColumns(
        count=len(rows),
        devices=devices,
        device_indexes=map(devices.__getitem__, device_ids),
        event_times_us=_moments(event_times),
        receive_times_us=_moments(receive_times),
        message_ids=b"".join([message_id.bytes for message_id in message_ids]),
        revisions=revisions,
        maybe_duplicates=duplicates if any(duplicates) else (),
        extras=[extra or "" for extra in extras] if any(extra is not None for extra in extras) else (),
    )
    for column, values in zip(columns, lists[_FIRST_FIELD : _FIRST_FIELD + len(columns)], strict=True):
        if (packed := _field_column(column, values)) is not None:
            message.fields.append(packed)
    return message


def _field_column(column: Column, values: Sequence[Any]) -> FieldColumn | None:
    kind, target, zero, convert = _KINDS[column.sql_type]
    missing = values.count(None)
    if missing == len(values):
        return None
    packed = FieldColumn(field=column.field, kind=kind)
    if missing:
        packed.present.extend([value is not None for value in values])
        values = [zero if value is None else value for value in values]
    getattr(packed, target).extend(values if convert is None else convert(values))
    return packed
