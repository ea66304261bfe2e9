"""Where the services are, and how the way there is secured."""

import ipaddress
import socket
from collections.abc import Callable
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
    """gRPC targets, one for each kind of service: `host:port`, `dns:///host:port`, `unix:path`, `xds:///name`.

    Several servers of a kind: a DNS name with several addresses, or a list, `host1:port,host2:port`. Calls are spread
    over all that answer, and go on at the others when one does not.
    """

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


Resolve = Callable[[str, int], list[str]]
"""Finds the addresses of a host and port."""


def addresses_of(host: str, port: int) -> list[str]:
    """Asks the system for the addresses of a host; none where it knows none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]) for entry in found]


def channel_target(target: str, resolve: Resolve = addresses_of) -> str:
    """Returns what gRPC takes for a target of ours: a list becomes the addresses of all its servers.

    Names in a list are resolved here, once: gRPC has no resolver for several names. Where addresses change while a
    client is open, let one name have them all, `dns:///name:port`.

    Args:
        target: As in `Targets`.
        resolve: Finds the addresses of a name.

    Raises:
        ValueError: An entry of a list is not host:port, none has an address, or IPv4 and IPv6 would have to be mixed.
    """
    if not has_list(target):
        return target
    families: dict[int, list[str]] = {4: [], 6: []}
    for entry in target.split(","):
        host, port = _host_port(entry.strip())
        try:
            found = [host] if ipaddress.ip_address(host) else []
        except ValueError:
            found = resolve(host, port)
        versions = {ipaddress.ip_address(address).version for address in found}
        for address in dict.fromkeys(found):
            version = ipaddress.ip_address(address).version
            # A name with both is reached by IPv4: gRPC takes a list of one family only.
            if version == min(versions):
                families[version].append(f"{address}:{port}" if version == 4 else f"[{address}]:{port}")
    if families[4] and families[6]:
        raise ValueError(f"{target!r} mixes IPv4 and IPv6: gRPC takes a list of one of them")
    version = 4 if families[4] else 6
    if not families[version]:
        raise ValueError(f"no server of {target!r} has an address")
    return f"ipv{version}:{','.join(families[version])}"


def has_list(target: str) -> bool:
    """Tells whether a target is a list of host:port; lists of other schemes are gRPC's own."""
    return "," in target and not target.startswith(("ipv4:", "ipv6:", "dns:", "unix:", "unix-abstract:", "xds:"))


def has_many(target: str) -> bool:
    """Tells whether a target may stand for several servers."""
    return "," in target or target.startswith(("dns:", "xds:"))


def _host_port(entry: str) -> tuple[str, int]:
    host, _, port = entry.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{entry!r} is not host:port")
    return host, int(port)


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
