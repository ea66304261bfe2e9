"""Works on jobs: claims parts, steps them, rests, ends them. One part at a time; stateless between two parts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
from dataflow_mesh.errors import DataflowError
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.registry import Registry
from dataflow_validator.failure import DATABASE_ERRORS, Failure, LaneBusyError, LaneError, failure_of
from dataflow_validator.jobs.context import LEASE_SECONDS, JobContext, PartLostError
from dataflow_validator.jobs.endings import end_if_settled, fail_job
from dataflow_validator.jobs.kind import DONE, PLAN_PART, JobFailedError, JobKind, Part
from dataflow_validator.jobs.pressure import Pressure, rest_for_rate
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.statements import statements

_log = logging.getLogger(__name__)

MAX_DEATHS: Final = 5
"""Workers that may die over one part, one after the other and without getting on; then its job FAILED."""

_SLICE_SECONDS: Final = 10.0
"""After so long a part is given back, so that the other jobs get their turn."""
_RENEW_SECONDS: Final = LEASE_SECONDS / 6
_FIRST_DELAY_SECONDS: Final = 0.1
_MAX_DELAY_SECONDS: Final = 5.0
_RECENT_JOBS: Final = 64


class Runner:
    """One worker.

    Args:
        pool: Two or three connections.
        registry: This process's catalogue.
        partitions: This process's partitions.
        kinds: What it can work on, by name.
        holder: Who works; unique for each start of a process.
        export_dir: Where exported files go.
    """

    def __init__(
        self,
        pool: Pool,
        registry: Registry,
        partitions: Partitions,
        kinds: Mapping[str, JobKind],
        holder: str,
        export_dir: Path | None = None,
    ) -> None:
        self.pressure = Pressure()
        """What live data suffers; set by whoever knows."""
        self._pool = pool
        self._registry = registry
        self._partitions = partitions
        self._kinds = kinds
        self._holder = holder
        self._export_dir = export_dir
        self._recent: list[UUID] = []
        """Jobs in the order in which this worker left them."""

    async def run_once(self) -> bool:
        """Works on one part for a while, if there is one.

        Returns:
            Whether there was.

        Raises:
            asyncpg.PostgresError, OSError: Postgres is away, and there is nothing to hold on to.
        """
        sql = statements("jobs")
        names = list(self._kinds)
        async with self._pool.acquire() as connection:
            for row in await connection.fetch(sql["unsettled"], names):
                await end_if_settled(connection, self._kinds, row["job_id"])
            claimed = await connection.fetchrow(sql["claim_part"], self._holder, LEASE_SECONDS, names, self._recent)
        if claimed is None:
            return False
        context = JobContext(
            job_id=claimed["job_id"],
            request=json.loads(claimed["request"]),
            created_by=claimed["created_by"],
            dry_run=claimed["dry_run"],
            pool=self._pool,
            registry=self._registry,
            partitions=self._partitions,
            export_dir=self._export_dir,
            holder=self._holder,
            rate=claimed["rate"],
        )
        kind = self._kinds[claimed["kind"]]
        part = _part(claimed)
        self._leave(context.job_id)
        if claimed["deaths"] >= MAX_DEATHS:
            await self._fail(context, part, _too_many_deaths(part, claimed["deaths"]))
            return True
        async with self._renewing(context, part):
            await self._work(kind, context, part, claimed["rate"])
        async with self._pool.acquire() as connection:
            await end_if_settled(connection, self._kinds, context.job_id)
        return True

    def _leave(self, job_id: UUID) -> None:
        self._recent = [*[job for job in self._recent if job != job_id][-_RECENT_JOBS:], job_id]

    async def _work(self, kind: JobKind, context: JobContext, part: Part, rate: float | None) -> None:
        """Steps a part until it is done, lost, cancelled, failed, or others have waited long enough."""
        until = time.monotonic() + _SLICE_SECONDS
        delay = _FIRST_DELAY_SECONDS
        rest = 0.0
        steps = 0
        try:
            while not context.finished:
                try:
                    if not await self._may_go_on(context, part, rate):
                        break
                    if rest > 0:
                        # In pieces, so that a cancellation is noticed.
                        await asyncio.sleep(min(rest, 1.0))
                        rest -= 1.0
                        continue
                    if steps and time.monotonic() > until and await self._others_wait():
                        break
                    began, before = time.monotonic(), part.done
                    await self._step(kind, context, part)
                    steps += 1
                except PartLostError:
                    _log.info("job part lost", extra=_of("job.part_lost", context, part))
                    return
                except (JobFailedError, DataflowError, LaneError) as error:
                    await self._fail(context, part, _as_failure(error))
                    return
                except (LaneBusyError, *DATABASE_ERRORS) as error:
                    if not isinstance(error, LaneBusyError) and failure_of(error) is not Failure.MOMENT:
                        _log.exception("job step failed", extra=_of("job.step_failed", context, part))
                        await self._fail(context, part, _as_failure(error))
                        return
                    _log.warning(
                        "job step is tried again", extra=_of("job.step_retry", context, part, error=str(error))
                    )
                    await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, no secret
                    delay = min(delay * 2, _MAX_DELAY_SECONDS)
                    await self._reload(context, part)
                    continue
                except Exception as error:  # noqa: BLE001 - a defect of a kind ends its job, not the worker
                    _log.exception("job step failed", extra=_of("job.step_failed", context, part))
                    await self._fail(context, part, _as_failure(error))
                    return
                delay = _FIRST_DELAY_SECONDS
                took = time.monotonic() - began
                rest = max(self.pressure.rest_after(took), rest_for_rate(part.done - before, context.rate, took))
                await asyncio.sleep(0)
        finally:
            if not context.finished:
                # Shielded: a part that is not given back waits until its lease runs out.
                await asyncio.shield(self._release(context, part))

    async def _step(self, kind: JobKind, context: JobContext, part: Part) -> None:
        if part.number != PLAN_PART:
            async with self._pool.acquire() as connection:
                await self._registry.refresh(connection)
            await kind.step(context, part)
            return
        async with self._pool.acquire() as connection:
            await self._registry.refresh(connection)
        plan = await kind.plan(context)
        sql = statements("jobs")
        async with context.transaction(part) as connection:
            await connection.execute(
                sql["insert_parts"], context.job_id, [json.dumps(checkpoint) for checkpoint in plan.parts]
            )
            await connection.execute(sql["set_total"], context.job_id, plan.total)
            await context.save(connection, part, checkpoint=DONE, done=0)
            await connection.execute(sql["notify"])

    async def _may_go_on(self, context: JobContext, part: Part, rate: float | None) -> bool:
        """Renews the lease; says whether to go on, and takes this part's share of the job's rate."""
        row = await self._pool.fetchrow(
            statements("jobs")["renew_part"], context.job_id, part.number, self._holder, part.epoch, LEASE_SECONDS
        )
        if row is None:
            raise PartLostError
        context.rate = None if rate is None else rate / max(1, row["running"])
        return not row["cancel_requested"]

    async def _reload(self, context: JobContext, part: Part) -> None:
        """Reads where the part really is: the connection may have been lost during a COMMIT that succeeded."""
        context.memory.clear()
        while True:
            try:
                row = await self._pool.fetchrow(
                    statements("jobs")["part"], context.job_id, part.number, self._holder, part.epoch
                )
            except DATABASE_ERRORS:
                await asyncio.sleep(_FIRST_DELAY_SECONDS * 5)
                continue
            break
        if row is not None:
            part.checkpoint, part.done, part.result = (
                json.loads(row["checkpoint"]),
                row["done"],
                json.loads(row["result"]),
            )

    async def _others_wait(self) -> bool:
        return bool(await self._pool.fetchval(statements("jobs")["open_work"], list(self._kinds)))

    @contextlib.asynccontextmanager
    async def _renewing(self, context: JobContext, part: Part) -> AsyncIterator[None]:
        """Renews the lease while a step is long."""
        task = asyncio.create_task(self._renew(context, part), name="renew")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _renew(self, context: JobContext, part: Part) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            # Its own transaction has the row locked, and nobody else can take it then.
            if context.in_transaction or context.finished:
                continue
            with contextlib.suppress(*DATABASE_ERRORS):
                await self._pool.execute(
                    statements("jobs")["renew_part"],
                    context.job_id,
                    part.number,
                    self._holder,
                    part.epoch,
                    LEASE_SECONDS,
                )

    async def _release(self, context: JobContext, part: Part) -> None:
        with contextlib.suppress(*DATABASE_ERRORS):
            await self._pool.execute(
                statements("jobs")["release_part"], context.job_id, part.number, self._holder, part.epoch
            )

    async def _fail(self, context: JobContext, part: Part, why: JobFailedError) -> None:
        _log.error("job failed", extra=_of("job.failed", context, part, reason=why.reason, error=why.message))
        async with self._pool.acquire() as connection:
            await fail_job(connection, self._kinds, context.job_id, why, epoch=(part.number, part.epoch))


def _part(row: asyncpg.Record) -> Part:
    return Part(row["part"], json.loads(row["checkpoint"]), row["done"], json.loads(row["result"]), row["epoch"])


def _of(action: str, context: JobContext, part: Part, **more: object) -> dict[str, object]:
    return fields(action, job_id=str(context.job_id), part=part.number, **more)


def _too_many_deaths(part: Part, deaths: int) -> JobFailedError:
    message = (
        f"{deaths} workers died over part {part.number}, one after the other: look into their logs, then resume it"
    )
    return JobFailedError("JOB_WORKER_DIED", message, {"part": str(part.number), "deaths": str(deaths)})


def _as_failure(error: BaseException) -> JobFailedError:
    if isinstance(error, JobFailedError):
        return error
    if isinstance(error, DataflowError):
        return JobFailedError(error.reason_name, error.message, error.metadata)
    if isinstance(error, LaneError):
        return JobFailedError("INTERNAL", f"{error}: {error.__cause__}", {"contract": error.contract})
    return JobFailedError("INTERNAL", f"{type(error).__name__}: {error}"[:1000])
