"""Thousands of answers that nobody waits for: what do they leave behind?

    .venv/bin/python -m tests.benchmarks.ask_cancel_soak [--count 10000] [--concurrency 16] [--warm-up 10000] [--model] [--json]

A Postgres with packaged readings and a real insight process; with --model also a server that speaks Gemini's format, slowly.
Answers are left before the first event, after any event, while a query or the model works, by deadline, by closing the
channel and without reading. After a warm-up (pools, caches and the allocator's arenas fill), what the process holds is
compared before and after. Exit code 1 if memory grew by 5 MB or more, or a task, socket, query, conversation or call to the
model was left open.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_mesh.channel import open_channel
from dataflow_mesh.testing import postgres_cluster

from tests.ask_database import load_main
from tests.ask_process import Held, Insight, insight_process
from tests.benchmarks.ask_cancel_ways import QUESTIONS, Leaver, leave_many
from tests.gemini_server import KEY, GeminiServer, Reply, Stall, calls, event, gemini_server, turn

ALLOWED_MB: Final = 5.0
_STEPS: Final = 10
_ROWS: Final = 300_000
"""More of room-a, so that a query takes long enough to be left."""

_PLAN: Final[dict[str, Any]] = {"contract": "room", "measure": "MEASURE_AVG", "field": "temperature"}


@dataclass(frozen=True, slots=True)
class Report:
    """What was seen."""

    count: int
    seconds: float
    grown_by_step_mb: list[float]
    """How much more memory after each tenth, while answers were still coming."""
    before: Held
    after: Held
    left: dict[str, int]
    open_calls: int
    """Responses of the model's server that are still under way."""
    model_calls: int

    @property
    def grown_mb(self) -> float:
        """By how much memory grew."""
        return self.after.rss_mb - self.before.rss_mb

    def problems(self) -> list[str]:
        """Returns what was left behind."""
        found = [f"memory grew by {self.grown_mb:.1f} MB"] if self.grown_mb >= ALLOWED_MB else []
        found += self.after.more_than(self.before)
        if self.open_calls:
            found.append(f"{self.open_calls} calls to the model are open")
        return found


async def soak(*, count: int, concurrency: int, warm_up: int, model: bool, seed: int = 1, rows: int = _ROWS) -> Report:
    """Leaves many answers and looks what is left of them.

    Args:
        count: Answers, after the warm-up.
        concurrency: At a time.
        warm_up: Answers before the first look.
        model: Also with a model.
        seed: Of all choices.
        rows: Added to room-a, so that queries take long enough to be left.
    """
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(postgres_cluster(fsync=False))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dataflow-soak-")))
        dsn = cluster.create_database("soak")
        await load_main(dsn)
        await _more_rows(dsn, rows)
        server = await stack.enter_async_context(gemini_server()) if model else None
        environ: dict[str, str] = {}
        port = 0
        if server is not None:
            server.play(_slow_model(random.Random(seed)))
            port = int(server.url.rpartition(":")[2])
            environ = {"GEMINI_API_KEY": KEY, "DATAFLOW_GEMINI_BASE_URL": server.url}
        insight = await stack.enter_async_context(insight_process(dsn, directory, environ=environ, model_port=port))
        leaver = Leaver(insight, random.Random(seed), ("local", "gemini") if model else ("local",))
        await leave_many(leaver, warm_up, concurrency)
        before = await _settled(insight, server)
        leaver.left.clear()
        began = time.monotonic()
        grown: list[float] = []
        for _ in range(_STEPS):
            await leave_many(leaver, count // _STEPS, concurrency)
            grown.append(insight.process.memory_info().rss / 1e6 - before.rss_mb)
        seconds = time.monotonic() - began
        after = await _settled(insight, server, before)
        seen = len(server.seen) if server is not None else 0
        return Report(
            count, seconds, grown, before, after, dict(leaver.left), server.open if server is not None else 0, seen
        )


async def _more_rows(dsn: str, rows: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "INSERT INTO readings.room (device_id, event_time, receive_time, message_id, content_hash, revision,"
            " temperature, co2) SELECT 'room-a', '2015-03-01'::timestamptz + n * interval '1 second', now(),"
            " gen_random_uuid(), 0, 1, 20 + n % 7, 400 + n % 100 FROM generate_series(1, $1) AS n",
            rows,
        )
        await connection.execute("ANALYZE readings.room")
    finally:
        await connection.close()


def _slow_model(chance: random.Random) -> Any:
    """Returns a model that plans, then writes; and that often stops in the middle until its caller goes away."""

    def reply(body: dict[str, Any]) -> Reply:
        stalls = chance.random() < 0.5
        answered = any("functionResponse" in part for entry in body["contents"] for part in entry["parts"])
        if not answered:
            return Reply([Stall()]) if stalls else turn(calls(_PLAN))
        words = event({"parts": [{"text": "The average was "}]})
        return Reply([words, Stall()] if stalls else [words, event({"parts": [{"text": "high."}]}, "STOP")])

    return reply


async def _settled(insight: Insight, server: GeminiServer | None, before: Held | None = None) -> Held:
    """Asks some whole answers at once, so that all pools are open at each look, and returns what the idle process holds."""
    async with open_channel(insight.target, token=insight.tokens["viewer"]) as channel:
        stub = ask_service_pb2_grpc.AskServiceStub(channel)

        async def ask(question: str) -> None:
            request = ask_service_pb2.AskRequest(question=question, engine="local", new_conversation=True)
            async for _ in stub.Ask(request, timeout=60):
                pass

        async with asyncio.TaskGroup() as group:
            for question in QUESTIONS * 2:
                group.create_task(ask(question), name="whole answer")
    # A closed channel of ours keeps its connection until it is collected.
    gc.collect()
    if server is not None:
        await server.idle()
    held = await insight.idle()
    return held if before is None else await insight.idle_as(before)


def show(report: Report) -> None:
    """Prints a report for people."""
    rate = report.count / report.seconds
    print(f"{report.count} answers left in {report.seconds:.0f} s ({rate:.0f}/s)")
    for last, times in sorted(report.left.items(), key=lambda item: -item[1]):
        print(f"  {times:6}  after {last}")
    if report.model_calls:
        print(f"{report.model_calls} calls to the model, {report.open_calls} still open")
    print(f"{'':10}{'before':>10}{'after':>10}")
    for name, before in asdict(report.before).items():
        print(f"{name:10}{before:10.1f}{asdict(report.after)[name]:10.1f}")
    print("memory by tenths:", ", ".join(f"{step:+.1f}" for step in report.grown_by_step_mb), "MB")
    for problem in report.problems():
        print(f"LEFT BEHIND: {problem}")


def main() -> int:
    """Runs the soak and returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--warm-up", type=int, default=10_000)
    parser.add_argument("--model", action="store_true", help="also with a model")
    parser.add_argument("--rows", type=int, default=_ROWS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = asyncio.run(
        soak(
            count=options.count,
            concurrency=options.concurrency,
            warm_up=options.warm_up,
            model=options.model,
            seed=options.seed,
            rows=options.rows,
        )
    )
    if options.json:
        print(json.dumps(asdict(report) | {"grown_mb": report.grown_mb, "problems": report.problems()}, indent=2))
    else:
        show(report)
    return 1 if report.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
