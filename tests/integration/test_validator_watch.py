"""WatchReadings over gRPC, on a real Postgres: no gap, no repeat, whatever commits in which order."""

import asyncio
import dataclasses
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc
import pytest
from dataflow.validator.v1 import (
    reading_columns_pb2,
    reading_pb2,
    reading_service_pb2_grpc,
    reading_stream_pb2,
)
from dataflow_mesh.postgres import Connection, Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.revision_records import create_revision
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType, UnknownFields
from dataflow_validator.readings import watch, watch_service
from dataflow_validator.readings.service import SERVICE, ReadingServicer
from dataflow_validator.testing import reason_of, validator_database
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

pytestmark = pytest.mark.postgres

_BASE = datetime(2024, 1, 30, tzinfo=UTC)
_SPEC = ContractSpec(
    "weather",
    fields=(
        FieldSpec("temp", FieldType.NUMBER, required=False),
        FieldSpec("count", FieldType.INTEGER, required=False),
        FieldSpec("big", FieldType.INTEGER, required=False, max=10**30),
        FieldSpec("on", FieldType.BOOLEAN, required=False),
        FieldSpec("label", FieldType.STRING, required=False),
        FieldSpec("seen", FieldType.TIMESTAMP, required=False),
        FieldSpec("shape", FieldType.OBJECT, required=False),
        FieldSpec("raw", FieldType.BINARY, required=False),
        FieldSpec("ts", FieldType.TIMESTAMP, required=False),
    ),
    event_time="ts",
    unknown=UnknownFields.KEEP,
)
_INSERT = (
    "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, count) "
    "SELECT 'device-' || n % 3, $1::timestamptz + n * interval '1 second', $1, lpad(to_hex(n), 32, '0')::uuid, 0, 1, n "
    "FROM unnest($2::int[]) AS n"
)


@dataclass
class Setup:
    pool: Pool
    stub: "reading_service_pb2_grpc.ReadingServiceAsyncStub"
    dsn: str

    async def put(self, *numbers: int, connection: "Connection | None" = None) -> None:
        await (connection or self.pool).execute(_INSERT, _BASE, list(numbers))

    def watch(
        self, contract: str = "weather", **parts: Any
    ) -> "grpc.aio.UnaryStreamCall[reading_stream_pb2.WatchReadingsRequest, reading_stream_pb2.WatchReadingsResponse]":
        request = reading_stream_pb2.WatchReadingsRequest(
            **{"filter": reading_pb2.ReadingFilter(contract=contract), "heartbeat": _seconds(0.2)} | parts
        )
        return self.stub.WatchReadings(request)

    async def read(
        self, count: int, **parts: Any
    ) -> tuple[list[int], list["reading_stream_pb2.WatchReadingsResponse"]]:
        """Watch until so many readings came; return their numbers and the responses."""
        numbers: list[int] = []
        responses = []
        call = self.watch(**parts)
        try:
            async for response in call:
                responses.append(response)
                numbers += [reading.fields["count"].integer_value for reading in response.readings]
                if len(numbers) >= count:
                    break
        finally:
            call.cancel()
        return numbers, responses


def _seconds(seconds: float) -> Duration:
    length = Duration()
    length.FromTimedelta(timedelta(seconds=seconds))
    return length


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(cluster, max_size=12) as pool:
        async with pool.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
            await create_contract(connection, ContractSpec("other", fields=_SPEC.fields), activate=True)
        service = (reading_service_pb2_grpc.add_ReadingServiceServicer_to_server, ReadingServicer(pool), SERVICE)
        async with in_process_server([service]) as server:
            stub = reading_service_pb2_grpc.ReadingServiceStub(server.channel)
            yield Setup(pool, stub, "")


_BEGINNING: dict[str, Any] = {"start": reading_stream_pb2.WATCH_START_BEGINNING}


async def test_from_the_beginning_everything_comes_in_the_order_of_transactions(setup: Setup) -> None:
    """Rows of three transactions come by transaction, within one by device and time."""
    await setup.put(7, 8)
    await setup.put(3, 1, 2)
    await setup.put(9)
    numbers, _ = await setup.read(6, **_BEGINNING)
    assert numbers == [7, 8, 3, 1, 2, 9]


async def test_from_now_only_what_is_stored_later_comes(setup: Setup) -> None:
    """A watch without a start begins with what is stored after its first answer."""
    await setup.put(1, 2)
    call = setup.watch()
    first = await anext(aiter(call))
    assert not first.readings
    await setup.put(3)
    numbers: list[int] = []
    async for response in call:
        numbers += [reading.fields["count"].integer_value for reading in response.readings]
        if numbers:
            break
    call.cancel()
    assert numbers == [3]


async def test_what_commits_late_is_neither_missed_nor_passed(setup: Setup) -> None:
    """While a transaction is open nothing behind it comes, and the answer says so; then all comes in its order."""
    async with setup.pool.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await setup.put(1, connection=late)
        await setup.put(2)
        call = setup.watch(**_BEGINNING)
        held = timedelta(0)
        async with asyncio.timeout(20):
            async for response in call:
                assert not response.readings
                held = response.held_back.ToTimedelta()
                if held > timedelta(seconds=0.3):
                    break
        await transaction.commit()
        numbers: list[int] = []
        async for response in call:
            numbers += [reading.fields["count"].integer_value for reading in response.readings]
            if len(numbers) >= 2:
                break
        call.cancel()
    assert numbers == [1, 2]


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_each_cursor_goes_on_where_it_was_given(setup: Setup, size: int) -> None:
    """Behind the cursor of any response comes exactly what came behind it then, also within a transaction."""
    for start in range(0, 30, 6):
        await setup.put(*range(start, start + 6))
    numbers, responses = await setup.read(30, max_readings=size, **_BEGINNING)
    assert sorted(numbers) == list(range(30))
    before = 0
    for response in responses:
        before += len(response.readings)
        if before < 30:
            rest, _ = await setup.read(30 - before, cursor=response.cursor)
            assert rest == numbers[before:]


async def test_silence_moves_the_cursor_on(setup: Setup) -> None:
    """A response without readings has a cursor behind all that the filter does not take."""
    await setup.put(1, 4)
    other = reading_pb2.ReadingFilter(contract="weather", device_ids=["device-0"])
    call = setup.watch(filter=other, **_BEGINNING)
    cursors = []
    async for response in call:
        assert not response.readings
        cursors.append(response.cursor)
        if len(cursors) == 3:
            break
    call.cancel()
    await setup.put(6)
    assert (await setup.read(1, cursor=cursors[-1]))[0] == [6]


async def test_a_row_that_is_judged_again_comes_again(setup: Setup) -> None:
    """An update as a Backfill makes it gives the row a new place, with the same key and its new revision."""
    await setup.put(1, 2)
    _, responses = await setup.read(2, **_BEGINNING)
    await setup.pool.execute(
        "UPDATE readings.weather SET revision = 2, stored_xid = pg_current_xact_id() WHERE count = 1"
    )
    again, later = await setup.read(1, cursor=responses[-1].cursor)
    assert again == [1]
    assert later[-1].readings[0].revision == 2


async def test_a_filter_narrows_devices_times_and_fields(setup: Setup) -> None:
    """Only the devices, event times and fields that were asked for come."""
    await setup.put(*range(12))
    start, end = Timestamp(), Timestamp()
    start.FromDatetime(_BASE + timedelta(seconds=3))
    end.FromDatetime(_BASE + timedelta(seconds=9))
    wanted = reading_pb2.ReadingFilter(contract="weather", device_ids=["device-0"], start_time=start, end_time=end)
    await setup.pool.execute("UPDATE readings.weather SET label = 'x'")
    numbers, responses = await setup.read(2, filter=wanted, fields=["count"], **_BEGINNING)
    assert numbers == [3, 6]
    assert {name for response in responses for reading in response.readings for name in reading.fields} == {"count"}


async def test_columns_say_the_same_as_readings(setup: Setup) -> None:
    """Every type, with and without nulls, has the same values in both forms."""
    await setup.put(1, 2, 3)
    await setup.pool.execute(
        "UPDATE readings.weather SET temp = 1.5, big = 1e30::numeric, \"on\" = true, label = '', seen = event_time, "
        "shape = '{\"a\": [1, null]}', raw = '\\x00ff', maybe_duplicate = true, extra = '{\"more\": 1}' WHERE count <> 2"
    )
    _, plain = await setup.read(3, **_BEGINNING)
    readings = [reading for response in plain for reading in response.readings]
    call = setup.watch(form=reading_stream_pb2.READING_FORM_COLUMNS, **_BEGINNING)
    unpacked: list[reading_pb2.Reading] = []
    async for response in call:
        unpacked += _readings_of(response.columns)
        if len(unpacked) == 3:
            break
    call.cancel()
    assert unpacked == readings


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [("nonsense!", "CURSOR_INVALID"), ("bm9uc2Vuc2VvZmFueWtpbmQ", "CURSOR_INVALID")],
)
async def test_what_is_no_cursor_is_refused(setup: Setup, cursor: str, reason: str) -> None:
    """Text that no watch gave is told apart from a cursor."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.read(1, cursor=cursor)
    assert reason_of(caught.value)[0] == reason


async def test_a_cursor_belongs_to_its_contract_and_database(setup: Setup, cluster: PostgresCluster) -> None:
    """The cursor of another contract is invalid, that of another database foreign."""
    await setup.put(1)
    _, responses = await setup.read(1, **_BEGINNING)
    cursor = responses[-1].cursor
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.read(1, contract="other", cursor=cursor)
    assert reason_of(caught.value)[0] == "CURSOR_INVALID"
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(validator_database(cluster))
        async with pool.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
        service = (reading_service_pb2_grpc.add_ReadingServiceServicer_to_server, ReadingServicer(pool), SERVICE)
        server = await stack.enter_async_context(in_process_server([service]))
        elsewhere = Setup(pool, reading_service_pb2_grpc.ReadingServiceStub(server.channel), "")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await elsewhere.read(1, cursor=cursor)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason_of(caught.value) == ("CURSOR_FOREIGN", {"difference": "database"})


async def test_a_field_that_is_not_there_is_refused(setup: Setup) -> None:
    """A watch of an unknown field or contract fails at once."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.read(1, fields=["nope"])
    assert reason_of(caught.value) == ("FIELD_INVALID", {"contract": "weather", "field": "nope"})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.read(1, contract="nope")
    assert reason_of(caught.value)[0] == "CONTRACT_NOT_FOUND"


async def test_more_watches_than_the_limit_are_refused(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch too many is told when to come back; one that ended makes room."""
    monkeypatch.setattr(watch_service, "MAX_WATCHES", 2)
    service = (reading_service_pb2_grpc.add_ReadingServiceServicer_to_server, ReadingServicer(setup.pool), SERVICE)
    async with in_process_server([service]) as server:
        small = Setup(setup.pool, reading_service_pb2_grpc.ReadingServiceStub(server.channel), "")
        calls = [small.watch(), small.watch()]
        for call in calls:
            await call.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await small.watch().read()
        assert reason_of(caught.value) == ("STREAMS_EXHAUSTED", {"limit": "2"})
        calls[0].cancel()
        async with asyncio.timeout(10):
            while True:
                try:
                    await small.watch().read()
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.01)
                else:
                    break
        calls[1].cancel()


async def test_a_reader_that_does_not_read_holds_no_transaction(setup: Setup) -> None:
    """With its buffers full of unread readings a watch has nothing open in the database, and loses nothing."""
    total, text = 600, "x" * 20_000
    for start in range(0, total, 100):
        await setup.put(*range(start, start + 100))
    await setup.pool.execute("UPDATE readings.weather SET label = $1", text)
    call = setup.watch(max_readings=50, **_BEGINNING)
    await call.read()
    async with asyncio.timeout(20):
        while await setup.pool.fetchval(  # noqa: ASYNC110 - another process
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND state <> 'idle'"
        ):
            await asyncio.sleep(0.01)
    numbers: list[int] = []
    async for response in call:
        numbers += [reading.fields["count"].integer_value for reading in response.readings]
        if len(numbers) >= total:
            break
    call.cancel()
    assert sorted(numbers) == list(range(total))


async def test_stored_since_begins_with_what_was_stored_then(setup: Setup) -> None:
    """Everything stored since a time comes; what was stored long before does not."""
    await setup.put(1)
    for hours_ago in (5, 0):
        await setup.pool.execute(
            "INSERT INTO validator.ledger (batch_id, bridge_id, boot_id, sequence, acknowledged_through, node, items, "
            "stored, duplicate, conflict, quarantined, parked, counts, commit_time) VALUES (gen_random_uuid(), 'b', "
            "gen_random_uuid(), 1, 1, 'n', 1, 1, 0, 0, 0, 0, '{}', now() - make_interval(hours => $1))",
            hours_ago,
        )
        await setup.put(10 - hours_ago)
    since = Timestamp()
    since.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    numbers, _ = await setup.read(2, stored_since=since)
    assert numbers == [5, 10]
    since.FromDatetime(datetime.now(UTC) - timedelta(hours=9))
    numbers, _ = await setup.read(3, stored_since=since)
    assert numbers == [1, 5, 10]


async def test_writers_that_commit_in_any_order_leave_no_gap_and_no_repeat(setup: Setup) -> None:
    """Eight writers with transactions of random length; readers that break off and go on see every row once, in order."""
    writers, each = 8, 25
    dice = random.Random(7)
    lengths = [[dice.random() * 0.06 for _ in range(each)] for _ in range(writers)]
    watched = asyncio.Barrier(writers + 3)

    async def write(writer: int) -> None:
        await watched.wait()
        for turn in range(each):
            async with setup.pool.acquire() as connection, connection.transaction():
                first = (writer * each + turn) * 4
                await setup.put(first, first + 1, connection=connection)
                await asyncio.sleep(lengths[writer][turn])
                await setup.put(first + 2, first + 3, connection=connection)

    total = writers * each * 4

    async def follow(seed: int) -> list[int]:
        luck = random.Random(seed)
        numbers: list[int] = []
        _, begun = await setup.read(0)
        where: dict[str, Any] = {"cursor": begun[-1].cursor}
        await watched.wait()
        while len(numbers) < total:
            call = setup.watch(max_readings=luck.choice([1, 3, 50]), **where)
            async with aclosing(_responses(call)) as responses:
                async for response in responses:
                    numbers += [reading.fields["count"].integer_value for reading in response.readings]
                    where = {"cursor": response.cursor}
                    if len(numbers) >= total or luck.random() < 0.1:
                        break
        return numbers

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        readers = [group.create_task(follow(seed)) for seed in range(3)]
        for writer in range(writers):
            group.create_task(write(writer))
    rows = await setup.pool.fetch(
        "SELECT count FROM readings.weather ORDER BY (stored_xid::text)::bigint, device_id, event_time, message_id"
    )
    wanted = [row["count"] for row in rows]
    assert len(wanted) == total
    for reader in readers:
        assert reader.result() == wanted


async def _responses(
    call: "grpc.aio.UnaryStreamCall[reading_stream_pb2.WatchReadingsRequest, reading_stream_pb2.WatchReadingsResponse]",
) -> AsyncGenerator[reading_stream_pb2.WatchReadingsResponse, None]:
    try:
        async for response in call:
            yield response
    finally:
        call.cancel()


def _readings_of(columns: reading_columns_pb2.ReadingColumns) -> list[reading_pb2.Reading]:
    """Unpack columns as a reader would, by the words of the proto."""
    readings = []
    for place in range(columns.count):
        reading = reading_pb2.Reading(
            device_id=columns.devices[columns.device_indexes[place]],
            message_id=str(UUID(bytes=columns.message_ids[16 * place : 16 * place + 16])),
            revision=columns.revisions[place],
            maybe_duplicate=bool(columns.maybe_duplicates and columns.maybe_duplicates[place]),
        )
        reading.event_time.FromMicroseconds(columns.event_times_us[place])
        reading.receive_time.FromMicroseconds(columns.receive_times_us[place])
        if columns.extras and columns.extras[place]:
            json_format.Parse(columns.extras[place], reading.extra)
        for field in columns.fields:
            if not field.present or field.present[place]:
                _set(reading.fields[field.field], field, place)
        readings.append(reading)
    return readings


def _set(value: reading_pb2.Value, field: reading_columns_pb2.FieldColumn, place: int) -> None:
    match field.kind:
        case reading_columns_pb2.COLUMN_KIND_TEXT:
            value.string_value = field.texts[place]
        case reading_columns_pb2.COLUMN_KIND_INTEGER:
            value.integer_value = field.integers[place]
        case reading_columns_pb2.COLUMN_KIND_NUMBER:
            value.number_value = field.numbers[place]
        case reading_columns_pb2.COLUMN_KIND_BOOLEAN:
            value.boolean_value = field.booleans[place]
        case reading_columns_pb2.COLUMN_KIND_TIMESTAMP:
            value.timestamp_value.FromMicroseconds(field.integers[place])
        case reading_columns_pb2.COLUMN_KIND_JSON:
            json_format.Parse(field.texts[place], value.json_value)
        case reading_columns_pb2.COLUMN_KIND_BINARY:
            value.binary_value = field.binaries[place]
        case reading_columns_pb2.COLUMN_KIND_DECIMAL:
            value.decimal_value = str(Decimal(field.texts[place]))
        case _:
            raise AssertionError(field.kind)


async def test_a_revision_that_comes_meanwhile_brings_its_columns(setup: Setup) -> None:
    """Rows of a newer revision have its new field, in a watch that began before there was one."""
    await setup.put(1)
    call = setup.watch(**_BEGINNING)
    async with aclosing(_responses(call)) as responses:
        async for response in responses:
            if response.readings:
                break
        wider = dataclasses.replace(_SPEC, fields=(*_SPEC.fields, FieldSpec("gust", FieldType.NUMBER, required=False)))
        async with setup.pool.acquire() as connection:
            await create_revision(connection, wider, activate=True)
        await setup.pool.execute(
            "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, gust) "
            "VALUES ('d', $1, $1, gen_random_uuid(), 0, 2, 7.5)",
            _BASE,
        )
        async for response in responses:
            if response.readings:
                break
    assert {name: value.number_value for name, value in response.readings[0].fields.items()} == {"gust": 7.5}


async def test_a_watch_whose_reads_are_slow_brings_the_index_up_to_date(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a read takes long, pages that vacuum has not looked at yet are summarised."""
    monkeypatch.setattr(watch, "_SLOW_SECONDS", 0.0)
    await setup.pool.execute(
        "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, label) "
        "SELECT 'd', $1::timestamptz, $1, gen_random_uuid(), 0, 1, repeat('x', 1000) FROM generate_series(1, 3000)",
        _BASE,
    )
    call = setup.watch(**_BEGINNING)
    unsummarised = (
        "SELECT sum(brin_summarize_new_values(i.indexrelid)) FROM pg_partition_tree('readings.weather') t "
        "JOIN pg_index i ON i.indrelid = t.relid JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam "
        "WHERE a.amname = 'brin' AND t.isleaf"
    )
    async with aclosing(_responses(call)) as responses:
        async for response in responses:
            if not response.readings and not response.more and response.lag.ToTimedelta() < timedelta(seconds=5):
                break
        async for response in responses:
            if not response.readings:
                break
    assert await setup.pool.fetchval(unsummarised) == 0
