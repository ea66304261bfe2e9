"""Comparing clocks: a bridge whose clock is wrong would stamp wrong receive times."""

import logging
import time
from collections.abc import Awaitable, Callable

from dataflow_mesh.logs import fields

_log = logging.getLogger(__name__)

WARN_SECONDS = 1.0
REFUSE_SECONDS = 60.0


class ClockError(Exception):
    """The clocks of two machines differ so much that times would be wrong."""


async def clock_difference(read: Callable[[], Awaitable[float]]) -> float:
    """Returns by how many seconds another clock is ahead of ours; the way there and back is taken as even.

    Args:
        read: Asks the other machine for its time in seconds since 1970.
    """
    before = time.time()
    other = await read()
    after = time.time()
    return other - (before + after) / 2


def judge_clock(difference_seconds: float, other: str) -> None:
    """Says in the log when the difference is above 1 s.

    Args:
        difference_seconds: By how much the other clock is ahead.
        other: Whose clock it is, for people.

    Raises:
        ClockError: It is above 60 s.
    """
    size = abs(difference_seconds)
    if size > REFUSE_SECONDS:
        raise ClockError(f"our clock and that of {other} differ by {difference_seconds:+.1f} s; set the time first")
    if size > WARN_SECONDS:
        seconds = round(difference_seconds, 3)
        _log.warning("clocks differ", extra=fields("clock_difference", other=other, seconds=seconds))
