"""Deletes conversations whose days are over."""

import asyncio
import logging
from typing import Final

from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import translate

from dataflow_insight.conversations.store import ConversationStore
from dataflow_insight.postgres import cannot_write

_log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 3600.0


async def keep_clean(
    store: ConversationStore, stopping: asyncio.Event, *, every_seconds: float = EVERY_SECONDS
) -> None:
    """Cleans at once and then again and again, until the process stops; several processes may do so side by side."""
    while not stopping.is_set():
        try:
            gone = await store.clean()
        except Exception as error:
            if translate(error) is None and not cannot_write(error):
                raise
            _log.warning("conversations not cleaned", extra=fields("conversations_kept", error=type(error).__name__))
        else:
            if gone:
                _log.info("conversations deleted", extra=fields("conversations_deleted", conversations=gone))
        try:
            await asyncio.wait_for(stopping.wait(), every_seconds)
        except TimeoutError:
            continue
