"""A small TCP proxy, whose connections can be cut, slowed down, or swallowed without a word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

_CHUNK_BYTES: Final = 64 * 1024


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to one address, as long as it is let.

    Args:
        host: Where to.
        port: Where to.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._delay_seconds = 0.0
        self._flows = asyncio.Event()
        self._flows.set()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._open:
            await asyncio.wait(self._open, timeout=5)

    def cut(self) -> None:
        """Ends all connections with a reset; new ones are taken at once."""
        for task in self._open:
            task.cancel()

    async def slow(self, delay_seconds: float, seconds: float) -> None:
        """Holds every piece of data, in both directions, for a moment, for some time."""
        self._delay_seconds = delay_seconds
        try:
            await asyncio.sleep(seconds)
        finally:
            self._delay_seconds = 0.0

    async def swallow(self, seconds: float) -> None:
        """Is a black hole for some time: connections are taken and nothing passes; afterwards they are cut."""
        async with self.closed():
            await asyncio.sleep(seconds)

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Is a black hole for the length of the context."""
        self._flows.clear()
        try:
            yield
        finally:
            self.cut()
            self._flows.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        far: asyncio.StreamWriter | None = None
        try:
            await self._flows.wait()
            far_reader, far = await asyncio.open_connection(*self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far), name="proxy-there")
                group.create_task(self._pass_on(far_reader, writer), name="proxy-back")
        except* (OSError, asyncio.IncompleteReadError):
            pass  # the one side learns of it by the end of its own connection
        except* asyncio.CancelledError:
            pass  # cut: the server's task ends here, nobody waits for it
        finally:
            self._open.discard(task)
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        # One side has ended: so does the other, as with a socket that is closed.
        with contextlib.suppress(OSError):
            writer.close()
        raise ConnectionResetError
