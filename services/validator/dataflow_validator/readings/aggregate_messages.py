"""From a row of an aggregation to an `AggregateBucket`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from dataflow.validator.v1 import reading_pb2, reading_service_pb2

from dataflow_validator.contracts.names import Column
from dataflow_validator.pages import Row
from dataflow_validator.readings.aggregate import Aggregation, Function, is_integer
from dataflow_validator.readings.messages import value_of
from dataflow_validator.time_messages import to_timestamp

_VALUES: Final = frozenset({Function.FIRST, Function.LAST, Function.MODE})
"""Have the type of their field; the others are numbers."""
_COUNTS: Final = frozenset({Function.COUNT, Function.DISTINCT})
_FIXED: Final = 4


class BeyondDoubleError(Exception):
    """A sum out of rollups is not held as a double; its rows tell it."""


def bucket_reader(aggregation: Aggregation, *, exact: bool) -> Callable[[Row], reading_service_pb2.AggregateBucket]:
    """Returns what makes the message of a row.

    Args:
        aggregation: What was asked for.
        exact: The row's sums are what they are; otherwise those that are NaN raise `BeyondDoubleError`.
    """
    width = len(aggregation.functions) + bool(aggregation.percentiles)

    def read(row: Row) -> reading_service_pb2.AggregateBucket:
        start, device, group, count = row[:_FIXED]
        bucket = reading_service_pb2.AggregateBucket(device_id=device, reading_count=count)
        if start is not None:
            bucket.start_time.CopyFrom(to_timestamp(start))
        if aggregation.group is not None and group:
            bucket.group.CopyFrom(_group_value(aggregation.group, group[1:]))
        for number, column in enumerate(aggregation.columns):
            first = _FIXED + number * width
            _fill(bucket.fields[column.field], aggregation, column, row[first : first + width], exact=exact)
        return bucket

    return read


def _fill(
    cells: reading_service_pb2.FieldAggregates,
    aggregation: Aggregation,
    column: Column,
    values: Sequence[object],
    *,
    exact: bool,
) -> None:
    for function, value in zip(aggregation.functions, values, strict=False):
        if value is None:
            continue
        if function in _VALUES:
            getattr(cells, function).CopyFrom(value_of(column.sql_type, value))
            continue
        assert isinstance(value, int | float | Decimal)
        if isinstance(value, float) and math.isnan(value) and not exact:
            raise BeyondDoubleError
        setattr(cells, function, value if function in _COUNTS else float(value))
        if function is Function.SUM and is_integer(column):
            cells.decimal_sum = format(Decimal(value), "f")
    if aggregation.percentiles and (last := values[-1]) is not None:
        assert isinstance(last, list)
        cells.percentiles.extend(last)


def _group_value(column: Column, text: str) -> reading_pb2.Value:
    match column.sql_type:
        case "bigint":
            return reading_pb2.Value(integer_value=int(text))
        case "boolean":
            return reading_pb2.Value(boolean_value=text == "true")
        case "numeric":
            return reading_pb2.Value(decimal_value=text)
        case _:
            return reading_pb2.Value(string_value=text)
