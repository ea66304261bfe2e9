"""The reader when nothing gets through to Postgres, and back."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest
from dataflow_insight.postgres import Reader
from dataflow_mesh.errors import PostgresUnavailableError
from dataflow_mesh.postgres import translate

from tests.chaos.prove.proxy import Proxy

pytestmark = pytest.mark.postgres


async def test_a_query_that_no_answer_comes_to_is_given_up(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the one who reads the catalogue would hold it for all others, until the kernel gives up after minutes."""
    monkeypatch.setattr("dataflow_insight.postgres._ANSWER_SECONDS", 0.2)
    connection = await asyncpg.connect(postgres)
    await connection.execute(
        "DO $$ BEGIN CREATE ROLE dataflow_reader NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    await connection.close()
    address = urlsplit(postgres)
    assert address.hostname is not None
    assert address.port is not None
    async with Proxy(address.hostname, address.port) as proxy:
        through = postgres.replace(f":{address.port}", f":{proxy.port}")
        async with Reader.open(through, statement_seconds=0.1) as reader:
            await reader.fetch("SELECT 1")
            async with proxy.closed():
                with pytest.raises(TimeoutError) as given_up:
                    async with asyncio.timeout(60):
                        await reader.fetch("SELECT 2")
            assert isinstance(translate(given_up.value), PostgresUnavailableError)
            assert [tuple(row) for row in await reader.fetch("SELECT 3")] == [(3,)]
