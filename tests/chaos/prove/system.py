"""All that a campaign can break."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dataflow_client import AsyncClient

from tests.chaos.prove.broker import Broker, Source
from tests.chaos.prove.membership import Members
from tests.chaos.prove.nodes import ExtraNode
from tests.chaos.prove.processes import Processes
from tests.chaos.prove.proxy import Proxy


@dataclass(frozen=True, slots=True)
class Brokered:
    """A broker, the source that reads it, and the proxy through which it is published to."""

    broker: Broker
    source: Source
    publishers: Proxy


@dataclass(slots=True, kw_only=True)
class System:
    """All that can be broken."""

    data_dir: Path
    dsn: str
    client: AsyncClient
    processes: Processes
    stack_nodes: Mapping[str, str]
    """URLs of the nodes that the stack runs, by name."""
    extra: list[ExtraNode]
    """Nodes of the campaign's own that stay: the first one is behind a proxy, one may have a small disk."""
    members: Members | None
    """Comes and goes; None: nodes stay as they are."""
    clients: Proxy
    """Between some of the clients and the listener."""
    brokered: Brokered | None
    """None: no broker here."""
    wiping: asyncio.Lock = field(default_factory=asyncio.Lock)
    safe_after: float = 0.0
    """Milliseconds since the epoch: batches that are older may have lost one of their copies."""

    def node_urls(self) -> dict[str, str]:
        """Returns every node that is a member now, by name; without the proxy."""
        urls = dict(self.stack_nodes) | {node.name: node.server.url for node in self.extra}
        return urls | (self.members.urls if self.members else {})
