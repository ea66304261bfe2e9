"""Who calls, and what a role may do: static bearer tokens from a file that only its owner reads."""

import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import stat
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dataflow.access.v1 import role_pb2

from dataflow_mesh.logs import fields

_log = logging.getLogger(__name__)

_INCLUDED: dict[int, frozenset[int]] = {
    role_pb2.ROLE_VIEWER: frozenset({role_pb2.ROLE_VIEWER}),
    role_pb2.ROLE_OPERATOR: frozenset({role_pb2.ROLE_VIEWER, role_pb2.ROLE_OPERATOR}),
    role_pb2.ROLE_DEVICE: frozenset({role_pb2.ROLE_DEVICE}),
}
"""Which roles each role holds. ADMIN and SERVICE are missing: they may always call."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request."""

    name: str
    role: role_pb2.Role.ValueType

    @property
    def role_name(self) -> str:
        """The role without the enum's prefix, such as "VIEWER"."""
        return role_name(self.role)


NOBODY = Caller("", role_pb2.ROLE_PUBLIC)
"""A caller without a token, on a method that needs none."""

_caller: ContextVar[Caller] = ContextVar("dataflow_caller", default=NOBODY)


def current_caller() -> Caller:
    """Returns who made the request that is being served; `NOBODY` outside of one."""
    return _caller.get()


def set_current_caller(caller: Caller) -> None:
    """Records the caller for the rest of this task; only the access interceptor calls it."""
    _caller.set(caller)


def role_name(role: role_pb2.Role.ValueType) -> str:
    """Returns the role without the enum's prefix."""
    return role_pb2.Role.Name(role).removeprefix("ROLE_")


def allows(role: role_pb2.Role.ValueType, required: Iterable[role_pb2.Role.ValueType]) -> bool:
    """Returns whether a caller of this role may call a method that names these roles."""
    if role in {role_pb2.ROLE_ADMIN, role_pb2.ROLE_SERVICE}:
        return True
    wanted = frozenset(required)
    return role_pb2.ROLE_PUBLIC in wanted or bool(_INCLUDED.get(role, frozenset()) & wanted)


class TokenFileError(Exception):
    """The token file cannot be used."""


class Tokens:
    """The tokens that this process accepts, kept as hashes.

    Args:
        callers: Caller by token, in the clear.
        path: The file they came from; looked at again when it changes.
    """

    _LOOK_EVERY_SECONDS = 1.0

    def __init__(self, callers: Mapping[str, Caller], *, path: Path | None = None) -> None:
        self._entries = _hashed(callers)
        self._path = path
        self._stamp = _stamp(path) if path is not None else None
        self._looked_at = time.monotonic()

    def __repr__(self) -> str:
        return f"Tokens({len(self._entries)} tokens)"

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a token file.

        Raises:
            TokenFileError: It is missing, readable by others, or not of the documented form.
        """
        return cls(_read(path), path=path)

    def caller_of(self, token: str) -> Caller | None:
        """Returns who holds the token, or None. A changed file counts within a second."""
        self._reload_if_changed()
        digest = _digest(token)
        found: Caller | None = None
        for known, caller in self._entries:  # all of them: the time taken says nothing about the token
            if hmac.compare_digest(known, digest):
                found = caller
        return found

    def _reload_if_changed(self) -> None:
        now = time.monotonic()
        if self._path is None or now - self._looked_at < self._LOOK_EVERY_SECONDS:
            return
        self._looked_at = now
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries = _hashed(_read(self._path))
        except TokenFileError as error:
            _log.warning("token file not reloaded", extra=fields("tokens_kept", error=str(error)))
        else:
            _log.info("token file reloaded", extra=fields("tokens_reloaded", tokens=len(self._entries)))


def create_token_file(
    path: Path,
    callers: Iterable[Caller] = (Caller("admin", role_pb2.ROLE_ADMIN), Caller("service", role_pb2.ROLE_SERVICE)),
) -> dict[str, str]:
    """Writes a new token file (mode 0600) with a random token for each caller and returns the tokens by name.

    The file appears whole or not at all.

    Raises:
        FileExistsError: There is one already; it is left as it is.
    """
    issued = [(secrets.token_urlsafe(32), caller) for caller in callers]
    content = {"tokens": [{"token": token, "name": caller.name, "role": caller.role_name} for token, caller in issued]}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()
    return {caller.name: token for token, caller in issued}


def read_token(path: Path, name: str) -> str:
    """Returns the token of one caller from a token file, for a client on the same machine.

    Raises:
        TokenFileError: The file cannot be used or has no such caller.
    """
    for token, caller in _read(path).items():
        if caller.name == name:
            return token
    raise TokenFileError(f"{path}: no token named {name!r}")


def _read(path: Path) -> dict[str, Caller]:
    try:
        status = path.stat()
        # A file of root's may be a mounted secret, whose mode the orchestrator gives.
        if status.st_uid != 0 and stat.S_IMODE(status.st_mode) & 0o077:
            raise TokenFileError(f"{path}: others can read it; run: chmod 600 {path}")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TokenFileError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise TokenFileError(f"{path}: not JSON") from error
    try:
        return {
            _nonempty(entry["token"]): Caller(str(entry["name"]), role_pb2.Role.Value(f"ROLE_{entry['role']}"))
            for entry in content["tokens"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise TokenFileError(
            f'{path}: not of the form {{"tokens": [{{"token": "...", "name": "...", "role": "ADMIN"}}]}}'
        ) from error


def _nonempty(token: object) -> str:
    if not isinstance(token, str) or not token:
        raise ValueError("an empty token")
    return token


def _hashed(callers: Mapping[str, Caller]) -> tuple[tuple[bytes, Caller], ...]:
    return tuple((_digest(token), caller) for token, caller in callers.items())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size
    return None
