"""What a user of a node must be allowed, and nothing more: bridges and validators use the same URL."""

from __future__ import annotations

from typing import Final

KEYS: Final = "~dataflow:*"
COMMANDS: Final = (
    "ping", "info", "time", "config|get",
    "get", "set", "exists", "del", "rename", "eval",
    "sadd", "srem", "scard", "smembers",
    "xadd", "xlen", "xrange", "xdel", "xgroup|create",
    "xreadgroup", "xack", "xpending", "xclaim", "xautoclaim",
)  # fmt: skip
"""Without `config|get` (managed servers forbid it) a node is UNVERIFIED; all others are needed."""


def rules() -> list[str]:
    """Return the rules for `ACL SETUSER <name> on ><password>`."""
    return ["resetkeys", "resetchannels", KEYS, "-@all", *(f"+{command}" for command in COMMANDS)]
