"""Recorded messages: one JSON object on each line, `{"topic": ..., "payload": ...}`."""

from __future__ import annotations

import base64
import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID, uuid5

import orjson

_NAMESPACE = UUID("6f1c4a0e-5d0b-5c8e-9a55-1f2f6f7d0a31")


class RecordingError(ValueError):
    """A line is not a recorded message."""


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One message to publish."""

    number: int
    """Its position in the recording, from 0."""
    topic: str
    payload: bytes
    message_id: str
    """Stable: the line's own `message_id`, else made of position, topic and payload. The same file gives the same ids."""


def read_recording(path: Path) -> Iterator[RecordedMessage]:
    """Reads a file line by line; `.gz` is unpacked, `-` is standard input.

    Raises:
        OSError: The file cannot be read.
        RecordingError: A line is not a recorded message; it says which line and why.
    """
    with _open(path) as lines:
        yield from parse_recording(lines)


def parse_recording(lines: Iterable[bytes]) -> Iterator[RecordedMessage]:
    """Parses lines; empty ones are skipped, members other than topic, payload, payload_base64, message_id ignored.

    A `payload` that is a string is sent as its UTF-8 text; any other JSON value as its compact JSON.
    `payload_base64` holds bytes that are no text.

    Raises:
        RecordingError: As `read_recording`.
    """
    number = 0
    for index, line in enumerate(lines, start=1):
        if line.isspace() or not line:
            continue
        try:
            yield _parse(line, number)
        except (ValueError, TypeError, RecursionError) as error:
            raise RecordingError(f"line {index}: {error}") from error
        number += 1


def _parse(line: bytes, number: int) -> RecordedMessage:
    # Numbers are passed on as they are spelled: 1e400 or 20 digits are what somebody wants to see judged.
    record = json.loads(line, parse_float=orjson.Fragment, parse_int=orjson.Fragment)
    if not isinstance(record, dict):
        raise TypeError("not a JSON object")
    topic = record.get("topic")
    if not isinstance(topic, str) or not topic:
        raise ValueError("no topic")
    payload = _payload(record, line)
    given = record.get("message_id")
    message_id = given if isinstance(given, str) else str(uuid5(_NAMESPACE, f"{number}\0{topic}\0{payload.hex()}"))
    return RecordedMessage(number, topic, payload, message_id)


def _payload(record: dict[str, object], line: bytes) -> bytes:
    if "payload_base64" in record:
        if not isinstance(encoded := record["payload_base64"], str):
            raise TypeError("payload_base64 is not a string")
        return base64.b64decode(encoded, validate=True)
    if "payload" not in record:
        raise ValueError("neither payload nor payload_base64")
    payload = record["payload"]
    if isinstance(payload, str):
        return payload.encode()
    try:
        return orjson.dumps(payload)
    except orjson.JSONEncodeError:
        # A lone surrogate, which UTF-8 cannot say and an escape can.
        return json.dumps(json.loads(line)["payload"], separators=(",", ":")).encode()


def _open(path: Path) -> BinaryIO:
    if str(path) == "-":
        return sys.stdin.buffer
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")
