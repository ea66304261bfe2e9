"""The time of an answer, over all that is done for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dataflow_mesh.errors import DeadlineExceededError


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Ends what is done in the context after its time; a time-out of something in it stays what it is.

    Raises:
        DeadlineExceededError: It took longer.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if limit.expired():
            raise DeadlineExceededError("the answer took too long; ask for less at a time") from error
        raise
