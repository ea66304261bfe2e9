"""The HTTP connection below the provider's client: no redirects, a bound on bytes, and a way to close for certain.

The provider's client nests five async generators over the response. Whoever leaves the outer one early closes the
inner ones when they are collected, not at once; and it reads a line of any length into memory. Both are settled here.
"""

from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Final

import httpx2

_RESPONSES: Final[ContextVar["Responses | None"]] = ContextVar("responses", default=None)


class TooManyBytesError(Exception):
    """The response is longer than a call may take."""


class EncodedError(Exception):
    """The response is compressed, which was not asked for and would void the bound on bytes."""


class Responses:
    """The responses that a call opened; `with` makes it the one of the running task.

    Args:
        max_bytes: Of one response.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._open: list[_Bounded] = []

    def __enter__(self) -> None:
        self._token = _RESPONSES.set(self)

    def __exit__(self, *exc_info: object) -> None:
        _RESPONSES.reset(self._token)

    def bound(self, response: httpx2.Response) -> None:
        """Puts the bound on a response that has begun."""
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        stream = _Bounded(response.stream, self.max_bytes)
        self._open.append(stream)
        response.stream = stream

    async def aclose(self) -> None:
        """Closes what is still open."""
        while self._open:
            await self._open.pop().aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._left -= len(part)
            if self._left < 0:
                raise TooManyBytesError
            yield part

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._stream.aclose()


async def _watch(response: httpx2.Response) -> None:
    responses = _RESPONSES.get()
    assert responses is not None, "every call is made within Responses"
    responses.bound(response)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise EncodedError


def http_client(connections: int) -> httpx2.AsyncClient:
    """Returns a client for calls made within `Responses`; who opens it closes it.

    It follows no redirect: the key is a header of its own, which a redirect would carry to another host.

    Args:
        connections: Most at a time.
    """
    return httpx2.AsyncClient(
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=4),
        event_hooks={"response": [_watch]},
    )
