"""Summaries in Postgres: written once, read newest first, the oldest dropped beyond a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from dataflow.insight.v1 import summary_pb2
from dataflow_mesh.postgres import Pool

from dataflow_insight.summaries.errors import RequestIdReusedError, SummaryNotFoundError

MAX_KEPT: Final = 10_000
"""Most summaries that are kept."""

_ADD: Final = """
INSERT INTO insight.summary (contract, creator, request_id, request_digest, body, evidence)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (creator, request_id) WHERE request_id IS NOT NULL DO NOTHING
RETURNING summary_id, number, create_time, creator, body, evidence, request_digest
"""

_TRIM: Final = """
DELETE FROM insight.summary
WHERE number <= (SELECT number FROM insight.summary ORDER BY number DESC OFFSET $1 LIMIT 1)
"""

_REQUESTED: Final = """
SELECT summary_id, number, create_time, creator, body, evidence, request_digest FROM insight.summary
WHERE creator = $1 AND request_id = $2
"""

_GET: Final = """
SELECT summary_id, number, create_time, creator, body, evidence FROM insight.summary WHERE summary_id = $1
"""

_LIST: Final = """
SELECT summary_id, number, create_time, creator, body, ''::bytea AS evidence FROM insight.summary
WHERE ($1 = '' OR contract = $1) AND ($2::bigint IS NULL OR number < $2) ORDER BY number DESC LIMIT $3
"""

_DELETE: Final = "DELETE FROM insight.summary WHERE summary_id = $1 RETURNING true"


@dataclass(frozen=True, slots=True)
class Kept:
    """A summary as it is kept.

    Attributes:
        number: Its place in the order of all summaries.
        summary: Whole; without results and bindings in lists.
    """

    number: int
    summary: summary_pb2.Summary


class SummaryStore:
    """Keeps summaries.

    Args:
        pool: Of the login that owns the schema `insight`.
        most: How many are kept.
    """

    def __init__(self, pool: Pool, *, most: int = MAX_KEPT) -> None:
        self._pool = pool
        self._most = most

    async def requested(self, creator: str, request_id: str, digest: bytes) -> Kept | None:
        """Returns what an earlier request of this id made.

        Raises:
            RequestIdReusedError: It was another request.
        """
        row = await self._pool.fetchrow(_REQUESTED, creator, request_id)
        return None if row is None else _same(row, digest, request_id)

    async def add(self, summary: summary_pb2.Summary, creator: str, request_id: str, digest: bytes) -> Kept:
        """Keeps a summary; where the same request has made one meanwhile, returns that.

        Args:
            summary: Without id, maker and time.
            creator: Who asked for it.
            request_id: Chosen by the caller; empty for none.
            digest: Of the request.

        Raises:
            RequestIdReusedError: The id belongs to another request.
        """
        body, evidence = _parts(summary)
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_ADD, summary.contract, creator, request_id or None, digest, body, evidence)
            if row is not None:
                await connection.execute(_TRIM, self._most)
                return _kept(row)
            row = await connection.fetchrow(_REQUESTED, creator, request_id)
        if row is None:
            raise SummaryNotFoundError
        return _same(row, digest, request_id)

    async def get(self, summary_id: UUID) -> Kept:
        """Returns a summary.

        Raises:
            SummaryNotFoundError: There is none of that id.
        """
        row = await self._pool.fetchrow(_GET, summary_id)
        if row is None:
            raise SummaryNotFoundError(metadata={"summary_id": str(summary_id)})
        return _kept(row)

    async def newest(self, contract: str, before: int | None, limit: int) -> Sequence[Kept]:
        """Returns summaries, newest first.

        Args:
            contract: Only of this; empty: of all.
            before: Only those before this number; `None`: from the newest.
            limit: How many at most.
        """
        return [_kept(row) for row in await self._pool.fetch(_LIST, contract, before, limit)]

    async def delete(self, summary_id: UUID) -> None:
        """Removes a summary.

        Raises:
            SummaryNotFoundError: There is none of that id.
        """
        if await self._pool.fetchval(_DELETE, summary_id) is None:
            raise SummaryNotFoundError(metadata={"summary_id": str(summary_id)})


def _parts(summary: summary_pb2.Summary) -> tuple[bytes, bytes]:
    """Returns the summary's bytes without its evidence, and those of its evidence."""
    body, evidence = summary_pb2.Summary(), summary_pb2.Summary()
    body.CopyFrom(summary)
    body.ClearField("results")
    body.ClearField("bindings")
    evidence.results.extend(summary.results)
    evidence.bindings.extend(summary.bindings)
    return body.SerializeToString(), evidence.SerializeToString()


def _same(row: Any, digest: bytes, request_id: str) -> Kept:
    if row["request_digest"] != digest:
        raise RequestIdReusedError(metadata={"request_id": request_id})
    return _kept(row)


def _kept(row: Any) -> Kept:
    # Two serialised messages one after the other are one message with the fields of both.
    summary = summary_pb2.Summary.FromString(row["body"] + row["evidence"])
    summary.summary_id, summary.creator = str(row["summary_id"]), row["creator"]
    summary.create_time.FromDatetime(row["create_time"])
    return Kept(row["number"], summary)
