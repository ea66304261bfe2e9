"""What the reading commands have in common: how readings are chosen, and how they are written."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

import click
from dataflow.validator.v1 import reading_pb2
from google.protobuf.json_format import MessageToDict

from dataflow_cli.moments import Moment
from dataflow_cli.output import moment


def which(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the argument and options that every reading command narrows by."""
    for add in reversed(
        (
            click.argument("contract"),
            click.option(
                "--device", "device_ids", multiple=True, metavar="ID", help="Only this device; may be repeated."
            ),
            click.option(
                "--since", type=Moment(), help="From this event time on: 2014-01-16, RFC 3339, or 1h ago as 1h."
            ),
            click.option("--until", type=Moment(), help="Before this event time."),
        )
    ):
        command = add(command)
    return command


def document(reading: reading_pb2.Reading) -> dict[str, Any]:
    """Returns a reading as JSON can hold it."""
    return {
        "device_id": reading.device_id,
        "event_time": moment(reading.event_time) or None,
        "receive_time": moment(reading.receive_time) or None,
        "message_id": reading.message_id,
        "revision": reading.revision,
        "fields": {name: plain(reading.fields[name]) for name in sorted(reading.fields)},
        "extra": MessageToDict(reading.extra) if reading.HasField("extra") else None,
        "maybe_duplicate": reading.maybe_duplicate,
    }


def plain(value: reading_pb2.Value) -> object:
    """Returns a value as JSON can hold it; times as RFC 3339, decimals beyond 64 bits as text."""
    kind = value.WhichOneof("kind")
    if kind is None:
        return None
    if kind == "timestamp_value":
        return value.timestamp_value.ToDatetime(UTC)
    if kind == "json_value":
        return MessageToDict(value.json_value)
    found: object = getattr(value, kind)
    return found
