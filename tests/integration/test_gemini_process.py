"""Insight as a process with a key: Gemini answers, the local engine where it fails, and the key is nowhere but on the wire."""

import asyncio
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from dataflow.access.v1 import role_pb2
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_mesh.access import Caller, create_token_file
from dataflow_mesh.channel import open_channel
from dataflow_mesh.testing import free_port

from tests.ask_client import Asked
from tests.ask_database import ROOM, add_contract, make_schema
from tests.gemini_server import (
    BAD_KEY,
    KEY,
    GeminiServer,
    Reply,
    Stall,
    calls,
    event,
    gemini_server,
    refusal,
    retry_info,
    text,
    turn,
)
from tests.sensor_data import ROOM_FIELDS, room_rows

pytestmark = pytest.mark.postgres

QUESTION = "What was the average temperature in room-a?"
PLAN = {"contract": "room", "measure": "MEASURE_AVG", "field": "temperature", "scope": {"device_ids": ["room-a"]}}
GOOD = (turn(calls(PLAN)), turn(text("The average temperature in room-a was {{0:0:0}} °C.")))


@pytest.fixture
async def model() -> AsyncIterator[GeminiServer]:
    """Run a local Gemini."""
    async with gemini_server() as running:
        yield running


@pytest.fixture
async def database(postgres: str) -> str:
    """Store a recording of two rooms."""
    connection = await asyncpg.connect(postgres)
    try:
        await make_schema(connection)
        await add_contract(connection, ROOM, list(room_rows()), ROOM_FIELDS)
    finally:
        await connection.close()
    return postgres


async def test_the_key_is_nowhere_but_in_the_header(model: GeminiServer, database: str, tmp_path: Path) -> None:
    """Answers, refusals of the key, cancelled ones; then events, logs of all levels, metrics and files are searched."""
    tokens = tmp_path / "tokens.json"
    issued = create_token_file(tokens, [Caller("viewer", role_pb2.ROLE_VIEWER)])
    port, metrics = free_port(), free_port()
    environ = {
        "DATAFLOW_READ_DSN": database,
        "DATAFLOW_GRPC_LISTEN": f"127.0.0.1:{port}",
        "DATAFLOW_METRICS_LISTEN": f"127.0.0.1:{metrics}",
        "DATAFLOW_TOKEN_FILE": str(tokens),
        "DATAFLOW_GEMINI_BASE_URL": model.url,
        "DATAFLOW_LOG_LEVEL": "debug",
        "GEMINI_API_KEY": KEY,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "dataflow_insight"),
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    output = asyncio.create_task(process.communicate())
    try:
        async with open_channel(f"127.0.0.1:{port}", token=issued["viewer"]) as channel:
            stub = ask_service_pb2_grpc.AskServiceStub(channel)

            async def ask() -> Asked:
                request = ask_service_pb2.AskRequest(question=QUESTION)
                return Asked([answer async for answer in stub.Ask(request, wait_for_ready=True, timeout=60)])

            model.play(*GOOD)
            good = await ask()
            model.play(BAD_KEY)
            refused = await ask()
            model.play(GOOD[0], Reply([event(text("The average")), Stall()]))
            leaving = stub.Ask(ask_service_pb2.AskRequest(question=QUESTION), timeout=60)
            await model.asked(2)
            leaving.cancel()
            await model.idle()
            model.play(refusal(429, "RESOURCE_EXHAUSTED", retry_info("3000s")))
            limited = await ask()
        shown = await asyncio.to_thread(_read, f"http://127.0.0.1:{metrics}/metrics")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            logged, _ = await asyncio.shield(output)
    finally:
        if process.returncode is None:
            process.kill()
        await output

    assert good.finished.engine == "gemini"
    assert good.text.strip() == "The average temperature in room-a was 20.62 °C."
    for asked, reason in (
        (refused, ask_service_pb2.FALLBACK_REFUSED),
        (limited, ask_service_pb2.FALLBACK_RATE_LIMITED),
    ):
        assert (asked.finished.engine, asked.finished.fallback) == ("local", reason)
        assert "20.62" in asked.text
    assert process.returncode == 0
    assert b"HTTP Request: POST" in logged
    told = [repr(asked.events).encode() for asked in (good, refused, limited)]
    files = await asyncio.to_thread(_files, tmp_path)
    assert files
    for place in (logged, shown, *told, *files):
        assert KEY.encode() not in place
        assert b"AIza" not in place


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        return bytes(response.read())
