"""Tries a call again as long as nothing of it has come: the provider's client does not, for streams."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from dataflow_insight.engines.gemini.budget import Budget
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.messages import Chunk, Model, ModelError, Request

_FIRST_WAIT_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 8.0
_PATIENCE: Final = 0.5
"""Share of the time that is left which may be waited: the call itself needs the rest."""


class Tries:
    """Makes calls to a model within a deadline.

    Args:
        model: Whom to call.
        limits: For the number of tries.
        budget: Told how long the provider wants us to wait.
        sleep: Waits; a parameter for tests.
        jitter: Between 0 and 1; likewise.
    """

    def __init__(
        self,
        model: Model,
        limits: Limits,
        budget: Budget,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._model = model
        self._limits = limits
        self._budget = budget
        self._sleep = sleep
        self._jitter = jitter

    async def stream(
        self, request: Request, ends_at: float, counted: Callable[[], None]
    ) -> AsyncGenerator[Chunk, None]:
        """Yields the pieces of one call; close it to close the connection.

        Args:
            request: What is asked.
            ends_at: Until when, in the loop's time.
            counted: Called before each try.

        Raises:
            ModelError: No try succeeded, or the call broke off after its first piece.
        """
        loop = asyncio.get_running_loop()
        attempt = 0
        done = False
        while not done:
            attempt += 1
            begun = False
            counted()
            try:
                async with self._model.stream(request, seconds=ends_at - loop.time()) as chunks:
                    async for chunk in chunks:
                        begun = True
                        yield chunk
                done = True
            except ModelError as error:
                wait = self._wait(error, attempt)
                left = ends_at - loop.time()
                if begun or not error.passing or attempt >= self._limits.attempts or wait > left * _PATIENCE:
                    if error.after_seconds is not None:
                        self._budget.wait(error.after_seconds)
                    raise
                await self._sleep(wait)

    def _wait(self, error: ModelError, attempt: int) -> float:
        """Returns how long to wait: between half and all of a time that doubles, and not less than was asked for."""
        longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1))
        return max(longest * (0.5 + self._jitter() / 2), error.after_seconds or 0.0)
