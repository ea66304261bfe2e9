"""What metrics and log keep of an answer, however it ended."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_mesh.logs import fields
from dataflow_mesh.names import INSIGHT_ASKS, INSIGHT_DECLINED, INSIGHT_DURATION, INSIGHT_FALLBACKS, Attribute
from dataflow_mesh.telemetry import counter, histogram

from dataflow_insight.asking.answering import Answer

_log = logging.getLogger(__name__)


class Record:
    """One answer as metrics and log will have it.

    Attributes:
        ask_id: Names it.
        engine: Who answered; empty while nobody has.
        outcome: How it ended.
    """

    def __init__(self, ask_id: str) -> None:
        self.ask_id = ask_id
        self.engine = ""
        self.outcome = "failed"

    def take(self, answer: Answer) -> None:
        """Takes what came of the question."""
        self.engine = answer.engine
        self.outcome = "answered"
        if answer.attempt.decline is not None:
            self.outcome = "declined"
            counter(INSIGHT_DECLINED).add(1, {Attribute.REASON: answer.attempt.decline.name})
        if answer.fallback is not None:
            counter(INSIGHT_FALLBACKS).add(1, {Attribute.REASON: answer.fallback.name})


@contextmanager
def recorded(ask_id: str) -> Iterator[Record]:
    """Measures an answer for the length of the context, and writes it down at the end."""
    record = Record(ask_id)
    began = time.monotonic()
    try:
        yield record
    except asyncio.CancelledError:
        record.outcome = "cancelled"
        raise
    finally:
        seconds = time.monotonic() - began
        counter(INSIGHT_ASKS).add(1, {Attribute.ENGINE: record.engine, Attribute.OUTCOME: record.outcome})
        histogram(INSIGHT_DURATION).record(seconds, {Attribute.ENGINE: record.engine})
        _log.info(
            "question ended",
            extra=fields(
                "ask_finished",
                ask_id=ask_id,
                engine=record.engine,
                outcome=record.outcome,
                seconds=round(seconds, 4),
            ),
        )
