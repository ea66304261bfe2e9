"""Reads who made a batch and which one it is, without its messages: safe and cheap also for what kills its readers."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import zstandard
from dataflow.ring.v1.batch_pb2 import Batch
from google.protobuf.message import DecodeError

_PEEKED_BYTES: Final = 1024
"""A bridge's id has at most some hundred bytes; the rest of a header has less than 80."""
_VARINT, _BYTES = 0, 2
_LAST_FIELD: Final = Batch.ACKNOWLEDGED_THROUGH_FIELD_NUMBER
"""Fields are written in the order of their numbers, and the messages have the highest one."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before a batch's messages."""

    batch_id: bytes
    bridge_id: str
    boot_id: bytes
    sequence: int
    message_count: int
    acknowledged_through: int


def peek_header(data: bytes) -> Header | None:
    """Return the header in the bytes of a stream entry, or None where they are no batch.

    At most a kilobyte is unpacked, whatever the frame says of itself, and no message is decoded.
    """
    try:
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)) as reader:
            head = reader.read(_PEEKED_BYTES)
        batch = Batch.FromString(head[: _header_length(head)])
    except (zstandard.ZstdError, DecodeError, IndexError, MemoryError):
        return None
    if len(batch.batch_id) != 16 or len(batch.boot_id) != 16 or not batch.sequence:
        return None
    return Header(
        batch.batch_id,
        batch.bridge_id,
        batch.boot_id,
        batch.sequence,
        batch.message_count,
        batch.acknowledged_through,
    )


def _header_length(head: bytes) -> int:
    """Return where the fields of the header end.

    Raises:
        IndexError: They do not end within the bytes.
    """
    at = 0
    while at < len(head):
        start = at
        tag, at = _varint(head, at)
        if tag >> 3 > _LAST_FIELD:
            return start
        if tag & 7 == _VARINT:
            _, at = _varint(head, at)
        elif tag & 7 == _BYTES:
            length, at = _varint(head, at)
            at += length
        else:
            return start
    if at > len(head):
        raise IndexError
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
