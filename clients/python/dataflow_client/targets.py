"""Where the services are, and how the way there is secured."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS to the services; with a certificate of one's own it is mutual."""

    ca_file: Path | None = None
    """PEM file of the authorities to trust; None: those of gRPC's build."""
    certificate_file: Path | None = None
    """PEM file of the client's certificate chain; None: the token alone says who calls."""
    key_file: Path | None = None
    """PEM file of the client's private key; needed with `certificate_file`."""
    server_name: str = ""
    """Name to expect in the server's certificate; empty: the host of the target."""

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("a client certificate needs certificate_file and key_file together")

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files.

        Raises:
            OSError: A file cannot be read.
        """
        return grpc.ssl_channel_credentials(
            *(self._read(p) for p in (self.ca_file, self.key_file, self.certificate_file))
        )

    @staticmethod
    def _read(path: Path | None) -> bytes | None:
        return None if path is None else path.read_bytes()


@dataclass(frozen=True, slots=True)
class Targets:
    """gRPC targets, one for each kind of service: `host:port`, `dns:///host:port`, `unix:path`, `xds:///name`."""

    bridge: str = ""
    """IngestService and RingService."""
    validator: str = ""
    """ContractService, RouteService, ReadingService, QuarantineService."""
    insight: str = ""
    """AskService."""


@dataclass(frozen=True, slots=True)
class Connection:
    """All that a client needs to know before its first call."""

    targets: Targets = field(default_factory=Targets)
    """Where the services are; one that is never called may be empty."""
    token: str = field(default="", repr=False)
    """Bearer token; empty: only PUBLIC RPCs answer."""
    tls: Tls | None = None
    """None: plaintext, which is refused beyond loopback."""
    insecure: bool = False
    """True: plaintext beyond loopback as well; the token can then be read on the way."""


def is_loopback(target: str) -> bool:
    """Tells whether a gRPC target surely stays on this machine."""
    scheme, colon, rest = target.partition(":")
    if scheme in {"unix", "unix-abstract"} and colon:
        return True
    if scheme in {"dns", "ipv4", "ipv6"} and colon:
        target = rest.rpartition("/")[2]
    elif "://" in target:
        return False
    # ipv4: and ipv6: targets may list several addresses.
    return all(_is_loopback_host(_host(address)) for address in target.split(","))


def _host(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def _is_loopback_host(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
