"""`AsyncClient.readings.watch` and `export` against a scripted server."""

import hashlib
import io
from contextlib import aclosing
from datetime import UTC, datetime

import grpc
import pytest
from dataflow.validator.v1 import reading_stream_pb2
from dataflow_client import AsyncClient, CallOptions, Client, Connection, RetryPolicy, Targets, reading_filter
from dataflow_client.errors import CursorForeignError, UnavailableError
from dataflow_client.testing import Failure, Script, serving, serving_async

_OPTIONS = CallOptions(retry=RetryPolicy(first_delay_seconds=0.001))


def response(cursor: str) -> reading_stream_pb2.WatchReadingsResponse:
    return reading_stream_pb2.WatchReadingsResponse(cursor=cursor)


async def test_an_asynchronous_watch_goes_on_at_its_cursor() -> None:
    """After ends of every kind that a dying server makes the next call has the last cursor; a refusal is raised."""
    script = Script()
    script.on(
        "WatchReadings",
        [response("a"), Failure(grpc.StatusCode.UNAVAILABLE)],
        [response("b"), Failure(grpc.StatusCode.CANCELLED)],
        [response("c"), Failure(grpc.StatusCode.INTERNAL)],
        [response("d")],
        Failure(grpc.StatusCode.FAILED_PRECONDITION, "restored", "CURSOR_FOREIGN"),
    )
    seen: list[str] = []

    async def follow(client: AsyncClient) -> None:
        watch = client.readings.watch(reading_filter("weather"), from_beginning=True)
        async with aclosing(watch):
            async for found in watch:
                seen.append(found.cursor)  # noqa: PERF401 - what came before the error counts

    async with serving_async(script) as target, AsyncClient(Connection(Targets(validator=target)), _OPTIONS) as client:
        with pytest.raises(CursorForeignError):
            await follow(client)
    assert seen == ["a", "b", "c", "d"]
    requests = script.requests("WatchReadings")
    assert requests[0].start == reading_stream_pb2.WATCH_START_BEGINNING
    assert [request.cursor for request in requests[1:]] == ["a", "b", "c", "d"]


def test_a_watch_has_one_start() -> None:
    """A cursor together with a time is a mistake that no server is asked about."""
    script = Script()
    with serving(script) as target, Client(Connection(Targets(validator=target)), _OPTIONS) as client:
        watch = client.readings.watch(reading_filter("w"), cursor="c", stored_since=datetime(2024, 1, 1, tzinfo=UTC))
        with pytest.raises(ValueError, match="give one of them"):
            next(watch)


async def test_an_asynchronous_export_is_whole_or_fails() -> None:
    """The bytes are written; without the trailer the call fails although the stream ended well."""
    answer, data = reading_stream_pb2.ExportReadingsResponse, b"a\r\n1\r\n"
    trailer = reading_stream_pb2.ExportTrailer(rows=1, bytes=6, sha256=hashlib.sha256(data).hexdigest())
    parts = [answer(header=reading_stream_pb2.ExportHeader()), answer(data=data), answer(trailer=trailer)]
    script = Script()
    script.on("ExportReadings", parts, parts[:2])
    async with serving_async(script) as target, AsyncClient(Connection(Targets(validator=target)), _OPTIONS) as client:
        file = io.BytesIO()
        assert (await client.readings.export(reading_filter("weather"), file)).rows == 1
        assert file.getvalue() == data
        with pytest.raises(UnavailableError, match="not whole"):
            await client.readings.export(reading_filter("weather"), io.BytesIO())
