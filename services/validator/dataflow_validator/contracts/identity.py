"""The message id of an item: by what a resend of it is recognised.

It is the first of

a. the uuid5 of a JSON array [device id, identity values…] in canonical form, in the contract's own namespace;
b. the sender's own id: a UUID stays as it is, other text becomes the uuid5 of [device id, text]; element *i* of an array
   message adds *i*;
c. where the contract names an event-time field, a hash of device, topic, payload bytes and element;
d. a hash of batch id, position and element: unique, but not the same for a resend.

Ids are asyncpg's own UUID class, a subclass of `uuid.UUID` that is ten times cheaper to make and equal in all else.
"""

import uuid
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha1
from typing import Final

from asyncpg.pgproto.pgproto import UUID as PostgresUUID  # noqa: N811 - a class

from dataflow_validator.contracts.canonical import canonical_bytes

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:dataflow:message-id")
"""The namespace that every contract's own namespace is made in."""

MAX_SENDER_ID_CHARACTERS: Final = 65_535


class IdKind(StrEnum):
    """Which of the four ways made a message id."""

    IDENTITY = "a"
    SENDER = "b"
    CONTENT = "c"
    BRIDGE = "d"


def contract_namespace(contract: str) -> uuid.UUID:
    """Give the namespace of a contract's ids."""
    return uuid.uuid5(NAMESPACE, contract)


def _uuid5(prefix: bytes, name: bytes) -> uuid.UUID:
    digest = sha1(prefix + name, usedforsecurity=False).digest()
    return PostgresUUID(digest[:6] + _VERSION_5[digest[6]] + digest[7:8] + _VARIANT[digest[8]] + digest[9:16])


_VERSION_5: Final = [bytes([byte & 0x0F | 0x50]) for byte in range(256)]
_VARIANT: Final = [bytes([byte & 0x3F | 0x80]) for byte in range(256)]


def _own_uuid(sender_id: str) -> uuid.UUID | None:
    """Read a UUID in its usual spelling; the parser also takes others, which stay different ids."""
    if len(sender_id) != 36:
        return None
    try:
        own = PostgresUUID(sender_id)
    except ValueError:
        return None
    return own if str(own) == sender_id.lower() else None


class MessageIds:
    """Makes the message ids of one contract."""

    def __init__(self, contract: str) -> None:
        """Prepare the namespace.

        Args:
            contract: The contract's name.
        """
        self._namespace = contract_namespace(contract).bytes
        self._payload = self._digest = b""

    def from_identity(self, device_id: str, values: Sequence[object]) -> uuid.UUID:
        """Make the id of kind a from the identity fields' values, in the contract's order."""
        return _uuid5(self._namespace, canonical_bytes([device_id, *values]))

    def from_encoded_identity(self, encoded: bytes) -> uuid.UUID:
        """Make the id of kind a from the canonical bytes of [device id, values…]."""
        return _uuid5(self._namespace, encoded)

    def from_sender(self, device_id: str, sender_id: str, element: int | None) -> uuid.UUID:
        """Make the id of kind b; `element` is `None` unless the message is an array."""
        if element is None:
            if (own := _own_uuid(sender_id)) is not None:
                return own
            return _uuid5(self._namespace, canonical_bytes([device_id, {"id": sender_id}]))
        return _uuid5(self._namespace, canonical_bytes([device_id, {"id": sender_id, "element": element}]))

    def from_content(
        self, device_id: str, topic: str, payload: bytes, element: int | None, message_sha1: bytes | None = None
    ) -> uuid.UUID:
        """Make the id of kind c. Neither device ids nor topics hold NUL, so the parts cannot run into each other.

        Args:
            device_id: The device.
            topic: Where the message was published.
            payload: The whole message; what it is does not matter with `message_sha1`.
            element: Index in an array message.
            message_sha1: Of the whole message, where only its element is at hand.
        """
        if element is None:
            return _uuid5(self._namespace, f"{device_id}\0{topic}\0\0".encode() + payload)
        if message_sha1 is not None:
            return _uuid5(self._namespace, f"{device_id}\0{topic}\0{element}\0".encode() + message_sha1)
        if payload is not self._payload:
            # Once for all elements: a large array would otherwise be hashed as often as it has elements.
            self._payload, self._digest = payload, sha1(payload, usedforsecurity=False).digest()
        return _uuid5(self._namespace, f"{device_id}\0{topic}\0{element}\0".encode() + self._digest)

    def from_bridge(self, batch_id: bytes, position: int, element: int | None) -> uuid.UUID:
        """Make the id of kind d."""
        return _uuid5(batch_id, f"{position}/{'' if element is None else element}".encode())
