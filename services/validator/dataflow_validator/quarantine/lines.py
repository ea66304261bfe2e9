"""Quarantined items as lines of JSON: `dataflow replay` reads them, and they say why each item is there."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC
from typing import Any, Final

import orjson

from dataflow_validator.pages import Row
from dataflow_validator.quarantine.queries import COLUMNS

LINE_COLUMNS: Final = f"{COLUMNS}, q.source_device_id, q.sender_id, q.message_sha1"
"""What `item_line` reads of `validator.quarantine q`."""


def item_line(row: Row, payload: bytes | None = None) -> bytes:
    """Writes one item, with its original bytes.

    Members as `ExportParked` has them: topic, payload (text) or payload_base64 (other bytes), message_id (the sender's own),
    device_id (what the sender was authenticated as), receive_time; then what the quarantine knows, under "quarantine".

    Args:
        row: The item.
        payload: Instead of its bytes: a part of them.
    """
    document: dict[str, Any] = {"topic": row["topic"]}
    content = row["payload"] if payload is None else payload
    try:
        document["payload"] = content.decode("utf-8")
    except UnicodeDecodeError:
        document["payload_base64"] = b64encode(content).decode("ascii")
    if row["sender_id"]:
        document["message_id"] = row["sender_id"]
    if row["source_device_id"]:
        document["device_id"] = row["source_device_id"]
    document["receive_time"] = row["receive_time"].astimezone(UTC)
    document["quarantine"] = {
        "quarantine_id": row["quarantine_id"],
        "kind": row["kind"],
        "contract": row["contract"],
        "revision": row["revision"],
        "device_id": row["device_id"],
        "element": row["element"],
        "reasons": orjson.Fragment(row["reasons"]),
        "event_time": None if row["event_time"] is None else row["event_time"].astimezone(UTC),
        "quarantine_time": row["quarantine_time"].astimezone(UTC),
    }
    return orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
