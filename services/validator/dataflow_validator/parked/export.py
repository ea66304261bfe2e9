"""The messages of a parked batch as lines of JSON, as `dataflow replay` reads them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from dataflow.ring.v1.batch_pb2 import Message
from dataflow_ring.batch import is_erased, unpack

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def message_lines(data: bytes) -> Iterator[bytes]:
    """Yields one line for each message of a batch that was not deleted.

    Raises:
        BatchUnreadableError: The bytes are no batch; before the first line.
    """
    for message in unpack(data).messages:
        if not is_erased(message):
            yield message_line(message)


def message_line(message: Message) -> bytes:
    """Writes one message as a line."""
    return orjson.dumps(_document(message)) + b"\n"


def _document(message: Message) -> dict[str, Any]:
    document: dict[str, Any] = {"topic": message.topic}
    try:
        document["payload"] = message.payload.decode("utf-8")
    except UnicodeDecodeError:
        document["payload_base64"] = b64encode(message.payload).decode("ascii")
    optional = {
        "message_id": message.message_id,
        "device_id": message.device_id,
        "content_type": message.content_type,
        "source": message.source,
    }
    document |= {name: value for name, value in optional.items() if value}
    received = _EPOCH + timedelta(microseconds=message.receive_time_us)
    document["receive_time"] = received.isoformat().replace("+00:00", "Z")
    return document
