"""Requests and readings that Postgres does not take: said to whoever asks, never an error of the server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import grpc.aio
import pytest
from dataflow.insight.v1 import summary_service_pb2 as pb
from dataflow.insight.v1 import summary_service_pb2_grpc
from dataflow_insight.__main__ import summary_service
from dataflow_insight.catalogue import survey as survey_module
from dataflow_insight.catalogue.survey import Survey
from dataflow_insight.postgres import Reader
from dataflow_insight.summaries.service import SummaryService
from dataflow_mesh.testing import PostgresCluster, in_process_server

from tests.ask_database import add_contract, make_schema
from tests.chaos.prove.proxy import Proxy
from tests.integration.test_insight_summaries import serving

pytestmark = pytest.mark.postgres

START = datetime(2026, 11, 1, tzinfo=UTC)
SPEC: dict[str, Any] = {"name": "vast", "event_time": "ts", "fields": [{"name": "level", "type": "number"}]}


@pytest.fixture(scope="module")
def database(cluster: PostgresCluster) -> str:
    """Gives a database with readings at the end of the range of numbers."""
    dsn = cluster.create_database("strange")
    asyncio.run(load(dsn))
    return dsn


async def load(dsn: str) -> None:
    """Makes one contract with two devices."""
    rows = [(name, START + timedelta(hours=hour), 1.7e308) for name in ("a", "b") for hour in range(30)]
    connection = await asyncpg.connect(dsn)
    try:
        await make_schema(connection)
        await add_contract(connection, SPEC, rows, ["level"])
    finally:
        await connection.close()


@pytest.fixture
async def stub(database: str) -> AsyncIterator[Any]:
    """Gives a viewer's stub."""
    async with serving(database) as found:
        yield found


async def test_a_summary_of_values_that_cannot_be_added_is_refused(stub: Any) -> None:
    """The mean of values near the largest number there is lies beyond it for Postgres."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Summarize(pb.SummarizeRequest(contract="vast"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "too large" in str(refused.value.details())


async def test_a_request_id_that_cannot_be_stored_is_refused(stub: Any) -> None:
    """It holds a NUL."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Summarize(pb.SummarizeRequest(contract="vast", request_id="a\0b"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_no_summary_is_of_a_contract_that_cannot_be(stub: Any) -> None:
    """A list of summaries whose contract holds a NUL is empty."""
    found = await stub.ListSummaries(pb.ListSummariesRequest(contract="a\0b"))
    assert not found.summaries


async def test_a_word_that_no_device_can_be_called_is_not_looked_for(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a contract with many devices, the words of a question are looked up: those with a NUL are not."""
    monkeypatch.setattr(survey_module, "MAX_DEVICES", 1)
    async with Reader.open(database) as reader:
        catalogue = await Survey(reader).catalogue("How full was b compared with c\0d?")
    assert catalogue.contracts[0].devices == ("a", "b")


async def test_a_postgres_that_gives_no_answer_is_not_the_fault_of_the_summary(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as unavailable, so that whoever asks tries again rather than asks for less."""
    monkeypatch.setattr("dataflow_insight.postgres._ANSWER_SECONDS", 0.2)
    address = urlsplit(database)
    assert address.hostname is not None
    assert address.port is not None
    async with Proxy(address.hostname, address.port) as proxy, Reader.open(database) as reader:
        through = database.replace(f":{address.port}", f":{proxy.port}")
        async with Reader.open(through, statement_seconds=0.1) as behind:
            await behind.fetch("SELECT 1")
            service = summary_service(SummaryService(Survey(reader), behind, None))
            async with in_process_server([service]) as server, proxy.closed():
                stub = summary_service_pb2_grpc.SummaryServiceStub(server.channel)
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.Summarize(pb.SummarizeRequest(contract="vast"))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
