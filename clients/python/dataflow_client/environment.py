"""The connection as the environment names it."""

from collections.abc import Mapping
from pathlib import Path

from dataflow_client.targets import Connection, Targets, Tls
from dataflow_client.tokens import read_token

_TRUE = frozenset({"1", "true", "yes", "on"})


def connection_from(environment: Mapping[str, str]) -> Connection:
    """Builds a connection from `DATAFLOW_*` variables.

    `DATAFLOW_BRIDGE`, `DATAFLOW_VALIDATOR` and `DATAFLOW_INSIGHT` are gRPC targets; `DATAFLOW_TOKEN` wins over
    `DATAFLOW_TOKEN_FILE`; any of `DATAFLOW_TLS_CA`, `DATAFLOW_TLS_CERTIFICATE`, `DATAFLOW_TLS_KEY` (PEM files) and
    `DATAFLOW_TLS=1` (the usual authorities) turns TLS on; `DATAFLOW_INSECURE=1` allows plaintext beyond loopback.

    Raises:
        OSError: The token file cannot be read.
        ValueError: The token file holds no token, or a certificate lacks its key.
    """
    token_file = environment.get("DATAFLOW_TOKEN_FILE", "")
    token = environment.get("DATAFLOW_TOKEN", "") or (read_token(Path(token_file)) if token_file else "")
    return Connection(
        targets=Targets(
            bridge=environment.get("DATAFLOW_BRIDGE", ""),
            validator=environment.get("DATAFLOW_VALIDATOR", ""),
            insight=environment.get("DATAFLOW_INSIGHT", ""),
        ),
        token=token,
        tls=tls_from(environment),
        insecure=environment.get("DATAFLOW_INSECURE", "").lower() in _TRUE,
    )


def tls_from(environment: Mapping[str, str]) -> Tls | None:
    """Builds the TLS options of `DATAFLOW_TLS*`; None where none is set.

    Raises:
        ValueError: A certificate lacks its key, or the reverse.
    """

    def path(name: str) -> Path | None:
        value = environment.get(name, "")
        return Path(value) if value else None

    ca_file, certificate = path("DATAFLOW_TLS_CA"), path("DATAFLOW_TLS_CERTIFICATE")
    key, name = path("DATAFLOW_TLS_KEY"), environment.get("DATAFLOW_TLS_SERVER_NAME", "")
    wanted = environment.get("DATAFLOW_TLS", "").lower() in _TRUE
    if not (wanted or ca_file or certificate or key or name):
        return None
    return Tls(ca_file=ca_file, certificate_file=certificate, key_file=key, server_name=name)
