"""One connection to one ring node, the only file that imports redis.

A reply that comes after its caller has given up must never answer the next command, so a connection whose command
failed, timed out or was cancelled is closed, and the next command opens a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Self, TypeAlias, cast
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio.connection import Connection, parse_url
from redis.exceptions import RedisError, ResponseError

from dataflow_ring import keys

Reply: TypeAlias = Any
Argument: TypeAlias = bytes | str | int

__all__ = [
    "Argument",
    "DurabilityError",
    "IncarnationError",
    "NodeConnection",
    "NodeFullError",
    "NodeUnreachableError",
    "Reply",
    "ReplyError",
    "is_weak",
    "redact",
]


class NodeUnreachableError(ConnectionError):
    """The node does not answer in time."""


class IncarnationError(NodeUnreachableError):
    """The node at this address is not the one that was admitted: it lost its data, or is another one."""


class DurabilityError(NodeUnreachableError):
    """The node was admitted as durable and is not any more: it would lose what it takes when its power fails."""


class ReplyError(Exception):
    """The node answered with an error."""


class NodeFullError(ReplyError):
    """The node takes no more data: it is out of memory or disk, or is a read-only replica."""


def redact(url: str) -> str:
    """Return the URL of a node without its passwords, for people and logs."""
    parts = urlsplit(url)
    query = "&".join(
        f"{name}=***" if "password" in name.lower() else part
        for part in parts.query.split("&")
        for name in [part.partition("=")[0]]
    )
    netloc = parts.netloc
    if parts.password is not None:
        netloc = f"{parts.username or ''}:***@{netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, query=query))


_FULL = ("OOM", "MISCONF", "READONLY")


def _reply_error(error: ResponseError) -> ReplyError:
    text = str(error)
    # redis-py strips the code of some errors and turns it into a class: both are looked at.
    if text.startswith(_FULL) or type(error).__name__ in {"OutOfMemoryError", "ReadOnlyError"}:
        return NodeFullError(text)
    return ReplyError(f"{type(error).__name__}: {text}")


def is_weak(settings: Reply) -> bool:
    """Return whether the reply to `CONFIG GET append*` shows a node that confirms what it has not on disk."""
    if isinstance(settings, ReplyError):  # managed servers forbid it: unverified, not weak
        return False
    values = {bytes(k): bytes(v) for k, v in zip(settings[::2], settings[1::2], strict=True)}
    return (values.get(b"appendonly"), values.get(b"appendfsync")) != (b"yes", b"always")


class NodeConnection:
    """A connection that is opened by its first command and again after each failure.

    Commands of one connection wait for each other. `incarnation`, when given, is compared each time it is opened, and
    with `durable` the node's appendfsync is looked at, too: a restart may have changed it.
    """

    def __init__(
        self,
        url: str,
        *,
        incarnation: str | None = None,
        durable: bool = False,
        timeout_seconds: float = 1.0,
    ) -> None:
        self.url = url
        self._incarnation = incarnation
        self._durable = durable
        self._timeout_seconds = timeout_seconds
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def is_open(self) -> bool:
        """Whether the next command needs no handshake."""
        return self._connection is not None

    async def close(self) -> None:
        """Close now; the next command would open it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def call(self, *command: Argument, timeout_seconds: float | None = None) -> Reply:
        """Send one command and return its reply.

        Raises:
            NodeUnreachableError: No reply in time, or the connection broke. Whether the command ran is unknown.
            IncarnationError: Another node than the one that was admitted.
            ReplyError: The node refused the command; NodeFullError when it is out of space.
        """
        replies = await self.pipeline([command], timeout_seconds=timeout_seconds)
        if isinstance(replies[0], ReplyError):
            raise replies[0]
        return replies[0]

    async def pipeline(
        self, commands: Sequence[Sequence[Argument]], *, timeout_seconds: float | None = None
    ) -> list[Reply]:
        """Send commands together and return their replies in order; a refused one stands there as its ReplyError.

        Raises:
            NodeUnreachableError: As `call`; some commands may have run.
        """
        limit = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        try:
            async with asyncio.timeout(limit), self._lock:
                if self._connection is None:
                    await self._open()
                return await self._exchange(cast("Connection", self._connection), commands)
        except TimeoutError as error:
            raise NodeUnreachableError(f"{redact(self.url)} did not answer within {limit:g} s") from error

    async def _open(self) -> None:
        try:
            arguments: dict[str, Any] = dict(parse_url(self.url))
            connection_class: type[Connection] = arguments.pop("connection_class", Connection)
            connection = connection_class(
                **(arguments | {"protocol": 2, "socket_timeout": None, "retry_on_error": [], "driver_info": None})
            )
        except (TypeError, ValueError, RedisError) as error:
            raise NodeUnreachableError(f"{redact(self.url)}: not the URL of a server: {error}") from error
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            raise NodeUnreachableError(f"{redact(self.url)}: {error}") from error
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection
        if self._incarnation is not None:
            (found,) = await self._exchange(connection, [(b"GET", keys.INCARNATION)])
            if found != self._incarnation.encode():
                await self.close()
                raise IncarnationError(
                    f"{redact(self.url)} is not the node that was admitted (incarnation {found!r}): "
                    "it lost its data or is another server; remove the node and add it again"
                )
        if self._durable:
            (settings,) = await self._exchange(connection, [(b"CONFIG", b"GET", b"append*")])
            if is_weak(settings):
                await self.close()
                raise DurabilityError(
                    f"{redact(self.url)} does not run with --appendonly yes --appendfsync always any more"
                )

    async def _exchange(self, connection: Connection, commands: Sequence[Sequence[Argument]]) -> list[Reply]:
        try:
            await connection.send_packed_command(
                connection.pack_commands(commands) if len(commands) > 1 else connection.pack_command(*commands[0]),
                check_health=False,
            )
            replies: list[Reply] = []
            for _ in commands:
                try:
                    replies.append(await connection.read_response(disable_decoding=True))
                except ResponseError as error:
                    replies.append(_reply_error(error))
        except (RedisError, OSError) as error:
            await self.close()
            raise NodeUnreachableError(f"{redact(self.url)}: {error}") from error
        except BaseException:
            # Cancelled or timed out between command and reply: what comes later belongs to nobody.
            await self.close()
            raise
        return replies
