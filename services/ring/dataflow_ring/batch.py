"""Packs messages into the bytes of one stream entry, and unpacks them: a zstd frame of `dataflow.ring.v1.Batch`."""

from __future__ import annotations

import os
import time
import uuid
from typing import Final

import zstandard
from dataflow.ring.v1.batch_pb2 import Batch, Message
from google.protobuf.message import DecodeError

FORMAT_VERSION: Final = 1
"""What `pack` writes; `unpack` reads this one and the one before."""

MAX_UNPACKED_BYTES: Final = 64 * 1024 * 1024
"""No bridge makes a larger batch; a frame that says otherwise is not one of ours."""

_compressor = zstandard.ZstdCompressor(level=1)
_decompressor = zstandard.ZstdDecompressor()


class BatchUnreadableError(ValueError):
    """The bytes of a stream entry are not a batch that this version can read."""


def new_batch_id() -> bytes:
    """Return a UUIDv7 (RFC 9562, section 5.7) as 16 bytes; `uuid.uuid7` exists only from Python 3.14 on."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    rand_a = random >> 68 & 0xFFF
    rand_b = random & (1 << 62) - 1
    return (milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b).to_bytes(16, "big")


def new_boot_id() -> bytes:
    """Return a random id for one life of a process, as 16 bytes."""
    return uuid.uuid4().bytes


def pack(batch: Batch) -> bytes:
    """Return the compressed bytes of a batch, setting its format version and message count."""
    batch.format_version = FORMAT_VERSION
    batch.message_count = len(batch.messages)
    return _compressor.compress(batch.SerializeToString())


def decompress(data: bytes) -> bytes:
    """Return the bytes that `unpack` parses: whoever looks for a text in many batches need not parse them all.

    Raises:
        BatchUnreadableError: Not a zstd frame, or too large.
    """
    try:
        # max_output_size binds only frames that do not say their size: the others are believed, and made room for.
        if zstandard.frame_content_size(data) > MAX_UNPACKED_BYTES:
            raise BatchUnreadableError(f"not a batch: it would have more than {MAX_UNPACKED_BYTES} bytes")
        return _decompressor.decompress(data, max_output_size=MAX_UNPACKED_BYTES)
    except zstandard.ZstdError as error:
        raise BatchUnreadableError(f"not a batch: {error}") from error


def unpack(data: bytes) -> Batch:
    """Return the batch in the bytes of a stream entry.

    Raises:
        BatchUnreadableError: Not a zstd frame, too large, not a batch, of a version that is not understood, or with
            another number of messages than it says.
    """
    try:
        batch = Batch.FromString(decompress(data))
    except DecodeError as error:
        raise BatchUnreadableError(f"not a batch: {error}") from error
    if not FORMAT_VERSION - 1 <= batch.format_version <= FORMAT_VERSION or batch.format_version == 0:
        raise BatchUnreadableError(f"format version {batch.format_version}, this reader knows {FORMAT_VERSION}")
    if batch.message_count != len(batch.messages):
        raise BatchUnreadableError(f"{len(batch.messages)} messages where {batch.message_count} are announced")
    if len(batch.batch_id) != 16 or len(batch.boot_id) != 16:
        raise BatchUnreadableError("batch_id and boot_id have 16 bytes")
    return batch


def is_erased(message: Message) -> bool:
    """Return whether all of a message was deleted with its device: it keeps its position and is not to be judged."""
    return message.HasField("erasure") and message.erasure.whole
