"""A local server that speaks Gemini's wire format (`:streamGenerateContent?alt=sse`) by a script, well or badly.

The engine's tests drive the provider's real client against it. It records every request, and counts the responses that are
under way, so that a test can see a cancelled one end on the server's side.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

KEY = "AIza-test-key-that-must-not-be-seen"
"""What the tests give as the key."""


@dataclass(frozen=True)
class Stall:
    """Sends nothing until the client goes away."""


@dataclass(frozen=True)
class Cut:
    """Ends the connection in the middle of the response."""


@dataclass(frozen=True)
class Forever:
    """Sends the same bytes again and again until the client goes away."""

    piece: bytes


Piece = bytes | Stall | Cut | Forever


@dataclass(frozen=True)
class Reply:
    """One response.

    Attributes:
        pieces: Sent one after the other.
        status: Of HTTP.
        headers: Beside the usual ones.
    """

    pieces: Sequence[Piece] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refuse:
    """Closes the connection without any response."""


Script = Callable[[dict[str, Any]], Reply | Refuse]
"""Makes the reply to a request from its body."""


@dataclass
class Seen:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


def text(*words: str) -> dict[str, Any]:
    """Returns parts with words."""
    return {"parts": [{"text": word} for word in words]}


def calls(*arguments: dict[str, Any], name: str = "compute_plan", signature: str = "c2lnbmF0dXJl") -> dict[str, Any]:
    """Returns parts with calls of a tool; as at Gemini, the first one is signed."""
    parts: list[dict[str, Any]] = [
        {"functionCall": {"id": f"call-{number}", "name": name, "args": entry}}
        for number, entry in enumerate(arguments)
    ]
    parts[0]["thoughtSignature"] = signature
    return {"parts": parts}


def decline(reason: str, words: str) -> dict[str, Any]:
    """Returns parts with a call of `decline`."""
    return calls({"reason": reason, "text": words}, name="decline")


def event(content: dict[str, Any] | None, stop: str | None = None, **more: Any) -> bytes:
    """Returns one event of the stream."""
    candidate: dict[str, Any] = {"index": 0}
    if content is not None:
        candidate["content"] = {"role": "model", **content}
    if stop is not None:
        candidate["finishReason"] = stop
    return sse({"candidates": [candidate], "modelVersion": "gemini-test", "responseId": "r-1", **more})


def sse(value: object) -> bytes:
    """Returns a value as an event."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\r\n\r\n"


USAGE = {"promptTokenCount": 900, "cachedContentTokenCount": 100, "candidatesTokenCount": 40, "thoughtsTokenCount": 60, "totalTokenCount": 1000}  # fmt: skip
"""What each good turn says that it took."""


def turn(*contents: dict[str, Any], stop: str = "STOP") -> Reply:
    """Returns a good turn: an event for each content, the last one with the reason and the usage."""
    last = len(contents) - 1
    return Reply(
        [
            event(content, stop if number == last else None, **({"usageMetadata": USAGE} if number == last else {}))
            for number, content in enumerate(contents)
        ]
    )


def error(code: int, status: str, message: str = "Something is wrong.", *details: dict[str, Any]) -> dict[str, Any]:
    """Returns the body of an error, in the shape that Google's have."""
    body: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        body["details"] = list(details)
    return {"error": body}


def refusal(code: int, status: str, *details: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
    """Returns an error response."""
    body = json.dumps(error(code, status, "Something is wrong.", *details), indent=2).encode()
    return Reply([body], code, {"content-type": "application/json; charset=UTF-8", **(headers or {})})


BAD_KEY = Reply(
    [
        json.dumps(
            error(
                400,
                "INVALID_ARGUMENT",
                f"API key not valid. Please pass a valid API key. {KEY}",
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                    "metadata": {"service": "generativelanguage.googleapis.com"},
                },
                {
                    "@type": "type.googleapis.com/google.rpc.LocalizedMessage",
                    "locale": "en-US",
                    "message": "API key not valid. Please pass a valid API key.",
                },
            ),
            indent=2,
        ).encode()
    ],
    400,
    {"content-type": "application/json; charset=UTF-8"},
)
"""What Gemini answers to a wrong key; here it even repeats the key."""


def retry_info(delay: str) -> dict[str, Any]:
    """Returns the detail that asks to wait."""
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


class GeminiServer:
    """Plays its script: one entry for each request, the last one again and again.

    Attributes:
        seen: The requests, in order.
        open: Responses that are under way.
        most_open: The most at a time.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.open = 0
        self.most_open = 0
        self.url = ""
        self._script: list[Script] = []
        self._changed = asyncio.Condition()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def play(self, *entries: Reply | Refuse | Script) -> None:
        """Sets the script and forgets what was seen."""
        self.seen.clear()
        self._script = [entry if callable(entry) else _always(entry) for entry in entries]

    async def idle(self) -> None:
        """Waits until no response is under way."""
        await self._until(lambda: self.open == 0)

    async def left(self) -> None:
        """Waits until no client has a connection."""
        await self._until(lambda: not self._connections)

    async def asked(self, count: int) -> None:
        """Waits until so many requests have come."""
        await self._until(lambda: len(self.seen) >= count)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(holds)

    async def _note(self, opened: int) -> None:
        async with self._changed:
            self.open += opened
            self.most_open = max(self.most_open, self.open)
            self._changed.notify_all()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            del self._connections[task]
            await self._note(0)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Takes one request; returns whether another one may follow on the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.seen.append(Seen(head[0].split(" ")[1], headers, json.loads(body or b"{}")))
        reply = self._script[min(len(self.seen), len(self._script)) - 1](self.seen[-1].body)
        if isinstance(reply, Refuse):
            await self._note(0)
            return False
        await self._note(1)
        try:
            sending = asyncio.create_task(_send(reply, writer))
            gone = asyncio.create_task(reader.read(1))
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            whole = sending.done() and not sending.cancelled() and sending.exception() is None and sending.result()
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
        finally:
            await self._note(-1)
        return bool(whole)

    async def stop(self) -> None:
        """Ends what is under way."""
        connections = dict(self._connections)
        for writer in connections.values():
            writer.transport.abort()
        await asyncio.gather(*connections)


def _always(entry: Reply | Refuse) -> Script:
    return lambda _: entry


async def _send(reply: Reply, writer: asyncio.StreamWriter) -> bool:
    """Sends a response in chunks; returns whether it was whole."""
    headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    for piece in reply.pieces:
        await writer.drain()
        match piece:
            case Stall():
                await asyncio.Event().wait()
            case Cut():
                return False
            case Forever():
                while True:
                    _chunk(writer, piece.piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            case bytes():
                _chunk(writer, piece)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


@asynccontextmanager
async def gemini_server() -> AsyncIterator[GeminiServer]:
    """Runs a server on a free port for the length of the context."""
    fake = GeminiServer()
    server = await asyncio.start_server(fake.handle, "127.0.0.1", 0, limit=4 << 20)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        await fake.stop()
        await server.wait_closed()


def strings_in(value: object) -> Iterable[str]:
    """Yields every text within a request's body."""
    match value:
        case str():
            yield value
        case dict():
            for name, entry in value.items():
                yield name
                yield from strings_in(entry)
        case list():
            for entry in value:
                yield from strings_in(entry)
