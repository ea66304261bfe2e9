"""Cursors of WatchReadings: a point in the order in which rows become readable, bound to one database and one contract.

The order is that of the transactions (`stored_xid`, 64 bits wide: it never wraps around), within one by the row's key.
Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dataflow_validator.errors import CursorForeignError, CursorInvalidError
from dataflow_validator.time_messages import microseconds, moment_of

_VERSION: Final = 1
_CHECK_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Database:
    """Which numbering of transactions a point belongs to.

    Attributes:
        system: The cluster's system identifier, given at initdb.
        timeline: The line of its write-ahead log: another one after a restore to a point in time, or a failover.
        oid: The database in the cluster.
    """

    system: int
    timeline: int
    oid: int


@dataclass(frozen=True, slots=True)
class Position:
    """A point between two rows.

    Attributes:
        xid: All of the transactions below lie before it.
        key: Of this transaction also the rows up to this device, event time and message id; `None` for none of them.
    """

    xid: int
    key: tuple[str, datetime, UUID] | None = None


def encode_cursor(database: Database, contract: str, position: Position) -> str:
    """Returns the text that names a point."""
    key = position.key
    body = json.dumps(
        [
            _VERSION,
            database.system,
            database.timeline,
            database.oid,
            position.xid,
            *([] if key is None else [key[0], microseconds(key[1]), key[2].hex]),
        ],
        separators=(",", ":"),
    ).encode()
    return base64.urlsafe_b64encode(_check(contract, body) + body).rstrip(b"=").decode()


def decode_cursor(text: str, database: Database, contract: str, next_xid: int) -> Position:
    """Reads a cursor.

    Args:
        text: From a response of WatchReadings.
        database: Where it shall be used.
        contract: The contract whose rows are wanted.
        next_xid: The number that the database gives to its next transaction.

    Raises:
        CursorInvalidError: It is none of this contract.
        CursorForeignError: It counts the transactions of something else.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CursorInvalidError from error
    body = raw[_CHECK_BYTES:]
    # Finds mistakes, not malice: a cursor grants nothing.
    if raw[:_CHECK_BYTES] != _check(contract, body):
        raise CursorInvalidError
    version, system, timeline, oid, xid, *key = json.loads(body)
    if version != _VERSION:
        raise CursorInvalidError
    for difference, mine, theirs in (
        ("system", database.system, system),
        ("timeline", database.timeline, timeline),
        ("database", database.oid, oid),
    ):
        if mine != theirs:
            raise CursorForeignError(metadata={"difference": difference})
    if xid > next_xid:
        raise CursorForeignError(metadata={"difference": "ahead"})
    if not key:
        return Position(xid)
    device, micros, message_id = key
    return Position(xid, (device, moment_of(micros), UUID(message_id)))


def _check(contract: str, body: bytes) -> bytes:
    return hashlib.sha256(contract.encode() + b"\0" + body).digest()[:_CHECK_BYTES]
