"""Which column holds a field: the validator's fixed rule, known here since services share the database and no code.

A test holds it against the validator's `contracts/names.py`.
"""

import re
from hashlib import blake2b
from typing import Final

ENVELOPE: Final = frozenset(
    {
        "device_id",
        "event_time",
        "receive_time",
        "message_id",
        "content_hash",
        "revision",
        "stored_xid",
        "maybe_duplicate",
        "extra",
    }
)
"""The columns that every reading has, whatever its contract."""

_RESERVED: Final = ENVELOPE | {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
_PREFIX: Final = "field_"
_MAX_BYTES: Final = 63


def column_of(name: str) -> str:
    """Returns the column of a field: its name, a pointer's members with dots between, or a hash where neither will do."""
    tokens = _members(name)
    if all(token and token.isprintable() and "." not in token and '"' not in token for token in tokens):
        joined = ".".join(tokens)
        if joined in _RESERVED or joined.startswith(_PREFIX):
            joined = _PREFIX + joined
        if len(joined.encode()) <= _MAX_BYTES:
            return joined
    exact = b"".join(len(token.encode()).to_bytes(4, "big") + token.encode() for token in tokens)
    readable = re.sub(r"[^a-z0-9]+", "_", "_".join(tokens).lower()).strip("_")[:24].rstrip("_")
    return f"{_PREFIX}_{readable}_{blake2b(exact, digest_size=12).hexdigest()}"


def _members(name: str) -> tuple[str, ...]:
    if not name.startswith("/"):
        return (name,)
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in name[1:].split("/"))
