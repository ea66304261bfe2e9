"""The ring's nodes: those of the stack, and further ones that the campaign starts, admits, breaks and removes itself."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dataflow_client import AsyncClient, DataflowError
from dataflow_client.errors import NodeExistsError
from dataflow_mesh.testing import RedisServer
from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, ReplyError

from tests.chaos.prove.proxy import Proxy

_ADMIN_SECONDS: Final = 120.0
"""How long an administrator repeats a call that was answered by nobody."""
_BACKLOG_SECONDS: Final = 1_800.0
_RETRY_SECONDS: Final = 0.5
_DISK_MEGABYTES: Final = 96


@dataclass(slots=True)
class ExtraNode:
    """A node of the campaign's own."""

    name: str
    server: RedisServer
    proxy: Proxy | None = None
    """Between it and the services."""
    small_disk: bool = False
    state: str = "ACTIVE"
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever breaks it."""

    @property
    def url(self) -> str:
        """The address under which it is a member."""
        return f"redis://127.0.0.1:{self.proxy.port}" if self.proxy else self.server.url


@asynccontextmanager
async def extra_node(name: str, *, behind_proxy: bool = False, small_disk: bool = False) -> AsyncIterator[ExtraNode]:
    """Runs a Redis server for the length of the context; it is no member yet.

    Args:
        name: Of the node.
        behind_proxy: Whether services shall reach it through a proxy only.
        small_disk: Whether its data lie on a file system of their own with little room (needs root on Linux).
    """
    async with AsyncExitStack() as stack:
        # Rewritten early where there is little room, which is also worth doing while data flow.
        server = RedisServer({"auto-aof-rewrite-min-size": "16mb"} if small_disk else None)
        stack.callback(server.close)
        if small_disk:
            await asyncio.to_thread(_mount, server.directory, f"{_DISK_MEGABYTES}m")
            stack.callback(subprocess.run, ["umount", "--lazy", str(server.directory)], check=False)
            stack.callback(server.stop)
        await asyncio.to_thread(server.start)
        proxy = await stack.enter_async_context(Proxy("127.0.0.1", server.port)) if behind_proxy else None
        yield ExtraNode(name, server, proxy, small_disk)


def can_mount() -> bool:
    """Returns whether a small file system can be mounted here."""
    if shutil.which("mount") is None:
        return False
    server = RedisServer()
    try:
        _mount(server.directory, "1m")
        subprocess.run(["umount", str(server.directory)], check=True)
    except subprocess.CalledProcessError:
        return False
    else:
        return True
    finally:
        server.close()


def _mount(directory: Path, size: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)]
    subprocess.run(command, check=True, capture_output=True)


async def admit(client: AsyncClient, name: str, url: str) -> None:
    """Makes a server a member, however long that takes within two minutes.

    Raises:
        DataflowError: It may not join, or nobody answered.
    """
    deadline = asyncio.get_running_loop().time() + _ADMIN_SECONDS
    while True:
        try:
            await client.ring.add_node(name, url)
        except NodeExistsError:
            return  # an answer that got lost
        except DataflowError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


async def held(url: str) -> str:
    """Returns what a node holds, in words; empty for nothing."""
    try:
        async with NodeConnection(url, timeout_seconds=3.0) as connection:
            batches, copies, pending = await connection.pipeline(
                [(b"XLEN", keys.BATCHES), (b"XLEN", keys.COPIES), (b"XPENDING", keys.BATCHES, keys.GROUP)]
            )
    except NodeUnreachableError as error:
        return str(error)
    if isinstance(pending, ReplyError):
        return str(pending)
    counts = {"batches": batches, "copies": copies, "pending": pending[0]}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


async def oldest_milliseconds(url: str) -> float:
    """Returns when the oldest batch on a node was put there, by the node's clock; infinity where it holds none.

    Raises:
        NodeUnreachableError: It does not answer.
    """
    async with NodeConnection(url, timeout_seconds=3.0) as connection:
        replies = await connection.pipeline(
            [(b"XRANGE", stream, b"-", b"+", b"COUNT", b"1") for stream in (keys.BATCHES, keys.COPIES)]
        )
    found = [
        float(bytes(reply[0][0]).split(b"-")[0]) for reply in replies if reply and not isinstance(reply, ReplyError)
    ]
    return min(found, default=float("inf"))


async def until_empty(nodes: Mapping[str, str], seconds: float) -> dict[str, str]:
    """Waits until no node holds a batch; returns what is left where that does not come true.

    Args:
        nodes: URLs by name.
        seconds: How long nothing may change meanwhile; a backlog that shrinks is waited for.
    """
    loop = asyncio.get_running_loop()
    before: dict[str, str] = {}
    began = since = loop.time()
    while True:
        left = {name: what for name, url in nodes.items() if (what := await held(url))}
        if left != before:
            before, since = left, loop.time()
        if not left or loop.time() > min(since + seconds, began + _BACKLOG_SECONDS):
            return left
        await asyncio.sleep(0.3)


async def set_memory_limit(url: str, limit_bytes: int | None) -> int:
    """Sets how much memory a node may use; None: what it uses now. Returns the limit of before.

    Raises:
        NodeUnreachableError, ReplyError: It did not work.
    """
    async with NodeConnection(url, timeout_seconds=3.0) as connection:
        before = int((await connection.call(b"CONFIG", b"GET", b"maxmemory"))[1])
        if limit_bytes is None:
            info = bytes(await connection.call(b"INFO", b"memory")).decode()
            limit_bytes = next(int(line[12:]) for line in info.splitlines() if line.startswith("used_memory:"))
        await connection.call(b"CONFIG", b"SET", b"maxmemory", str(limit_bytes))
    return before


async def fill_disk(node: ExtraNode, seconds: float) -> None:
    """Leaves no room on the node's small file system for some time; starts the node again if it died of that."""
    filler = node.server.directory / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(512))
        await asyncio.sleep(seconds)
    finally:
        filler.unlink(missing_ok=True)
