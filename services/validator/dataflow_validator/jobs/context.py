"""What a step of a job works with: the request, the pool, and the transaction in which work and checkpoint commit together."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.catalog.registry import Registry
from dataflow_validator.jobs.kind import DONE, Done, Json, Part
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.statements import statements

LEASE_SECONDS = 10.0
"""A worker that does not renew its parts for so long is taken for dead, and others go on."""


class PartLostError(Exception):
    """The part changed hands, or its job was ended: what this step wanted to write must not be written."""


class _Saved(NamedTuple):
    checkpoint: Json
    done: int
    result: Json
    finished: bool


@dataclass(slots=True)
class JobContext:
    """One job, as its steps see it.

    Attributes:
        job_id: The job.
        request: What was asked for, as its RPC wrote it.
        created_by: Who asked.
        dry_run: Nothing may be changed but the job itself.
        pool: Connections of the worker; two or three.
        registry: The catalogue, refreshed before each step.
        partitions: Makes partitions of readings tables.
        export_dir: Where exported files go; `None` where the validator has no place for them.
        holder: Who works: this worker.
        rate: Items per second at most in this part; `None` for no limit of its own.
        memory: Kept by steps for the next step of the same part in this process; never relied on.
        in_transaction: Whether `transaction` is open.
        finished: Whether the part was saved with `DONE`.
    """

    job_id: UUID
    request: Json
    created_by: str
    dry_run: bool
    pool: Pool
    registry: Registry
    partitions: Partitions
    export_dir: Path | None
    holder: str
    rate: float | None = None
    memory: dict[str, object] = field(default_factory=dict)
    in_transaction: bool = field(default=False, init=False)
    finished: bool = field(default=False, init=False)
    _saved: _Saved | None = field(default=None, init=False)

    def items_of_step(self, most: int) -> int:
        """Returns how many items a step may do: `most`, or what the job's rate allows in a second."""
        return most if self.rate is None else max(1, min(most, round(self.rate)))

    @asynccontextmanager
    async def transaction(self, part: Part) -> AsyncIterator[Connection]:
        """A transaction in which this worker, and nobody else, holds the part; it must be short, and end with `save`.

        Think first, then open it: Postgres ends a transaction that idles for 5 s.

        Raises:
            PartLostError: The part is not ours any more; nothing was written.
        """
        async with self.pool.acquire() as connection:
            self._saved = None
            self.in_transaction = True
            try:
                async with connection.transaction():
                    held = await connection.fetchval(
                        statements("jobs")["hold_part"], self.job_id, part.number, self.holder, part.epoch
                    )
                    if held is None:
                        raise PartLostError
                    yield connection
            finally:
                self.in_transaction = False
        self._adopt(part)

    def _adopt(self, part: Part) -> None:
        saved, self._saved = self._saved, None
        if saved is not None:
            part.checkpoint, part.done, part.result, self.finished = saved

    async def save(
        self, connection: Connection, part: Part, *, checkpoint: Json | Done, done: int, result: Json | None = None
    ) -> None:
        """Writes how far the part is, in the transaction of `transaction(part)`; it counts when that one commits.

        Args:
            connection: Of the transaction.
            part: The part.
            checkpoint: Where to go on; `DONE` when nothing is left.
            done: How much more of the plan's total is done since the last save: 0 or above.
            result: What came of the part from its beginning up to here; `None` leaves it as it was.
        """
        finished = checkpoint is DONE
        where: Json = part.checkpoint if isinstance(checkpoint, Done) else checkpoint
        outcome = part.result if result is None else result
        await connection.execute(
            statements("jobs")["save_part"],
            self.job_id,
            part.number,
            json.dumps(where),
            part.done + done,
            json.dumps(outcome),
            finished,
            LEASE_SECONDS,
        )
        self._saved = _Saved(where, part.done + done, outcome, finished)
