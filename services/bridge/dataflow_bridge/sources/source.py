"""What a broker source is: its address, its sessions' names, its subscriptions. Pure values, no I/O."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

DEFAULT_SLOTS: Final = 1
MAX_SLOTS: Final = 64
SUBSCRIBED_QOS: Final = 1
"""The highest QoS that is asked for, see ADR 9."""
_MAX_FILTER_BYTES: Final = 1024
_GROUP: Final = re.compile(r"[^/+#\0]{1,64}")
_SCHEMES: Final = {"mqtt": 1883, "mqtts": 8883}


class Protocol(enum.StrEnum):
    """Version of MQTT that is spoken with the broker."""

    MQTT_5 = "5"
    MQTT_3_1_1 = "3.1.1"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker listens."""

    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `mqtt://host[:port]` or `mqtts://host[:port]`.

        Raises:
            ValueError: It is neither, or carries credentials, which belong into their own fields.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            message = "begins with neither mqtt:// nor mqtts://"
            raise ValueError(message)
        if parts.username is not None or parts.password is not None:
            message = "credentials do not belong into the URL: give username and password"
            raise ValueError(message)
        if not parts.hostname or parts.path not in {"", "/"} or parts.query or parts.fragment:
            message = "is not mqtt://host:port"
            raise ValueError(message)
        port = parts.port  # raises ValueError out of range
        return cls(parts.hostname, port or _SCHEMES[parts.scheme], parts.scheme == "mqtts")


@dataclass(frozen=True, slots=True)
class Source:
    """One broker source, as it stands in Postgres."""

    name: str
    """Stands in every message as its source."""
    source_id: UUID
    version: int
    """Raised by every change: the etag."""
    url: str
    filters: tuple[str, ...]
    share_group: str
    slots: int
    """Wanted number of sessions."""
    qos: int
    """As asked for; see `subscribed_qos`."""
    protocol: Protocol
    username: str = ""
    password: str = field(default="", repr=False)
    ca_pem: str = field(default="", repr=False)
    client_certificate_pem: str = field(default="", repr=False)
    client_key_pem: str = field(default="", repr=False)
    server_name: str = ""

    @property
    def address(self) -> Address:
        """Where the broker listens."""
        return Address.parse(self.url)

    @property
    def subscribed_qos(self) -> int:
        """The QoS of the subscriptions: QoS 2 would be acknowledged before the ring has the message."""
        return min(self.qos, SUBSCRIBED_QOS)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The topic filters as they are subscribed to: shared among the source's sessions."""
        return tuple(f"$share/{self.share_group}/{filter_}" for filter_ in self.filters)

    def client_id(self, slot: int) -> str:
        """Return the client id of a slot: the name of its session, whoever reads it."""
        return f"dataflow-{self.name}-{self.source_id.hex[:8]}-{slot}"


def default_group(name: str, source_id: UUID) -> str:
    """Return the share group of a source that names none: its own, so that nobody else takes part of its messages."""
    return f"dataflow-{name}-{source_id.hex[:8]}"


def problems(
    *,
    url: str,
    filters: tuple[str, ...],
    share_group: str,
    qos: int,
    has_certificate: bool,
    has_key: bool,
    has_ca: bool,
) -> list[tuple[str, str]]:
    """Return what is wrong with a source that somebody wants: pairs of field and sentence."""
    found: list[tuple[str, str]] = []
    tls = False
    try:
        tls = Address.parse(url).tls
    except ValueError as error:
        found.append(("url", str(error)))
    else:
        if not tls and (has_certificate or has_ca):
            found.append(("url", "certificates need mqtts://"))
    found += [(f"filters[{index}]", problem) for index, f in enumerate(filters) if (problem := _filter_problem(f))]
    if len(set(filters)) != len(filters):
        found.append(("filters", "names a filter twice"))
    if share_group and not _GROUP.fullmatch(share_group):
        found.append(("share_group", "is empty, longer than 64 characters, or holds /, + or #"))
    if not 0 <= qos <= 2:
        found.append(("qos", "is not 0, 1 or 2"))
    if has_certificate is not has_key:
        found.append(("tls", "a client certificate and its key go together"))
    return found


def _filter_problem(filter_: str) -> str | None:
    if not filter_ or "\0" in filter_ or len(filter_.encode()) > _MAX_FILTER_BYTES:
        return f"is empty, longer than {_MAX_FILTER_BYTES} bytes or holds NUL"
    if filter_.startswith("$share/"):
        return "$share is added by the bridge: give the filter behind it, and share_group"
    if filter_.startswith("$"):
        return "topics that begin with $ belong to the broker"
    levels = filter_.split("/")
    if any("#" in level and (level != "#" or index != len(levels) - 1) for index, level in enumerate(levels)):
        return "# is only allowed as the whole last level"
    if any("+" in level and level != "+" for level in levels):
        return "+ is only allowed as a whole level"
    return None
