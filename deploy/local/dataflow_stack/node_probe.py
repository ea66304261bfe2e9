"""Asks one Redis node how it is, over a connection that stays: a new one for each question costs it more than the answer."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

_SECONDS: Final = 2.0


class _AnswerError(Exception):
    """The node refuses, or says something else than Redis does."""


@dataclass(frozen=True, slots=True)
class NodeFill:
    """What waits on a node.

    Attributes:
        depth: First copies of batches.
        used_bytes: Memory.
        limit_bytes: Its limit; 0: none.
    """

    depth: int
    used_bytes: int
    limit_bytes: int

    @property
    def share(self) -> float:
        """How much of its memory is used, 0 to 1."""
        return self.used_bytes / self.limit_bytes if self.limit_bytes else 0.0


class NodeProbe:
    """One node, asked again and again; one question at a time.

    Args:
        port: On 127.0.0.1.
        password: Of the node.
    """

    def __init__(self, port: int, password: str) -> None:
        self._port = port
        self._password = password
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def serves(self) -> bool:
        """Returns whether the node answers PING and has loaded its data."""
        return await self._ask(b"PING") == [b"PONG"]

    async def fill(self) -> NodeFill | None:
        """Returns what waits on the node, None when it does not answer."""
        answers = await self._ask(b"XLEN dataflow:batches", b"INFO memory")
        if answers is None:
            return None
        depth, text = answers
        numbers = {
            name: value for name, _, value in (line.partition(b":") for line in text.split(b"\r\n")) if value.isdigit()
        }
        return NodeFill(int(depth), int(numbers.get(b"used_memory", 0)), int(numbers.get(b"maxmemory", 0)))

    async def _ask(self, *commands: bytes) -> list[bytes] | None:
        """Returns an answer to each command, None when there is not one to each."""
        try:
            async with asyncio.timeout(_SECONDS), self._turn:
                reader, writer = self._streams or await self._open()
                writer.write(b"".join(command + b"\r\n" for command in commands))
                return [await _read(reader) for _ in commands]
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, _AnswerError):
            self.close()
            return None
        except asyncio.CancelledError:
            self.close()  # the answer may come yet, and belongs to nobody
            raise

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"AUTH " + self._password.encode() + b"\r\n")
        await _read(reader)
        return self._streams

    def close(self) -> None:
        """Closes the connection; the next question opens another one."""
        if self._streams is not None:
            with contextlib.suppress(OSError):
                self._streams[1].close()
        self._streams = None


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Reads one answer that is no list.

    Raises:
        _AnswerError: It is an error, or there is none.
    """
    line = (await reader.readuntil(b"\r\n"))[:-2]
    kind, rest = line[:1], line[1:]
    if kind in {b"+", b":"}:
        return rest
    if kind == b"$":
        return (await reader.readexactly(int(rest) + 2))[:-2]
    raise _AnswerError(line)
