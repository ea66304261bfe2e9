"""Iterating over pages: one request message, its page_token moved on until the last page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Protocol, Self, TypeVar


class PagedRequest(Protocol):
    """A request of a list."""

    page_token: str
    """Where to go on; empty for the first page."""

    def CopyFrom(self, other: Self, /) -> None:  # noqa: N802  # protobuf's name
        """Takes over another request."""


class PagedResponse(Protocol):
    """A response of a list."""

    next_page_token: str
    """Empty after the last page."""


Request = TypeVar("Request", bound=PagedRequest)
Response = TypeVar("Response", bound=PagedResponse)
Item = TypeVar("Item")


def pages(fetch: Callable[[Request], Response], request: Request) -> Iterator[Response]:
    """Yields the responses, each fetched when it is asked for."""
    page = type(request)()
    page.CopyFrom(request)
    while True:
        response = fetch(page)
        yield response
        if not response.next_page_token:
            return
        page.page_token = response.next_page_token


async def async_pages(fetch: Callable[[Request], Awaitable[Response]], request: Request) -> AsyncIterator[Response]:
    """Yields the responses, each fetched when it is asked for."""
    page = type(request)()
    page.CopyFrom(request)
    while True:
        response = await fetch(page)
        yield response
        if not response.next_page_token:
            return
        page.page_token = response.next_page_token


def items(
    fetch: Callable[[Request], Response], request: Request, content: Callable[[Response], Iterable[Item]]
) -> Iterator[Item]:
    """Yields the items of all pages; a page is fetched when its first item is asked for."""
    for response in pages(fetch, request):
        yield from content(response)


async def async_items(
    fetch: Callable[[Request], Awaitable[Response]], request: Request, content: Callable[[Response], Iterable[Item]]
) -> AsyncIterator[Item]:
    """Yields the items of all pages; a page is fetched when its first item is asked for."""
    async for response in async_pages(fetch, request):
        for item in content(response):
            yield item
