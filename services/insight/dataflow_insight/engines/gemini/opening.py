"""Opens the engine for a process; loads the provider's client only here, and only where there is a key."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dataflow_mesh.logs import fields

from dataflow_insight.engines.gemini.engine import GeminiEngine
from dataflow_insight.engines.gemini.settings import GeminiSettings
from dataflow_insight.queries.reads import Reads

_log = logging.getLogger(__name__)


@asynccontextmanager
async def open_gemini(settings: GeminiSettings, key: str, reads: Reads) -> AsyncIterator[GeminiEngine | None]:
    """Gives the engine for the length of the context; `None` without a key.

    Args:
        settings: Of the process.
        key: From `settings.key(os.environ)`.
        reads: Where a sample is read from, if the policy asks for one.
    """
    if not key:
        yield None
        return
    # Its models cost 60 MB and half a second, which a process without a key shall not pay.
    from dataflow_insight.engines.gemini.client import GeminiClient  # noqa: PLC0415

    limits = settings.gemini_limits
    async with GeminiClient.open(
        key=key, model=settings.gemini_model, base_url=settings.gemini_base_url, limits=limits
    ) as client:
        _log.info("gemini answers first", extra=fields("gemini_opened", model=settings.gemini_model))
        yield GeminiEngine(
            client, limits=limits, policy=settings.gemini_policy, budget=settings.gemini_budget(), reads=reads
        )
