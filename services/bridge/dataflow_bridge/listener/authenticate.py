"""The default policy for who may connect: static bearer tokens, client certificates, and nobody else by default."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from dataflow_bridge.listener.seams import Credentials, Identity, Refusal, RefusalReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PUBLISHING_ROLES: Final = frozenset({"DEVICE", "OPERATOR", "ADMIN", "SERVICE"})
"""Roles that may publish: PUBLIC and VIEWER only read."""
ANONYMOUS: Final = "anonymous"


class TokenFileError(ValueError):
    """The token file can not be read or is not the documented JSON."""


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A bearer token, known by its SHA-256 only."""

    digest: bytes
    name: str
    role: str


def read_token_file(path: Path) -> list[StaticToken]:
    """Read `{"tokens": [{"token", "name", "role"}]}`.

    Raises:
        TokenFileError: With what is wrong, and never with a token.
    """
    try:
        entries = orjson.loads(path.read_bytes())["tokens"]
        return [
            StaticToken(digest(entry["token"].encode()), str(entry["name"]), str(entry["role"]).upper())
            for entry in entries
        ]
    except OSError as error:
        message = f"token file {str(path)!r} can not be read: {error.strerror}"
        raise TokenFileError(message) from error
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        message = f'token file {str(path)!r} is not {{"tokens": [{{"token", "name", "role"}}]}}'
        raise TokenFileError(message) from error


def digest(token: bytes) -> bytes:
    """Return what a token is known by: comparing digests tells nothing about the token by its timing."""
    return hashlib.sha256(token).digest()


class TokenAuthenticator:
    """Lets in known tokens, verified client certificates, and anonymous clients where they are allowed.

    A token is given as the password, with or without a user name. Wrong credentials are refused even where none are
    needed.
    """

    def __init__(self, tokens: Iterable[StaticToken], *, allow_anonymous: bool) -> None:
        """Index the tokens.

        Args:
            tokens: Known tokens.
            allow_anonymous: True when only this machine can connect, or when it was asked for.
        """
        self._tokens: Mapping[bytes, StaticToken] = {token.digest: token for token in tokens}
        self._allow_anonymous = allow_anonymous

    def authenticate(self, credentials: Credentials) -> Identity | Refusal:
        """Return the identity behind the credentials, or the refusal.

        A user name is the device id; a certificate's common name is, where there is no user name. Without either the
        device is found by routes.
        """
        device_id = credentials.username or credentials.certificate_name or None
        if credentials.password is not None:
            token = self._tokens.get(digest(credentials.password))
            if token is None:
                return Refusal(RefusalReason.BAD_CREDENTIALS, "the password is no known token")
            if token.role not in PUBLISHING_ROLES:
                return Refusal(RefusalReason.NOT_AUTHORIZED, f"role {token.role} may not publish")
            return Identity(token.name, token.role, device_id)
        if credentials.certificate_name is not None:
            if credentials.username not in (None, "", credentials.certificate_name):
                return Refusal(RefusalReason.BAD_CREDENTIALS, "the user name is not the name of the certificate")
            return Identity(credentials.certificate_name, "DEVICE", credentials.certificate_name)
        if self._allow_anonymous:
            # A user name alone proves nothing, so it names no device.
            return Identity(ANONYMOUS, "DEVICE", None)
        return Refusal(RefusalReason.NOT_AUTHORIZED, "a token or a client certificate is needed")
