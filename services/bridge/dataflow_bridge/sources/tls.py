"""TLS to a broker: authorities, our certificate, and the name that the broker's certificate must have."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any, Protocol


class _Socket(ssl.SSLSocket):
    """Is closed when its handshake fails, where paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class _NamedContext(ssl.SSLContext):
    """Asks for another server name than the one that is dialled."""

    server_name = ""

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap with our name."""
        if self.server_name:
            options["server_hostname"] = self.server_name
        return super().wrap_socket(*arguments, **options)


class TlsFields(Protocol):
    """What TLS needs to know; all PEM, empty for none."""

    @property
    def ca_pem(self) -> str:
        """Authorities; empty: those of the system."""

    @property
    def client_certificate_pem(self) -> str:
        """Our certificate."""

    @property
    def client_key_pem(self) -> str:
        """Its key."""

    @property
    def server_name(self) -> str:
        """Name in the broker's certificate; empty: the host that is dialled."""


def tls_context(source: TlsFields) -> ssl.SSLContext:
    """Return the TLS settings of a source.

    Raises:
        ValueError: A certificate or key cannot be read.
    """
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.server_name = source.server_name
    context.sslsocket_class = _Socket
    try:
        if source.ca_pem:
            context.load_verify_locations(cadata=source.ca_pem)
        else:
            context.load_default_certs()
        if source.client_certificate_pem:
            # The ssl module reads keys from files only: this one is ours alone, and gone at once.
            with tempfile.TemporaryDirectory(prefix="dataflow-source-") as directory:
                file = Path(directory) / "client.pem"
                file.touch(mode=0o600)
                file.write_text(f"{source.client_certificate_pem}\n{source.client_key_pem}\n")
                context.load_cert_chain(file)
    except ssl.SSLError as error:
        message = f"certificate or key cannot be read: {error.reason or error}"
        raise ValueError(message) from error
    return context
