"""From the SDK's messages to results: bounded, in plain values. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from dataflow.validator.v1 import contract_pb2, reading_pb2, reading_service_pb2
from dataflow_client import Answer

from dataflow_cli.mcp_server.results import (
    AskResult,
    Bucket,
    ContractInfo,
    FieldInfo,
    LatestReading,
    Scalar,
    Table,
)
from dataflow_cli.output import moment, rfc3339, word
from dataflow_cli.reading_output import plain

MAX_TABLES: Final = 8
"""Most tables of an answer."""

MAX_ROWS: Final = 100
"""Most rows of a table."""

MAX_FIELDS: Final = 200
"""Most fields of a contract or reading."""

MAX_TEXT: Final = 500
"""Most characters of a text that somebody else wrote."""


def ask_result(answer: Answer) -> AskResult:
    """Returns an answer that has ended."""
    return AskResult(
        answer=answer.text,
        declined=answer.decline or None,
        verified=answer.verified,
        engine=answer.engine,
        taken=[bounded(text) for text in answer.assumptions],
        tables=[
            Table(
                columns=[bounded(name) for name in item.columns],
                rows=[[scalar(cell) for cell in row] for row in item.rows[:MAX_ROWS]],
                rows_left_off=max(0, len(item.rows) - MAX_ROWS),
                cut=item.truncated,
            )
            for item in answer.evidence[:MAX_TABLES]
        ],
    )


def contract_info(contract: contract_pb2.Contract) -> ContractInfo:
    """Returns a contract and its fields."""
    fields = contract.spec.fields
    return ContractInfo(
        name=contract.name,
        description=bounded(contract.description or contract.spec.description),
        active=contract.active_revision > 0,
        builtin=contract.builtin,
        fields=[
            FieldInfo(
                name=bounded(field.name),
                type=word(contract_pb2.FieldType.DESCRIPTOR, field.type, "FIELD_TYPE_").lower(),
                unit=bounded(field.unit),
                description=bounded(field.description),
            )
            for field in fields[:MAX_FIELDS]
        ],
        fields_left_off=max(0, len(fields) - MAX_FIELDS),
    )


def bucket(found: reading_service_pb2.AggregateBucket, percentiles: Sequence[float]) -> Bucket:
    """Returns a bucket with what was computed of each field; what has no value is left out."""
    return Bucket(
        start_time=moment(found.start_time) or None,
        device_id=found.device_id or None,
        group=scalar(plain(found.group)) if found.HasField("group") else None,
        readings=found.reading_count,
        values={name: _functions(found.fields[name], percentiles) for name in sorted(found.fields)},
    )


def latest_reading(reading: reading_pb2.Reading, fields: Sequence[str]) -> LatestReading:
    """Returns a reading with these fields, or with all where none is named."""
    names = [name for name in sorted(reading.fields) if not fields or name in fields][:MAX_FIELDS]
    return LatestReading(
        device_id=reading.device_id,
        event_time=moment(reading.event_time),
        fields={name: scalar(plain(reading.fields[name])) for name in names},
    )


def scalar(value: object) -> Scalar:
    """Returns a value as JSON has it; lists and objects as a bounded text."""
    match value:
        case None | bool() | int() | float():
            return value
        case datetime():
            return rfc3339(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
        case _:
            return bounded(str(value))


def bounded(text: str) -> str:
    """Returns a text of somebody else's, cut where it is long."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} [cut]"


def _functions(found: Any, percentiles: Sequence[float]) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for descriptor, value in found.ListFields():
        if descriptor.name == "percentiles":
            shares = zip(percentiles, value, strict=False)
            values |= {f"p{100 * share:g}": scalar(number) for share, number in shares}
        elif isinstance(value, reading_pb2.Value):
            values[descriptor.name] = scalar(plain(value))
        else:
            values[descriptor.name] = scalar(value)
    return values
