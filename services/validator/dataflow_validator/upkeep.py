"""What one validator at a time does for all: folds and checks the ledger, throws away what is old.

The lease is a row with an epoch, and each transaction that changes anything checks it: a validator that was frozen, and
has been followed by another one, changes nothing when it wakes up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.lifecycle import Process
from dataflow_mesh.logs import fields

from dataflow_validator.failure import DATABASE_ERRORS
from dataflow_validator.ledger.fold import Fold
from dataflow_validator.ledger.health import LedgerHealth
from dataflow_validator.ledger.watch import LedgerWatch
from dataflow_validator.parked.records import identify_parked
from dataflow_validator.quarantine.limits import QuarantineLimiter
from dataflow_validator.retention import Retention

_log = logging.getLogger(__name__)

LEASE: Final = "upkeep"
_RETRY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Intervals:
    """From one round of each work to the next, in seconds."""

    check: float = 3.0
    fold: float = 10.0
    retention: float = 600.0
    health: float = 2.0
    quarantine: float = 5.0


class Upkeep:
    """The work that only the holder of the lease does, and what everybody does about its results.

    Args:
        lease: Who leads.
        fold: Makes minutes of the ledger.
        watch: Checks the ledger.
        retention: Throws away what is old.
        health: Shows what the check wrote down.
        limiter: Keeps the quarantine within its limits.
        intervals: How often.
    """

    def __init__(
        self,
        lease: Lease,
        fold: Fold,
        watch: LedgerWatch,
        retention: Retention,
        health: LedgerHealth,
        limiter: QuarantineLimiter,
        intervals: Intervals | None = None,
    ) -> None:
        self._lease = lease
        self._fold = fold
        self._watch = watch
        self._retention = retention
        self._health = health
        self._limiter = limiter
        self._intervals = intervals or Intervals()

    def spawn(self, process: Process) -> None:
        """Starts all of it; it ends with the process."""
        intervals = self._intervals
        for name, work, seconds, leader in (
            ("ahead", self._retention.ahead, intervals.retention, False),
            ("ledger-health", self._health.run_once, intervals.health, False),
            ("ledger-fold", self._fold.run_once, intervals.fold, True),
            ("ledger-check", self._check, intervals.check, True),
            ("retention", self._retention.round, intervals.retention, True),
            ("quarantine-limits", self._limiter.round, intervals.quarantine, True),
        ):
            process.spawn(self._repeat(name, work, seconds, leader, process.stopping), name=name, may_end=True)
        process.spawn(self._lease.run(), name="upkeep-lease")

    async def _check(self) -> None:
        while await identify_parked(self._fold.pool):
            pass
        await self._watch.run_once()

    async def _repeat(
        self,
        name: str,
        work: Callable[[], Awaitable[object]],
        seconds: float,
        leader: bool,
        stopping: asyncio.Event,
    ) -> None:
        """Does the work now and each interval until told to stop; while Postgres is away it tries again soon."""
        while not stopping.is_set():
            pause = seconds
            try:
                if leader and self._lease.epoch is None:
                    pause = min(seconds, 1.0)
                else:
                    await work()
            except LeaseLostError:
                pause = min(seconds, 1.0)
            except DATABASE_ERRORS as error:
                _log.warning(
                    "upkeep failed; it tries again", extra=fields("upkeep.failed", work=name, error=str(error))
                )
                pause = min(seconds, _RETRY_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)
