"""What `dataflow up` leaves in the data directory: where everything is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATUS_FILE = "status.json"
"""Its name inside the data directory; the same keys as `dataflow status --json`."""


@dataclass(frozen=True, slots=True)
class StackStatus:
    """The addresses in a status file; empty where it does not say."""

    mqtt: str = ""
    """MQTT listener, host:port."""
    bridge: str = ""
    """gRPC target of the bridges."""
    validator: str = ""
    """gRPC target of the validators."""
    insight: str = ""
    """gRPC target of insight."""
    postgres: str = ""
    """DSN."""
    redis: Sequence[str] = ()
    """Ring nodes."""
    token_file: Path | None = None
    """The admin's token."""


def read_status(data_dir: Path) -> StackStatus | None:
    """Returns what the status file says; None where there is none.

    Raises:
        ValueError: The file is not what `dataflow up` writes.
        OSError: It cannot be read.
    """
    path = data_dir / STATUS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{str(path)!r} is not a JSON object")  # noqa: TRY004  # the file's fault, not a caller's
    token_file = _text(document, "token_file")
    redis = document.get("redis", ())
    return StackStatus(
        mqtt=_text(document, "mqtt"),
        bridge=_text(document, "grpc.bridge"),
        validator=_text(document, "grpc.validator"),
        insight=_text(document, "grpc.insight"),
        postgres=_text(document, "postgres"),
        redis=tuple(str(node) for node in redis) if isinstance(redis, list) else (),
        # Relative paths are meant from the data directory, wherever the reader stands.
        token_file=data_dir / token_file if token_file else None,
    )


def _text(document: Mapping[str, Any], key: str) -> str:
    """Reads `a.b` as a member of `a`, or as a member that is called so."""
    found: object = document.get(key)
    if found is None and "." in key:
        first, _, rest = key.partition(".")
        inner = document.get(first)
        found = inner.get(rest) if isinstance(inner, dict) else None
    return found if isinstance(found, str) else ""
