"""When a failed call is tried again, and after how long: pure arithmetic, no clock of its own."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from dataflow_client.codes import (
    CancelledError,
    DataflowError,
    DeadlineExceededError,
    InternalError,
    ResourceExhaustedError,
    UnavailableError,
    UnknownError,
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, within the call's deadline."""

    max_attempts: int = 6
    """Tries in all, the first included."""
    first_delay_seconds: float = 0.1
    """Upper end of the first pause; doubled for each further one."""
    max_delay_seconds: float = 5.0
    """Upper end of any pause that the server did not ask for."""

    def delay(
        self,
        error: DataflowError,
        attempt: int,
        remaining_seconds: float,
        uniform: Callable[[float, float], float] = random.uniform,
        *,
        transient: bool | None = None,
    ) -> float | None:
        """Returns the seconds to wait before the next try, or None to give up and raise the error.

        Only UNAVAILABLE is repeated, and RESOURCE_EXHAUSTED where the server said with RetryInfo when to come back
        (a query that is too expensive stays so). What the server asks for is a minimum; jitter comes on top.

        Args:
            error: Why the try failed.
            attempt: Number of the try that failed, from 1.
            remaining_seconds: What is left of the call's deadline.
            uniform: Draws the jitter.
            transient: The caller's own judgement whether another try may help; None: by the code, as above.
        """
        asked = error.retry_after
        if transient is None:
            transient = isinstance(error, UnavailableError) or (
                isinstance(error, ResourceExhaustedError) and asked is not None
            )
        if not transient or attempt >= self.max_attempts:
            return None
        # The exponent is capped: a policy with many attempts would otherwise overflow a float.
        ceiling = min(self.max_delay_seconds, self.first_delay_seconds * 2 ** min(attempt - 1, 32))
        pause = uniform(0.0, ceiling) if asked is None else asked + uniform(0.0, self.first_delay_seconds)
        return pause if pause < remaining_seconds else None


NEVER = RetryPolicy(max_attempts=1)
"""For calls that may have had their effect although they failed."""


def is_unexplained(error: DataflowError) -> bool:
    """Tells whether something other than a service of ours ended a call, with a code that says nothing certain.

    A stream that is refused early may end as "Internal error from Core" (https://github.com/grpc/grpc/issues/36066), a
    call to a server that just stops as CANCELLED, one whose proxy goes away as any of these. Whether it had its effect
    is not known.
    """
    unclear = isinstance(error, InternalError | UnknownError | CancelledError | DeadlineExceededError)
    return unclear and not error.reason
