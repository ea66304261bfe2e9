"""Jobs in Postgres: made once for each request_id, read, listed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from dataflow_mesh.postgres import Connection

from dataflow_validator.errors import JobNotFoundError, RequestIdReusedError
from dataflow_validator.jobs.kind import Json
from dataflow_validator.statements import statements

CHANNEL = "dataflow_jobs"
"""Notified when there may be work."""

STATES = ("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
FINAL_STATES = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job as it stands in Postgres.

    Attributes:
        job_id: Unique.
        kind: What it does.
        state: One of `STATES`.
        request: What was asked for.
        created_by: Who asked.
        dry_run: It changes nothing.
        rate: Items per second at most; `None` for no limit.
        result: What came of it; while it runs and where it was cancelled or failed: up to here; `None` if nothing yet.
        error: {"reason", "message", "metadata"} of a failed one.
        cancel_requested: Somebody wants it to end.
        done: How much of `total` is done.
        total: How much there is; `None` if unknown.
        parts: Parts; 0 before it was planned.
        running: Parts that a worker holds now.
        create_time: When it was made.
        start_time: When a worker first took it.
        end_time: When it ended.
        update_time: When it last changed.
    """

    job_id: UUID
    kind: str
    state: str
    request: Json
    created_by: str
    dry_run: bool
    rate: float | None
    result: Json | None
    error: Json | None
    cancel_requested: bool
    done: int
    total: int | None
    parts: int
    running: int
    create_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    update_time: datetime

    @property
    def ended(self) -> bool:
        """Whether nobody works on it any more."""
        return self.state in FINAL_STATES


async def create_job(
    connection: Connection,
    kind: str,
    request: Json,
    *,
    request_id: str,
    created_by: str,
    dry_run: bool = False,
    rate: float | None = None,
) -> JobRecord:
    """Makes a job; workers begin when the transaction commits.

    Args:
        connection: May be in a transaction of the caller's, with which the job then appears or does not.
        kind: A name of `jobs/kinds.py`.
        request: All that the kind needs: what a worker elsewhere, tomorrow, goes on by.
        request_id: The same one with the same contents is the same job; empty for none.
        created_by: The caller's access identity.
        dry_run: The job changes nothing.
        rate: Items per second at most.

    Raises:
        RequestIdReusedError: The request_id made another job.
    """
    written = json.dumps(request, sort_keys=True)
    digest = hashlib.sha256(json.dumps([kind, written, dry_run, rate]).encode()).digest()
    sql = statements("jobs")
    async with connection.transaction():
        job_id = await connection.fetchval(
            sql["insert_job"], kind, written, request_id or None, digest, created_by, dry_run, rate
        )
        if job_id is None:
            made = await connection.fetchrow(sql["job_by_request"], request_id)
            if made is None or not hmac.compare_digest(made["request_digest"], digest):
                raise RequestIdReusedError(metadata={"request_id": request_id})
            job_id = made["job_id"]
        return await get_job(connection, job_id)


async def get_job(connection: Connection, job_id: UUID) -> JobRecord:
    """Reads a job.

    Raises:
        JobNotFoundError: There is none of that id.
    """
    row = await connection.fetchrow(statements("jobs")["job"], job_id)
    if row is None:
        raise JobNotFoundError(f"there is no job of id '{job_id}'", metadata={"job_id": str(job_id)})
    return record_of(row)


async def list_jobs(
    connection: Connection,
    *,
    kinds: Sequence[str] = (),
    states: Sequence[str] = (),
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[JobRecord]:
    """Reads jobs, the newest first.

    Args:
        connection: Any connection.
        kinds: Any of these; empty for all.
        states: Any of these; empty for all.
        before: create_time and job_id of the last one of the page before.
        limit: At most so many.
    """
    rows = await connection.fetch(
        statements("jobs")["jobs"], list(kinds), list(states), *(before or (None, None)), limit
    )
    return [record_of(row) for row in rows]


def record_of(row: asyncpg.Record) -> JobRecord:
    """Makes the record of a row of the statements `job` and `jobs`."""
    return JobRecord(
        job_id=row["job_id"],
        kind=row["kind"],
        state=row["state"],
        request=json.loads(row["request"]),
        created_by=row["created_by"],
        dry_run=row["dry_run"],
        rate=row["rate"],
        result=None if row["result"] is None else json.loads(row["result"]),
        error=None if row["error"] is None else json.loads(row["error"]),
        cancel_requested=row["cancel_requested"],
        done=row["done"],
        total=row["total"],
        parts=row["parts"],
        running=row["running"],
        create_time=row["create_time"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        update_time=row["update_time"],
    )
