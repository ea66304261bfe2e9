"""Builds AskService as insight does, for tests that run it in their own process."""

from collections.abc import Callable
from datetime import datetime

from dataflow_insight.__main__ import ask_service
from dataflow_insight.asking.service import AskService
from dataflow_insight.catalogue.survey import Survey
from dataflow_insight.engines.local import LocalEngine
from dataflow_insight.postgres import Reader
from dataflow_mesh.server import Service


def local_service(reader: Reader, now: Callable[[], datetime]) -> Service:
    """Returns AskService with the local engine.

    Args:
        reader: Reads the readings.
        now: The present, UTC.
    """
    return ask_service(AskService(LocalEngine(), Survey(reader), reader, now=now))
