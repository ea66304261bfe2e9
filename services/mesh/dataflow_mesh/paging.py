"""Page tokens of lists: the key after which the next page begins, bound to one method and one filter."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence

from google.protobuf.message import Message

from dataflow_mesh.errors import PageTokenInvalidError

KeyPart = str | int | float | bool | None
"""One column of a keyset key; times and UUIDs go in as text."""

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000

_BINDING_BYTES = 12


def page_size(requested: int, *, default: int = DEFAULT_PAGE_SIZE, maximum: int = MAX_PAGE_SIZE) -> int:
    """Returns how many rows to give: the default for 0, never more than the maximum."""
    return default if requested <= 0 else min(requested, maximum)


def encode(key: Sequence[KeyPart], method: str, filter_message: Message | None = None) -> str:
    """Returns an opaque token for the page after `key`.

    Args:
        key: The keyset key of the last row of this page.
        method: Full name of the RPC, so that a token of one list is not taken by another.
        filter_message: What selects the rows (without page size and token); None if the list has no filter.
    """
    body = json.dumps(list(key), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_binding(method, filter_message, body) + body).rstrip(b"=").decode()


def decode(token: str, method: str, filter_message: Message | None = None) -> tuple[KeyPart, ...] | None:
    """Returns the key that `encode` was given, or None for an empty token (the first page).

    The binding finds mistakes, not malice: a token grants nothing, since the caller could name the key's rows anyway.

    Raises:
        PageTokenInvalidError: The token is not one of this method and filter.
    """
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise PageTokenInvalidError from error
    binding, body = raw[:_BINDING_BYTES], raw[_BINDING_BYTES:]
    if not hmac.compare_digest(binding, _binding(method, filter_message, body)):
        raise PageTokenInvalidError
    key: list[KeyPart] = json.loads(body)
    return tuple(key)


def _binding(method: str, filter_message: Message | None, body: bytes) -> bytes:
    digest = hashlib.sha256()
    # Deterministic bytes differ between protobuf versions at most; then a token is refused and the list starts again.
    selected = filter_message.SerializeToString(deterministic=True) if filter_message is not None else b""
    for part in (method.encode(), selected, body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()[:_BINDING_BYTES]
