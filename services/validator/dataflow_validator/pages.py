"""Pages of lists: as many rows as were asked for and as fit into one gRPC message, read in one short transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

import asyncpg
from dataflow_mesh.postgres import Connection, Pool
from google.protobuf.message import Message
from grpc.aio import ServicerContext

Context: TypeAlias = "ServicerContext[object, object]"
"""The context of an RPC."""

Row: TypeAlias = asyncpg.Record
"""A row of a result."""

MAX_PAGE_BYTES: Final = 3 * 1024 * 1024
"""Clients that nobody has configured take messages of 4 MiB. A single row may be longer: ours take 8 MiB."""

STATEMENT_TIMEOUT_MS: Final = 10_000
"""How long Postgres may work on one page."""

_PREFETCH: Final = 64
"""Rows in memory beside the page: one may hold a whole message of 1 MiB."""

M = TypeVar("M", bound=Message)
"""The message of one row."""


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Some rows of a list.

    Attributes:
        items: Their messages.
        last: The row of the last message; `None` on an empty page.
        more: Whether the list goes on after it.
    """

    items: list[M]
    last: Row | None
    more: bool


async def read_page(pool: Pool, sql: str, arguments: list[object], size: int, convert: Callable[[Row], M]) -> Page[M]:
    """Reads one page.

    Args:
        pool: Where to take a connection from.
        sql: A statement that gives up to `size + 1` rows in the order of the list.
        arguments: Its arguments.
        size: Most rows of the page.
        convert: Makes a row's message.

    Raises:
        asyncpg.QueryCanceledError: It took longer than `STATEMENT_TIMEOUT_MS`.
    """
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        return await fetch_page(connection, sql, arguments, size, convert)


async def fetch_page(
    connection: Connection, sql: str, arguments: list[object], size: int, convert: Callable[[Row], M]
) -> Page[M]:
    """Reads one page in the caller's transaction; otherwise as `read_page` does."""
    items: list[M] = []
    last: Row | None = None
    page_bytes = 0
    await connection.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
    async for row in connection.cursor(sql, *arguments, prefetch=_PREFETCH):
        if len(items) == size:
            return Page(items, last, more=True)
        item = convert(row)
        page_bytes += item.ByteSize()
        if items and page_bytes > MAX_PAGE_BYTES:
            return Page(items, last, more=True)
        items.append(item)
        last = row
    return Page(items, last, more=False)


def selection(request: M) -> M:
    """Returns a list request without page size and token: what a page token is bound to."""
    selected = type(request)()
    selected.CopyFrom(request)
    selected.ClearField("page_size")
    selected.ClearField("page_token")
    return selected


def storable(texts: list[str]) -> list[str]:
    """Returns the texts that Postgres can hold: nothing there equals one with a NUL."""
    return [text for text in texts if "\0" not in text]
