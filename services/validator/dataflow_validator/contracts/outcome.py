"""What goes into judging and what comes out. Named tuples: one of each is made for every message."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.reasons import Reason


class RefusalKind(StrEnum):
    """Why an item becomes no row: against the contract, no JSON at all, or valid but impossible in SQL."""

    REFUSED = "REFUSED"
    UNPARSABLE = "UNPARSABLE"
    UNSTORABLE = "UNSTORABLE"


class Arrival(NamedTuple):
    """A message as its batch brought it.

    Attributes:
        topic: Where it was published.
        device_id: What its sender was authenticated as; `None` where it was not.
        payload: Its bytes.
        receive_time: When the bridge received it; aware, UTC.
        message_id: The sender's own id; `None` where it gave none.
        maybe_duplicate: The bridge had to give it an id and it may be a resend.
        batch_id: The 16 bytes of the batch's id.
        position: Its index in the batch.
        message_sha1: Of the whole message, where `payload` is one element of it that is judged by itself.
    """

    topic: str
    device_id: str | None
    payload: bytes
    receive_time: datetime
    message_id: str | None
    maybe_duplicate: bool
    batch_id: bytes
    position: int
    message_sha1: bytes | None = None


class Accepted(NamedTuple):
    """An item that its contract accepted.

    Attributes:
        row: device_id, event_time, receive_time, message_id, content_hash, maybe_duplicate, then one value for each of
            the contract's columns in their order, then `extra` as JSON text or `None`. Values are what asyncpg takes for
            the column's type; a double precision column may get an `int`.
        id_kind: Which way the message id was made. Of kind d alone may `maybe_duplicate` be true.
        element: Index in an array message; 0 for other messages.
        zone_assumed: The event time had no zone and was taken as UTC.
    """

    row: tuple[object, ...]
    id_kind: IdKind
    element: int
    zone_assumed: bool


class Refused(NamedTuple):
    """An item that becomes no row.

    Attributes:
        kind: Why.
        device_id: As far as known and storable, else "".
        message_id: Made like an accepted item's, from what there is. Two refused items may share one, for example when an
            identity field is the same in both: tell them apart by `content_hash`.
        id_kind: Which way the message id was made.
        element: Index in an array message; 0 for other messages.
        content_hash: By value; over the bytes where they are no JSON.
        event_time: Where it could be read.
        reasons: All of them, root cause first; never empty.
    """

    kind: RefusalKind
    device_id: str
    message_id: UUID
    id_kind: IdKind
    element: int
    content_hash: int
    event_time: datetime | None
    reasons: tuple[Reason, ...]
