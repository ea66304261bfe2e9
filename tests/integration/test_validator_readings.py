"""ReadingService over gRPC, on a real Postgres."""

import dataclasses
import json
import math
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import grpc
import pytest
from dataflow.validator.v1 import reading_pb2, reading_service_pb2, reading_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator import pages
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType, UnknownFields
from dataflow_validator.readings.partitions import Partitions, months_of
from dataflow_validator.readings.service import SERVICE, ReadingServicer
from dataflow_validator.testing import reason_of, validator_database
from dataflow_validator.time_messages import to_duration
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration

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
        FieldSpec("event_time", FieldType.STRING, required=False),
        FieldSpec("shape", FieldType.OBJECT, required=False),
        FieldSpec("raw", FieldType.BINARY, required=False),
        FieldSpec("ts", FieldType.TIMESTAMP),
    ),
    event_time="ts",
    unknown=UnknownFields.KEEP,
)


@dataclass(frozen=True)
class Row:
    device: str
    time: datetime
    number: int
    temp: float | None = None
    count: int | None = None

    @property
    def key(self) -> tuple[datetime, str, str]:
        return self.time, self.device, str(UUID(int=self.number))


@dataclass
class Setup:
    pool: Pool
    stub: "reading_service_pb2_grpc.ReadingServiceAsyncStub"

    async def put(self, rows: Sequence[Row]) -> None:
        await Partitions().ensure(self.pool, "weather", months_of(row.time for row in rows))
        await self.pool.executemany(
            "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, temp, count) "
            "VALUES ($1, $2, $2, $3, 0, 1, $4, $5)",
            [(row.device, row.time, UUID(int=row.number), row.temp, row.count) for row in rows],
        )

    async def listed(
        self, page_size: int = 7, *, newest: bool = False, **filter_: object
    ) -> list[tuple[datetime, str, str]]:
        order = (
            reading_service_pb2.READING_ORDER_NEWEST_FIRST if newest else reading_service_pb2.READING_ORDER_UNSPECIFIED
        )
        found, token = [], ""
        while True:
            page = await self.stub.ListReadings(
                reading_service_pb2.ListReadingsRequest(
                    filter=reading_filter(**filter_), order=order, page_size=page_size, page_token=token
                )
            )
            assert len(page.readings) <= page_size
            found += [(r.event_time.ToDatetime(UTC), r.device_id, r.message_id) for r in page.readings]
            if not (token := page.next_page_token):
                return found

    async def latest(self, page_size: int = 3, **filter_: object) -> list[tuple[str, datetime]]:
        found, token = [], ""
        while True:
            page = await self.stub.ListLatestReadings(
                reading_service_pb2.ListLatestReadingsRequest(
                    filter=reading_filter(**filter_), page_size=page_size, page_token=token
                )
            )
            found += [(reading.device_id, reading.event_time.ToDatetime(UTC)) for reading in page.readings]
            if not (token := page.next_page_token):
                return found

    async def aggregated(
        self, request: reading_service_pb2.AggregateReadingsRequest
    ) -> list[reading_service_pb2.AggregateBucket]:
        found: list[reading_service_pb2.AggregateBucket] = []
        while True:
            page = await self.stub.AggregateReadings(request)
            found += page.buckets
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token


def reading_filter(**parts: object) -> reading_pb2.ReadingFilter:
    return reading_pb2.ReadingFilter(**{"contract": "weather"} | parts)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(cluster) as pool:
        async with pool.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
        service = (
            reading_service_pb2_grpc.add_ReadingServiceServicer_to_server,
            ReadingServicer(pool),
            SERVICE,
        )
        async with in_process_server([service]) as server:
            yield Setup(pool, reading_service_pb2_grpc.ReadingServiceStub(server.channel))


def some_rows(seed: int, count: int = 120, devices: int = 5) -> list[Row]:
    """Rows over two months, many of them at the same moment."""
    source = random.Random(seed)
    return [
        Row(
            f"device-{source.randrange(devices)}",
            _BASE + timedelta(minutes=15 * source.randrange(500)),
            number,
            source.choice([None, source.uniform(-20, 40)]),
            source.choice([None, source.randrange(-(2**40), 2**40)]),
        )
        for number in range(count)
    ]


async def test_every_type_keeps_its_value(setup: Setup) -> None:
    """Each column becomes its own kind of value; a missing field has no entry."""
    deep: object = "bottom"
    for _ in range(60):
        deep = [deep]
    await setup.pool.execute(
        "INSERT INTO readings.weather VALUES "
        "('d', $1, $2, $3, 0, 7, DEFAULT, true, 1.5, -9223372036854775808, 1e30::numeric, false, '', $1, 'x', "
        "$4::text::jsonb, '\\x00ff', $1, $5::text::jsonb)",
        _BASE,
        _BASE + timedelta(microseconds=1),
        UUID(int=5),
        json.dumps({"a": [1, None, "x", True], "n": 2**70}),
        '{"more": 1e9999, "deep": ' + json.dumps(deep) + "}",
    )
    reading = (
        await setup.stub.ListReadings(reading_service_pb2.ListReadingsRequest(filter=reading_filter()))
    ).readings[0]
    fields = {
        name: (value.WhichOneof("kind"), getattr(value, value.WhichOneof("kind") or ""))
        for name, value in reading.fields.items()
    }
    assert fields.pop("shape")[0] == "json_value"
    seen, ts = fields.pop("seen"), fields.pop("ts")
    assert seen == ts
    assert ts[1].ToDatetime(UTC) == _BASE
    assert fields == {
        "temp": ("number_value", 1.5),
        "count": ("integer_value", -(2**63)),
        "big": ("decimal_value", str(10**30)),
        "on": ("boolean_value", False),
        "label": ("string_value", ""),
        "event_time": ("string_value", "x"),
        "raw": ("binary_value", b"\x00\xff"),
    }
    assert json_format.MessageToDict(reading.fields["shape"].json_value) == {
        "a": [1, None, "x", True],
        "n": float(2**70),
    }
    assert set(reading.extra.fields) == {"more", "deep"}
    assert (reading.revision, reading.maybe_duplicate, reading.message_id) == (7, True, str(UUID(int=5)))
    assert reading.receive_time.nanos == 1000


async def test_readings_come_in_order_in_pages(setup: Setup) -> None:
    """Both orders give each reading once, for all devices, some, one and none, within a time range."""
    rows = some_rows(1)
    await setup.put(rows)
    start, end = _BASE + timedelta(days=1), _BASE + timedelta(days=3)
    some = {"device-1", "device-3"}
    for newest in (False, True):
        ordered = sorted((row.key for row in rows), reverse=newest)
        assert await setup.listed(newest=newest) == ordered
        assert await setup.listed(newest=newest, device_ids=["device-2"]) == [
            key for key in ordered if key[1] == "device-2"
        ]
        assert await setup.listed(newest=newest, device_ids=[*some, "nobody"]) == [
            key for key in ordered if key[1] in some
        ]
        many = [*some, *(f"x{number}" for number in range(100))]
        assert await setup.listed(newest=newest, device_ids=many) == [key for key in ordered if key[1] in some]
        inside = [key for key in ordered if start <= key[0] < end]
        assert 0 < len(inside) < len(ordered)
        assert await setup.listed(newest=newest, start_time=start, end_time=end) == inside
        assert await setup.listed(newest=newest, device_ids=["device-2"], start_time=start, end_time=end) == [
            key for key in inside if key[1] == "device-2"
        ]
    assert await setup.listed(device_ids=["nobody", "nul\0"]) == []


async def test_a_token_of_another_list_is_refused(setup: Setup) -> None:
    """Another filter, another order, another method: PAGE_TOKEN_INVALID; another page size goes on."""
    await setup.put(some_rows(2))
    listing = reading_service_pb2.ListReadingsRequest
    token = (await setup.stub.ListReadings(listing(filter=reading_filter(), page_size=3))).next_page_token
    more = await setup.stub.ListReadings(listing(filter=reading_filter(), page_size=9, page_token=token))
    assert len(more.readings) == 9
    newest = reading_service_pb2.READING_ORDER_NEWEST_FIRST
    for request in (
        listing(filter=reading_filter(device_ids=["device-1"]), page_token=token),
        listing(filter=reading_filter(), order=newest, page_token=token),
        listing(filter=reading_filter(), page_token=token[:-2]),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.stub.ListReadings(request)
        assert (caught.value.code(), reason_of(caught.value)[0]) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "PAGE_TOKEN_INVALID",
        )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.stub.ListLatestReadings(
            reading_service_pb2.ListLatestReadingsRequest(filter=reading_filter(), page_token=token)
        )
    assert reason_of(caught.value)[0] == "PAGE_TOKEN_INVALID"


async def test_the_latest_reading_of_each_device(setup: Setup) -> None:
    """One for each device, by device, across partitions, within the filter."""
    rows = some_rows(3, devices=11)
    await setup.put(rows)
    end = _BASE + timedelta(hours=20)

    def newest(chosen: Sequence[Row]) -> list[tuple[str, datetime]]:
        return sorted(
            {
                device: max(row.time for row in chosen if row.device == device)
                for device in {row.device for row in chosen}
            }.items()
        )

    assert await setup.latest() == newest(rows)
    assert await setup.latest(end_time=end) == newest([row for row in rows if row.time < end])
    some = ["device-4", "device-1", "nobody", "device-4", "device-9", "nul\0", "device-7"]
    assert await setup.latest(device_ids=some) == newest([row for row in rows if row.device in some])
    assert await setup.latest(page_size=1, device_ids=some) == newest([row for row in rows if row.device in some])


async def test_an_unknown_contract_is_not_found(setup: Setup) -> None:
    """Also one that is not named at all."""
    for contract in ("nothing", "", "nul\0"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.stub.ListReadings(
                reading_service_pb2.ListReadingsRequest(filter=reading_pb2.ReadingFilter(contract=contract))
            )
        assert (caught.value.code(), reason_of(caught.value)) == (
            grpc.StatusCode.NOT_FOUND,
            ("CONTRACT_NOT_FOUND", {"contract": contract}),
        )


_ALL = [
    reading_service_pb2.AGGREGATE_COUNT,
    reading_service_pb2.AGGREGATE_MIN,
    reading_service_pb2.AGGREGATE_MAX,
    reading_service_pb2.AGGREGATE_AVG,
    reading_service_pb2.AGGREGATE_SUM,
]


def oracle(
    rows: Sequence[Row], window: timedelta | None, *, by_device: bool
) -> dict[tuple[datetime | None, str], list[Row]]:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    buckets: dict[tuple[datetime | None, str], list[Row]] = defaultdict(list)
    for row in rows:
        start = None if window is None else epoch + (row.time - epoch) // window * window
        buckets[start, row.device if by_device else ""].append(row)
    return dict(sorted(buckets.items(), key=lambda item: (item[0][0] or epoch, item[0][1])))


@pytest.mark.parametrize("by_device", [False, True])
@pytest.mark.parametrize("window", [None, timedelta(hours=7), timedelta(days=30)])
async def test_aggregates_equal_those_of_an_oracle(setup: Setup, window: timedelta | None, by_device: bool) -> None:
    """By window and device, nulls left out, over several pages, within the filter."""
    rows = some_rows(4)
    await setup.put(rows)
    start = _BASE + timedelta(hours=9)
    found = await setup.aggregated(
        reading_service_pb2.AggregateReadingsRequest(
            filter=reading_filter(start_time=start, device_ids=["device-0", "device-1", "device-4"]),
            fields=["temp", "count"],
            aggregates=_ALL,
            window=None if window is None else to_duration(window),
            by_device=by_device,
            page_size=4,
        )
    )
    chosen = [row for row in rows if row.time >= start and row.device in {"device-0", "device-1", "device-4"}]
    expected = oracle(chosen, window, by_device=by_device)
    assert [(b.start_time.ToDatetime(UTC) if b.HasField("start_time") else None, b.device_id) for b in found] == list(
        expected
    )
    for bucket, inside in zip(found, expected.values(), strict=True):
        assert bucket.reading_count == len(inside)
        for name in ("temp", "count"):
            values = [value for row in inside if (value := getattr(row, name)) is not None]
            cells = bucket.fields[name]
            assert cells.count == len(values)
            if not values:
                assert not any(cells.HasField(cell) for cell in ("min", "max", "avg", "sum"))
                continue
            assert (cells.min, cells.max) == (min(values), max(values))
            assert cells.sum == pytest.approx(math.fsum(values))
            assert cells.avg == pytest.approx(math.fsum(values) / len(values))


async def test_only_what_was_asked_for_is_computed(setup: Setup) -> None:
    """A field of any type can be counted, and a bucket without readings exists only where all is one bucket."""
    await setup.put([Row("d", _BASE, 1, temp=1.0)])
    request = reading_service_pb2.AggregateReadingsRequest(
        filter=reading_filter(), fields=["label", "shape", "temp"], aggregates=[reading_service_pb2.AGGREGATE_COUNT]
    )
    bucket = (await setup.aggregated(request))[0]
    assert {name: cells.count for name, cells in bucket.fields.items()} == {"label": 0, "shape": 0, "temp": 1}
    assert not bucket.fields["temp"].HasField("min")
    nobody = reading_service_pb2.AggregateReadingsRequest(
        filter=reading_filter(device_ids=["nobody"]), fields=["temp"], aggregates=_ALL
    )
    assert [bucket.reading_count for bucket in await setup.aggregated(nobody)] == [0]
    nobody.by_device = True
    assert await setup.aggregated(nobody) == []


async def test_sums_beyond_a_double_are_computed_all_the_same(setup: Setup) -> None:
    """What leaves a double's range on the way comes back; what stays out of it is infinite."""
    largest = 1.7e308
    await setup.put(
        [Row("a", _BASE + timedelta(seconds=n), n, temp=sign * largest) for n, sign in enumerate((1, 1, -1))]
    )
    await setup.put([Row("b", _BASE + timedelta(seconds=n), 9 + n, temp=largest) for n in range(2)])
    request = reading_service_pb2.AggregateReadingsRequest(
        filter=reading_filter(), fields=["temp"], aggregates=_ALL, by_device=True
    )
    a, b = [bucket.fields["temp"] for bucket in await setup.aggregated(request)]
    assert (a.sum, b.sum, b.max) == (largest, math.inf, largest)
    assert a.avg == pytest.approx(float(Decimal(largest) / 3))


async def test_a_field_that_cannot_be_aggregated_is_refused(setup: Setup) -> None:
    """FIELD_INVALID names contract and field."""
    for field, aggregate in (("nothing", _ALL[0]), ("label", _ALL[1]), ("ts", _ALL[3])):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.stub.AggregateReadings(
                reading_service_pb2.AggregateReadingsRequest(
                    filter=reading_filter(), fields=[field], aggregates=[aggregate]
                )
            )
        assert (caught.value.code(), reason_of(caught.value)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            ("FIELD_INVALID", {"contract": "weather", "field": field}),
        )


async def test_a_window_has_a_length(setup: Setup) -> None:
    """Nothing, less than nothing and less than a microsecond are refused."""
    for window in (Duration(), Duration(seconds=-1), Duration(nanos=1)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.stub.AggregateReadings(
                reading_service_pb2.AggregateReadingsRequest(
                    filter=reading_filter(), fields=["temp"], aggregates=_ALL, window=window
                )
            )
        assert reason_of(caught.value)[0] == "INVALID_REQUEST"


async def test_an_expensive_aggregate_says_so(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement time-out is RESOURCE_EXHAUSTED, QUERY_TOO_EXPENSIVE."""
    await setup.put(some_rows(5))
    monkeypatch.setattr(pages, "STATEMENT_TIMEOUT_MS", 1)
    async with setup.pool.acquire() as blocker, blocker.transaction():
        # The statement waits for this lock, and so for its own time-out.
        await blocker.execute("LOCK TABLE readings.weather IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.stub.AggregateReadings(
                reading_service_pb2.AggregateReadingsRequest(filter=reading_filter(), fields=["temp"], aggregates=_ALL)
            )
    assert (caught.value.code(), reason_of(caught.value)) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        ("QUERY_TOO_EXPENSIVE", {"limit": "time"}),
    )


async def test_long_readings_make_short_pages(setup: Setup) -> None:
    """A page stays below what clients take, and nothing is left out."""
    rows = [Row("d", _BASE + timedelta(seconds=number), number) for number in range(6)]
    await setup.put(rows)
    await setup.pool.execute("UPDATE readings.weather SET label = repeat('x', 900000)")
    first = await setup.stub.ListReadings(reading_service_pb2.ListReadingsRequest(filter=reading_filter()))
    assert len(first.readings) == 3
    assert await setup.listed(page_size=100) == [row.key for row in rows]


async def test_a_contract_without_fields_has_readings(setup: Setup) -> None:
    """The envelope and `extra` are enough."""
    async with setup.pool.acquire() as connection:
        spec = dataclasses.replace(_SPEC, name="bare", fields=(), event_time=None, json_schema=True)
        await create_contract(connection, spec, activate=True)
    await setup.pool.execute(
        "INSERT INTO readings.bare VALUES ('d', $1, $1, $2, 0, 1, DEFAULT, false, '{\"a\": 1}')", _BASE, UUID(int=1)
    )
    page = await setup.stub.ListReadings(
        reading_service_pb2.ListReadingsRequest(filter=reading_pb2.ReadingFilter(contract="bare"))
    )
    assert (dict(page.readings[0].fields), page.readings[0].extra["a"]) == ({}, 1)
