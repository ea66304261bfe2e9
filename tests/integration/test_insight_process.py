"""Insight as a process: waits for the schema, answers with a token, ends in order."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path

import asyncpg
import grpc.aio
import pytest
from dataflow.access.v1 import role_pb2
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_mesh.access import Caller, create_token_file
from dataflow_mesh.channel import open_channel
from dataflow_mesh.testing import PostgresCluster, free_port

pytestmark = pytest.mark.postgres


@asynccontextmanager
async def insight(dsn: str, tokens: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs the process, and ends it if the test has not."""
    arguments = ["--grpc-listen", f"127.0.0.1:{port}", "--token-file", str(tokens)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "dataflow_insight",
        *arguments,
        env={**os.environ, "DATAFLOW_READ_DSN": dsn},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def make_schema(dsn: str) -> None:
    """Runs the validator's migrations."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE SCHEMA validator")
        folder = resources.files("dataflow_validator") / "migrations"
        for migration in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if migration.name.endswith(".sql"):
                await connection.execute(migration.read_text())
    finally:
        await connection.close()


async def test_process_waits_for_the_schema_answers_and_ends(
    postgres_server: PostgresCluster, postgres: str, tmp_path: Path
) -> None:
    """Started before the validator, it serves once the schema is there, asks for a token, and ends with 0 on SIGTERM."""
    tokens = tmp_path / "tokens.json"
    issued = create_token_file(tokens, [Caller("viewer", role_pb2.ROLE_VIEWER)])
    port = free_port()
    async with insight(postgres, tokens, port) as process:
        assert process.stderr is not None
        lines: list[bytes] = []
        async with asyncio.timeout(30):
            while b"waiting for the validator's schema" not in (line := await process.stderr.readline()):
                assert line, b"".join(lines)
                lines.append(line)
        await make_schema(postgres)
        request = ask_service_pb2.AskRequest(question="How many readings are there?")
        async with open_channel(f"127.0.0.1:{port}", token=issued["viewer"]) as channel:
            call = ask_service_pb2_grpc.AskServiceStub(channel).Ask(request, wait_for_ready=True, timeout=30)
            events = [event async for event in call]
            assert events[-1].finished.decline == ask_service_pb2.DECLINE_NO_DATA
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                _ = [event async for event in ask_service_pb2_grpc.AskServiceStub(channel).Ask(request)]
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            await process.communicate()
        assert process.returncode == 0
