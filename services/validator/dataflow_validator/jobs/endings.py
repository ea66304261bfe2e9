"""How jobs end, are asked to, and are taken up again: the one place that writes a job's last state and its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from dataflow_mesh.postgres import Connection

from dataflow_validator.errors import JobStateError
from dataflow_validator.jobs.kind import JobFailedError, JobKind, Json
from dataflow_validator.jobs.records import JobRecord, get_job
from dataflow_validator.statements import statements


async def end_if_settled(connection: Connection, kinds: Mapping[str, JobKind], job_id: UUID) -> bool:
    """Ends a job that nobody works on and that must end: SUCCEEDED when all is done, CANCELLED when it was asked to.

    Returns:
        Whether it was ended now.
    """
    sql = statements("jobs")
    async with connection.transaction():
        parts = await connection.fetch(sql["lock_parts"], job_id)
        job = await connection.fetchrow(sql["lock_job"], job_id)
        if job is None or job["state"] not in {"QUEUED", "RUNNING"} or any(part["held"] for part in parts):
            return False
        complete = all(part["state"] == "SUCCEEDED" for part in parts)
        if not complete and not job["cancel_requested"]:
            return False
        await connection.execute(sql["free_parts"], job_id)
        result = _combine(kinds, job["kind"], job["request"], [part["result"] for part in parts if part["part"] >= 0])
        await connection.execute(sql["end_job"], job_id, "SUCCEEDED" if complete else "CANCELLED", result, None)
    return True


async def fail_job(
    connection: Connection, kinds: Mapping[str, JobKind], job_id: UUID, why: JobFailedError, *, epoch: tuple[int, int]
) -> bool:
    """Ends a job as FAILED, unless the part over which it fails has changed hands.

    Args:
        connection: Any connection.
        kinds: For the result of what was done.
        job_id: The job.
        why: The error.
        epoch: Part and epoch of whoever says so.

    Returns:
        Whether it was ended now.
    """
    sql = statements("jobs")
    async with connection.transaction():
        parts = await connection.fetch(sql["lock_parts"], job_id)
        held = await connection.fetchval(
            "SELECT epoch FROM validator.job_part WHERE job_id = $1 AND part = $2 AND state = 'RUNNING'",
            job_id,
            epoch[0],
        )
        job = await connection.fetchrow(sql["lock_job"], job_id)
        if job is None or job["state"] not in {"QUEUED", "RUNNING"} or held != epoch[1]:
            return False
        await connection.execute(sql["free_parts"], job_id)
        result = _combine(kinds, job["kind"], job["request"], [part["result"] for part in parts if part["part"] >= 0])
        error = json.dumps({"reason": why.reason, "message": why.message, "metadata": why.metadata})
        await connection.execute(sql["end_job"], job_id, "FAILED", result, error)
    return True


async def cancel_job(connection: Connection, kinds: Mapping[str, JobKind], job_id: UUID) -> JobRecord:
    """Asks a job to end at its next step; one that has ended stays as it is.

    Raises:
        JobNotFoundError: There is none of that id.
    """
    await connection.execute(statements("jobs")["request_cancel"], job_id)
    await end_if_settled(connection, kinds, job_id)
    return await get_job(connection, job_id)


async def resume_job(connection: Connection, job_id: UUID) -> JobRecord:
    """Has workers go on with a FAILED or CANCELLED job where it stood; one that is going on already stays as it is.

    Raises:
        JobNotFoundError: There is none of that id.
        JobStateError: It has succeeded, or is still about to end.
    """
    sql = statements("jobs")
    async with connection.transaction():
        await connection.fetch(sql["lock_parts"], job_id)
        job = await connection.fetchrow(sql["lock_job"], job_id)
        if job is not None:
            state, ending = job["state"], job["cancel_requested"]
            if state == "SUCCEEDED" or (ending and state in {"QUEUED", "RUNNING"}):
                raise JobStateError(
                    f"the job is {state}: only what FAILED or was CANCELLED can be resumed",
                    metadata={"job_id": str(job_id), "state": state},
                )
            if state in {"FAILED", "CANCELLED"}:
                await connection.execute(sql["forgive_deaths"], job_id)
                await connection.execute(sql["resume_job"], job_id)
                await connection.execute(sql["notify"])
        return await get_job(connection, job_id)


def _combine(kinds: Mapping[str, JobKind], kind: str, request: str, results: list[str]) -> str | None:
    known = kinds.get(kind)
    if known is None or not results:
        return None
    combined: Json = known.combine(json.loads(request), [json.loads(result) for result in results])
    return json.dumps(combined)
