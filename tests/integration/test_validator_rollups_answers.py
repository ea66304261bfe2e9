"""AggregateReadings over gRPC: answers from rollups equal those from rows, whatever is marked and however it is asked."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from dataflow.validator.v1 import reading_pb2, reading_service_pb2, reading_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.readings import aggregate_service
from dataflow_validator.readings.aggregate_ranges import Sources
from dataflow_validator.readings.partitions import Partitions, months_of
from dataflow_validator.readings.service import SERVICE, ReadingServicer
from dataflow_validator.rollups.marks import mark, mark_hours
from dataflow_validator.rollups.worker import RollupWorker
from dataflow_validator.testing import validator_database
from google.protobuf import json_format

pytestmark = pytest.mark.postgres

_BASE = datetime(2024, 3, 29, tzinfo=UTC)
_SPEC = ContractSpec(
    "weather",
    fields=(
        FieldSpec("temp", FieldType.NUMBER, required=False),
        FieldSpec("count", FieldType.INTEGER, required=False),
        FieldSpec("label", FieldType.STRING, required=False),
        FieldSpec("on", FieldType.BOOLEAN, required=False),
        FieldSpec("ts", FieldType.TIMESTAMP),
    ),
    event_time="ts",
)
_ROWS, _MIXED, _ROLLUPS = (
    reading_service_pb2.AGGREGATE_SOURCE_ROWS,
    reading_service_pb2.AGGREGATE_SOURCE_MIXED,
    reading_service_pb2.AGGREGATE_SOURCE_ROLLUPS,
)
_OF_ROLLUPS = ["COUNT", "MIN", "MAX", "AVG", "SUM", "FIRST", "LAST"]


@dataclass
class Setup:
    pool: Pool
    stub: "reading_service_pb2_grpc.ReadingServiceAsyncStub"
    worker: RollupWorker

    async def put(self, rng: random.Random, amount: int, *, days: float = 5) -> None:
        rows = [
            (
                f"d{rng.randrange(5)}",
                # Some of several devices, and of one device, are of one moment.
                _BASE + timedelta(seconds=rng.randrange(int(days * 86_400)) // 300 * 300),
                UUID(int=rng.getrandbits(100)),
                rng.choice((None, rng.uniform(-1, 1) * 10.0 ** rng.randrange(-3, 4))),
                rng.choice((None, rng.randrange(-(2**60), 2**60))),
                rng.choice((None, "a", "b", "=")),
                rng.choice((None, True, False)),
            )
            for _ in range(amount)
        ]
        await Partitions().ensure(self.pool, "weather", months_of(row[1] for row in rows))
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.executemany(
                "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, "
                'temp, count, label, "on") VALUES ($1, $2, $2, $3, 0, 1, $4, $5, $6, $7)',
                rows,
            )
            await mark(connection, "weather", [(row[1], row[0]) for row in rows])

    async def ask(self, **parts: Any) -> list[reading_service_pb2.AggregateReadingsResponse]:
        """Asks for all pages."""
        request = aggregate_request(**parts)
        pages = []
        while True:
            pages.append(await self.stub.AggregateReadings(request))
            if not (token := pages[-1].next_page_token):
                return pages
            request.page_token = token

    async def check(self, **parts: Any) -> int:
        """Compares the answer with the one from rows; returns what it came from."""
        pages = await self.ask(**parts)
        compare(pages, await self.ask(**parts, source="AGGREGATE_SOURCE_ROWS"))
        return pages[0].origin.source


def aggregate_request(
    *,
    fields: Sequence[str] = ("temp", "count"),
    functions: Sequence[str] = _OF_ROLLUPS,
    start: datetime | None = None,
    end: datetime | None = None,
    window: timedelta | None = None,
    step: timedelta | None = None,
    offset: timedelta | None = None,
    devices: Sequence[str] = (),
    **parts: Any,
) -> reading_service_pb2.AggregateReadingsRequest:
    request = reading_service_pb2.AggregateReadingsRequest(
        filter=reading_pb2.ReadingFilter(contract="weather", device_ids=devices),
        fields=fields,
        aggregates=[reading_service_pb2.Aggregate.Value(f"AGGREGATE_{function}") for function in functions],
        **parts,
    )
    if start is not None:
        request.filter.start_time.FromDatetime(start)
    if end is not None:
        request.filter.end_time.FromDatetime(end)
    for name, length in (("window", window), ("step", step), ("offset", offset)):
        if length is not None:
            getattr(request, name).FromTimedelta(length)
    return request


def compare(
    found: Sequence[reading_service_pb2.AggregateReadingsResponse],
    wanted: Sequence[reading_service_pb2.AggregateReadingsResponse],
) -> None:
    """Everything is equal, but for sums and means of doubles: those are within 1e-9 of all that was added."""
    ours, theirs = ([bucket for page in pages for bucket in page.buckets] for pages in (found, wanted))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        if "temp" in other.fields:
            for name in ("sum", "avg"):
                a, b = getattr(one.fields["temp"], name), getattr(other.fields["temp"], name)
                assert math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-9)
                one.fields["temp"].ClearField(name)
                other.fields["temp"].ClearField(name)
        assert json_format.MessageToDict(one) == json_format.MessageToDict(other)


@pytest.fixture
async def setup(postgres_server: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(postgres_server) as pool:
        async with pool.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
        add = reading_service_pb2_grpc.add_ReadingServiceServicer_to_server
        async with in_process_server([(add, ReadingServicer(pool), SERVICE)]) as server:
            yield Setup(pool, reading_service_pb2_grpc.ReadingServiceStub(server.channel), RollupWorker(pool))


async def test_answers_with_and_without_rollups_are_equal(setup: Setup) -> None:
    """Whatever windows, zones, ranges, devices and marks: rollups give what rows give."""
    rng = random.Random(1)
    await setup.put(rng, 2_000)
    await setup.worker.settle()
    hour, day = timedelta(hours=1), timedelta(days=1)
    seen = set()
    for number in range(60):
        if number % 10 == 5:
            await setup.put(rng, rng.choice((1, 30)))  # stays marked until the next settling
        if number % 20 == 19:
            await setup.worker.settle()
        step = rng.choice((None, hour, 3 * hour, day, 2 * day, timedelta(minutes=90)))
        overlap = rng.choice((None, 1, 2, 5))
        zone = rng.choice(("", "Europe/Berlin", "Asia/Kolkata")) if step is not None and not step % day else ""
        start, end = (
            _BASE + timedelta(minutes=rng.choice((0, rng.randrange(8_000), rng.randrange(100) * 60))) for _ in range(2)
        )
        origin = await setup.check(
            start=rng.choice((None, start)),
            end=rng.choice((None, start + (end - _BASE))),
            window=step * (overlap or 1) if step else None,
            step=step if step and overlap else None,
            offset=rng.choice((None, 5 * hour, -hour, timedelta(minutes=7))) if step else None,
            time_zone=zone,
            devices=rng.choice(((), ("d1",), ("d0", "d3", "nobody"))),
            by_device=rng.random() < 0.5,
            functions=rng.sample(_OF_ROLLUPS, rng.randrange(1, 8)),
            page_size=rng.choice((3, 1_000)),
        )
        seen.add(origin)
    assert seen == {_ROWS, _MIXED, _ROLLUPS}


async def test_rollups_answer_what_they_can_and_say_so(setup: Setup) -> None:
    """Whole clean hours come from rollups, a part of an hour from rows, what rollups do not hold from rows only."""
    await setup.put(random.Random(2), 500)
    await setup.worker.settle()
    hour = timedelta(hours=1)
    assert await setup.check() == _ROLLUPS
    assert await setup.check(window=hour, by_device=True) == _ROLLUPS
    assert await setup.check(window=24 * hour, time_zone="America/New_York") == _ROLLUPS
    assert await setup.check(window=24 * hour, time_zone="Asia/Kolkata") == _ROWS
    assert await setup.check(start=_BASE + timedelta(minutes=5)) == _MIXED
    assert await setup.check(window=timedelta(minutes=30)) == _ROWS
    assert await setup.check(functions=["COUNT"], fields=["label", "on"]) == _ROLLUPS
    assert await setup.check(functions=["LAST"], fields=["label", "on"]) == _ROWS
    assert await setup.check(functions=["STDDEV"]) == _ROWS


async def test_a_marked_device_is_read_from_rows(setup: Setup) -> None:
    """Of an hour with a mark only the marked device is read from rows; another device's answer comes from rollups."""
    rng = random.Random(3)
    await setup.put(rng, 500)
    await setup.worker.settle()
    async with setup.pool.acquire() as connection:
        await connection.execute("UPDATE readings.weather SET count = 7 WHERE device_id = 'd1'")
        await mark_hours(connection, {"weather": {_BASE + timedelta(hours=h): {"d1"} for h in range(120)}})
    assert await setup.check(by_device=True) == _MIXED
    assert await setup.check(window=timedelta(hours=1)) == _MIXED
    assert await setup.check(devices=["d2"]) == _ROLLUPS


async def test_answers_are_of_one_moment(setup: Setup) -> None:
    """While rows come and are rolled up, an answer of rollups and rows counts what was committed, once."""
    await setup.put(random.Random(4), 200, days=1)
    await setup.worker.settle()
    done = asyncio.Event()

    async def write() -> None:
        for seed in range(25):
            # 100 rows in one transaction: every count is a whole number of hundreds.
            await setup.put(random.Random(100 + seed), 100, days=1)
        done.set()

    async def work() -> None:
        while not done.is_set():
            await setup.worker.settle()

    async def read() -> None:
        while not done.is_set():
            page = (await setup.ask(functions=["COUNT"]))[0]
            assert page.buckets[0].reading_count % 100 == 0

    async with asyncio.TaskGroup() as tasks:
        for task in (write, work, read, read):
            tasks.create_task(task())
    assert await setup.check() in (_MIXED, _ROLLUPS)


async def test_what_is_committed_in_between_is_in_no_part_of_an_answer(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that come after it was decided what to read from where are not seen where rows are read."""
    await setup.put(random.Random(9), 200, days=1)
    await setup.worker.settle()
    request: dict[str, Any] = {"start": _BASE + timedelta(minutes=1), "functions": ["COUNT"]}
    before = (await setup.ask(**request))[0]
    assert before.origin.source == _MIXED
    decide = aggregate_service._sources

    async def decide_and_write(*arguments: Any) -> Sources:
        decided = await decide(*arguments)
        await setup.put(random.Random(10), 100, days=0.04)  # within the first hour, of which rows are read
        return decided

    monkeypatch.setattr(aggregate_service, "_sources", decide_and_write)
    assert (await setup.ask(**request))[0].buckets == before.buckets


async def test_sums_that_rollups_do_not_hold_come_from_rows(setup: Setup) -> None:
    """A sum whose parts pass the range of doubles is answered from rows, exactly."""
    async with setup.pool.acquire() as connection, connection.transaction():
        await connection.executemany(
            "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, temp) "
            "VALUES ('d', $1, $1, $2, 0, 1, $3)",
            [(_BASE, UUID(int=n), value) for n, value in enumerate((1.7e308, 1.7e308, -1.7e308))],
        )
        await mark(connection, "weather", [(_BASE, "d")])
    await setup.worker.settle()
    page = (await setup.ask(functions=["SUM", "AVG", "MAX"], fields=["temp"]))[0]
    assert page.origin.source == _ROWS
    assert page.buckets[0].fields["temp"].sum == 1.7e308
    assert (await setup.ask(functions=["MAX"], fields=["temp"]))[0].origin.source == _ROLLUPS


async def test_what_rows_can_tell_equals_an_oracle(setup: Setup) -> None:
    """Percentiles, median, deviation, distinct values and the mode, in all and by the value of a field."""
    await setup.put(random.Random(5), 400)
    rows = await setup.pool.fetch('SELECT temp, count, label, "on" FROM readings.weather')
    request: dict[str, Any] = {"functions": ["MEDIAN", "STDDEV", "DISTINCT"], "percentiles": [0.1, 0.95]}
    cells = (await setup.ask(fields=["temp"], **request))[0].buckets[0].fields["temp"]
    values: list[float] = sorted(row["temp"] for row in rows if row["temp"] is not None)
    mean = math.fsum(values) / len(values)

    def percentile(p: float) -> float:
        place = p * (len(values) - 1)
        low = values[math.floor(place)]
        return low + (values[math.ceil(place)] - low) * (place - math.floor(place))

    assert cells.median == pytest.approx(percentile(0.5))
    assert list(cells.percentiles) == pytest.approx([percentile(0.1), percentile(0.95)])
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    assert cells.stddev == pytest.approx(deviation)
    assert cells.distinct == len(set(values))

    pages = await setup.ask(fields=["label", "on"], functions=["COUNT", "MODE"], group_by="label", page_size=1)
    buckets = [bucket for page in pages for bucket in page.buckets]
    groups = [bucket.group.string_value if bucket.HasField("group") else None for bucket in buckets]
    assert groups == [None, "=", "a", "b"]
    for bucket, group in zip(buckets, groups, strict=True):
        own = [row for row in rows if row["label"] == group]
        assert bucket.reading_count == len(own)
        assert bucket.fields["on"].count == sum(row["on"] is not None for row in own)
        assert bucket.fields["label"].mode.string_value == (group or "")
    by_flag = (await setup.ask(functions=["COUNT"], group_by="on"))[0].buckets
    assert [(b.HasField("group"), b.group.boolean_value) for b in by_flag] == [
        (False, False),
        (True, False),
        (True, True),
    ]


async def test_integer_sums_are_exact(setup: Setup) -> None:
    """A sum of integers is also given as text, with every digit."""
    await setup.put(random.Random(6), 300)
    await setup.worker.settle()
    total = await setup.pool.fetchval("SELECT sum(count)::text FROM readings.weather")
    page = (await setup.ask(functions=["SUM"], fields=["count"]))[0]
    assert page.origin.source == _ROLLUPS
    assert page.buckets[0].fields["count"].decimal_sum == total


async def test_moving_windows_overlap(setup: Setup) -> None:
    """A window of three hours each hour holds each reading three times."""
    await setup.put(random.Random(7), 200, days=1)
    await setup.worker.settle()
    hour = timedelta(hours=1)
    buckets = (await setup.ask(window=3 * hour, step=hour))[0].buckets
    starts = [bucket.start_time.ToDatetime(UTC) for bucket in buckets]
    assert starts[0] == _BASE - 2 * hour
    assert sum(bucket.reading_count for bucket in buckets) == 600
    for start, bucket in zip(starts, buckets, strict=True):
        count = await setup.pool.fetchval(
            "SELECT count(*) FROM readings.weather WHERE event_time >= $1 AND event_time < $2", start, start + 3 * hour
        )
        assert bucket.reading_count == count


async def test_days_of_a_zone_begin_at_its_midnight(setup: Setup) -> None:
    """Also the day on which clocks change is one window."""
    await setup.put(random.Random(8), 300)
    day = timedelta(days=1)
    buckets = (await setup.ask(window=day, time_zone="Europe/Berlin"))[0].buckets
    starts = [bucket.start_time.ToDatetime(UTC) for bucket in buckets]
    assert starts == [datetime(2024, 3, d, 23, tzinfo=UTC) for d in (28, 29, 30)] + [
        datetime(2024, m, d, 22, tzinfo=UTC) for m, d in ((3, 31), (4, 1), (4, 2))
    ]


@pytest.mark.parametrize(
    "parts",
    [
        {"step": timedelta(hours=1)},
        {"time_zone": "Europe/Berlin"},
        {"window": timedelta(hours=1), "time_zone": "Europe/Berlin"},
        {"window": timedelta(days=1), "time_zone": "../etc/passwd"},
        {"window": timedelta(days=1), "time_zone": "Nowhere"},
        {"window": timedelta(hours=1), "step": timedelta(hours=2)},
        {"window": timedelta(hours=1), "step": timedelta(minutes=25)},
        {"window": timedelta(hours=1), "step": timedelta(seconds=1)},
        {"functions": []},
        {"group_by": "temp"},
        {"group_by": "nothing"},
        {"fields": ["label"], "functions": ["MIN"]},
        {"fields": ["label"], "functions": ["COUNT"], "percentiles": [0.5]},
    ],
)
async def test_what_makes_no_sense_is_refused(setup: Setup, parts: dict[str, Any]) -> None:
    """Windows, zones, groups and functions that do not fit are refused, not guessed at."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.ask(**parts)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
