"""Reading a token from a file: a bare token, or the token file that `dataflow up` writes."""

import json
from pathlib import Path
from typing import Any

_STRONGEST_FIRST = ("ADMIN", "SERVICE", "OPERATOR", "VIEWER", "DEVICE")


def read_token(path: Path) -> str:
    """Returns the token of a file; where it holds several, the one with the strongest role of a person.

    Raises:
        OSError: The file cannot be read.
        ValueError: It holds no token.
    """
    text = path.read_text(encoding="utf-8").strip()
    if not text.startswith("{"):
        if not text or any(character.isspace() for character in text):
            raise ValueError(f"{str(path)!r} holds no token")
        return text
    try:
        entries: list[dict[str, Any]] = json.loads(text)["tokens"]
        ranked = sorted(entries, key=lambda entry: _rank(str(entry.get("role", ""))))
        return str(ranked[0]["token"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{str(path)!r} holds no token: not of the form {{'tokens': [{{'token', 'role'}}]}}"
        ) from error


def _rank(role: str) -> int:
    name = role.upper().removeprefix("ROLE_")
    return _STRONGEST_FIRST.index(name) if name in _STRONGEST_FIRST else len(_STRONGEST_FIRST)
