"""What a kind of job is to the worker that runs it: a plan, steps, and one result made of its parts' results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from dataflow_validator.jobs.context import JobContext

Json: TypeAlias = dict[str, Any]
"""A JSON object: str, int, float, bool, None, lists and objects of these."""

PLAN_PART: Final = -1
"""The part in which the plan is made."""


class Done(Enum):
    """The type of `DONE`."""

    DONE = "done"


DONE: Final[Literal[Done.DONE]] = Done.DONE
"""Given to `JobContext.save` as the checkpoint: nothing is left to do in this part."""


class JobFailedError(Exception):
    """A job cannot go on: its owner is told, and may resume it at its checkpoints when the cause is gone.

    Args:
        reason: A value of `dataflow.error.v1.ErrorReason` without its prefix, such as "CONTRACT_NOT_FOUND".
        message: For the owner, in words that say the way out.
        metadata: Further facts.
    """

    def __init__(self, reason: str, message: str, metadata: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})


@dataclass(frozen=True, slots=True)
class Plan:
    """How a job is cut up.

    Attributes:
        parts: The first checkpoint of each part; jobs that write have exactly one, jobs that only read may have many,
            which several workers then do at once. None at all: the job is finished.
        total: Items, pages or batches that all parts together will count as done, for the progress; `None` if unknown.
    """

    parts: Sequence[Json]
    total: int | None = None


@dataclass(slots=True)
class Part:
    """A part of a job, held by this worker.

    `checkpoint`, `done` and `result` are what was saved last; `JobContext.save` replaces them when its transaction is
    committed, and nobody else may.

    Attributes:
        number: From 0.
        checkpoint: Where to go on.
        done: How much of the plan's total is done.
        result: What came of it up to here; {} at the beginning.
        epoch: Raised whenever the part changes hands.
    """

    number: int
    checkpoint: Json
    done: int = 0
    result: Json = field(default_factory=dict)
    epoch: int = 0


class JobKind(Protocol):
    """One kind of job. An instance serves all jobs of its kind; what belongs to one job is in its context."""

    @property
    def name(self) -> str:
        """The kind's name in Postgres and, with a prefix, in `dataflow.validator.v1.JobKind`."""

    async def plan(self, context: JobContext) -> Plan:
        """Cuts the job into parts. Reads only: it may be called again after a death.

        Raises:
            JobFailedError: The job cannot be done.
        """

    async def step(self, context: JobContext, part: Part) -> None:
        """Does some 0.2 to 1 s of a part's work and saves it; called until a save said `DONE`.

        Whatever it changes it does in `context.transaction(part)`, together with `context.save`: a death costs one step
        and repeats nothing. Between two steps the job may be cancelled, slowed down, or go on in another process. What a
        step keeps in memory for the next one (an open file, a cache) belongs into `context.memory`, and is only an
        economy: the next step may run elsewhere.

        Raises:
            JobFailedError: The job cannot go on.
        """

    def combine(self, request: Json, results: Sequence[Json]) -> Json:
        """Makes the job's result of its parts' results, in their order; also of the unfinished ones of a cancelled job.

        Returns:
            The proto JSON of the kind's result message.
        """
