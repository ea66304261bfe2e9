"""The default policy for who may connect: bearer tokens, client certificates, and nobody else by default."""

from __future__ import annotations

from typing import Final

from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import Tokens, allows

from dataflow_bridge.listener.seams import Credentials, Identity, Refusal, RefusalReason

_PUBLISHERS: Final = (role_pb2.ROLE_DEVICE, role_pb2.ROLE_OPERATOR)
"""As `IngestService.PublishMessages` names them."""
ANONYMOUS: Final = "anonymous"


class TokenAuthenticator:
    """Lets in known tokens, verified client certificates, and anonymous clients where they are allowed.

    A token is given as the password, with or without a user name; its role must be one that may publish.
    Wrong credentials are refused even where none are needed.
    """

    def __init__(self, tokens: Tokens, *, allow_anonymous: bool) -> None:
        """Judge by these tokens.

        Args:
            tokens: Known tokens.
            allow_anonymous: True when only this machine can connect, or when it was asked for.
        """
        self._tokens = tokens
        self._allow_anonymous = allow_anonymous

    def authenticate(self, credentials: Credentials) -> Identity | Refusal:
        """Return the identity behind the credentials, or the refusal.

        A device is the one that its token or certificate names, and a user name must say the same. A token of another
        role may speak for any device: then the user name is the device id. Without either the device is found by routes.
        """
        if credentials.password is not None:
            return self._by_token(credentials, credentials.password)
        if credentials.certificate_name is not None:
            if credentials.username not in (None, "", credentials.certificate_name):
                return Refusal(RefusalReason.BAD_CREDENTIALS, "the user name is not the name of the certificate")
            return Identity(credentials.certificate_name, "DEVICE", credentials.certificate_name)
        if self._allow_anonymous:
            # A user name alone proves nothing, so it names no device.
            return Identity(ANONYMOUS, "DEVICE", None)
        return Refusal(RefusalReason.NOT_AUTHORIZED, "a token or a client certificate is needed")

    def _by_token(self, credentials: Credentials, password: bytes) -> Identity | Refusal:
        """Return the identity behind a token."""
        caller = self._tokens.caller_of(password.decode("utf-8", "surrogateescape"))
        if caller is None:
            return Refusal(RefusalReason.BAD_CREDENTIALS, "the password is no known token")
        if not allows(caller.role, _PUBLISHERS):
            return Refusal(RefusalReason.NOT_AUTHORIZED, f"role {caller.role_name} may not publish")
        if caller.role == role_pb2.ROLE_DEVICE:
            if credentials.username not in (None, "", caller.name):
                return Refusal(RefusalReason.BAD_CREDENTIALS, "the user name is not the name of the device's token")
            return Identity(caller.name, caller.role_name, caller.name)
        return Identity(caller.name, caller.role_name, credentials.username or credentials.certificate_name or None)
