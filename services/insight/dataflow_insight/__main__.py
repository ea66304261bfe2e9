"""An insight process: answers questions about stored readings, and can write nothing but its own tables."""

import asyncio
import contextlib
import gc
import logging
import os
import sys
from contextlib import AsyncExitStack

from dataflow.insight.v1 import ask_service_pb2_grpc, summary_service_pb2_grpc
from dataflow_mesh.access import Tokens, current_caller
from dataflow_mesh.lifecycle import Process, run
from dataflow_mesh.logs import configure_logging, fields
from dataflow_mesh.names import INSIGHT_TASKS
from dataflow_mesh.postgres import wait_ready
from dataflow_mesh.server import GrpcServer, Service
from dataflow_mesh.settings import load
from dataflow_mesh.telemetry import observe, telemetry

from dataflow_insight.asking.service import AskService
from dataflow_insight.asking.turns import CallerTurns
from dataflow_insight.catalogue.survey import Survey
from dataflow_insight.conversations.store import ConversationStore
from dataflow_insight.conversations.taking_part import Conversations
from dataflow_insight.conversations.upkeep import keep_clean
from dataflow_insight.engines.gemini.opening import open_gemini
from dataflow_insight.engines.local import LocalEngine
from dataflow_insight.postgres import Reader, open_own
from dataflow_insight.queries.budget import CallerQueries
from dataflow_insight.settings import InsightSettings
from dataflow_insight.summaries.service import SummaryService
from dataflow_insight.summaries.store import SummaryStore

_log = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 0.25


async def serve(process: Process, settings: InsightSettings, *, key: str = "") -> None:
    """Runs insight until it is told to stop; then lets running answers finish.

    Args:
        process: This one.
        settings: Of this process.
        key: For Gemini; without one, the local engine answers alone.
    """
    assert settings.token_file is not None, "checked by the settings"
    tokens = Tokens.load(settings.token_file)
    _observe_tasks()
    await wait_ready(settings.reading_dsn, timeout_seconds=60.0)
    async with AsyncExitStack() as stack:
        reader = await stack.enter_async_context(
            Reader.open(
                settings.reading_dsn,
                statement_seconds=settings.statement_seconds,
                max_cost=settings.max_query_cost,
                connections=settings.read_connections,
            )
        )
        await _wait_for_schema(process, reader)
        if process.stopping.is_set():
            return
        survey = Survey(reader, keep_seconds=settings.catalogue_seconds)
        own = await stack.enter_async_context(open_own(settings.postgres_dsn))
        store = None if own is None else ConversationStore(own, settings.conversation_limits)
        if store is not None:
            process.spawn(keep_clean(store, process.stopping), name="conversations")
        # The last connection is for others: no caller has all of them.
        queries = CallerTurns(
            CallerQueries(reader, settings.caller_budget(), _caller), max(1, settings.read_connections - 1), _caller
        )
        service = AskService(
            LocalEngine(),
            survey,
            queries,
            model=await stack.enter_async_context(open_gemini(settings, key, reader)),
            limits=settings.ask_limits,
            conversations=Conversations(store),
        )
        summaries = SummaryService(
            survey,
            queries,
            None if own is None else SummaryStore(own),
            seconds=settings.answer_seconds,
            per_caller=settings.asks_per_caller,
        )
        _tune_garbage_collection()
        services = [ask_service(service), summary_service(summaries)]
        await stack.enter_async_context(GrpcServer.from_settings(settings, services, tokens=tokens))
        await process.stopping.wait()


def ask_service(service: AskService) -> Service:
    """Returns the service as the mesh's server takes it."""
    return (
        ask_service_pb2_grpc.add_AskServiceServicer_to_server,
        service,
        "dataflow.insight.v1.AskService",
    )


def summary_service(service: SummaryService) -> Service:
    """Returns the service as the mesh's server takes it."""
    return (
        summary_service_pb2_grpc.add_SummaryServiceServicer_to_server,
        service,
        "dataflow.insight.v1.SummaryService",
    )


def _caller() -> str:
    return current_caller().name


def _tune_garbage_collection() -> None:
    """Looks for cycles more often than the mesh does: every answer that is left is one, with all that it held."""
    gc.collect()
    gc.freeze()  # the model's client was loaded after the mesh had done so
    gc.set_threshold(5_000, 10, 10)


def _observe_tasks() -> None:
    loop = asyncio.get_running_loop()
    observe(INSIGHT_TASKS, lambda: [(float(len(asyncio.all_tasks(loop))), {})])


async def _wait_for_schema(process: Process, reader: Reader) -> None:
    """Waits until the validator has made the schema that insight reads: nobody makes another's."""
    said = False
    while not process.stopping.is_set() and not await reader.ready():
        if not said:
            _log.info("waiting for the validator's schema", extra=fields("schema_awaited"))
            said = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.stopping.wait(), _LOOK_AGAIN_SECONDS)


def main() -> int:
    """Runs insight and returns its exit code."""
    settings = load(InsightSettings, sys.argv[1:])
    try:
        key = settings.key(os.environ)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging(settings.log_level, settings.log_format, service="insight", instance=settings.insight_id)
    with telemetry("insight", settings.insight_id, settings.metrics_listen):
        return run(
            settings.insight_id, lambda process: serve(process, settings, key=key), drain_seconds=settings.drain_seconds
        )


if __name__ == "__main__":
    sys.exit(main())
