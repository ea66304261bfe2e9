"""QuarantineService over gRPC, on a real Postgres."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import grpc
import pytest
from dataflow.validator.v1 import quarantine_pb2, quarantine_service_pb2, quarantine_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.routes import matches
from dataflow_validator.parked.retry import ParkedRetry
from dataflow_validator.quarantine.filters import Wanted, conditions
from dataflow_validator.quarantine.queries import quarantine_query
from dataflow_validator.quarantine.service import SERVICE, QuarantineServicer
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.readings.queries import Query
from dataflow_validator.testing import reason_of, validator_database

pytestmark = pytest.mark.postgres

_BASE = datetime(2024, 1, 1, tzinfo=UTC)
_REFUSED = quarantine_pb2.QUARANTINE_KIND_REFUSED
_UNROUTED = quarantine_pb2.QUARANTINE_KIND_UNROUTED


@dataclass
class Setup:
    pool: Pool
    stub: "quarantine_service_pb2_grpc.QuarantineServiceAsyncStub"

    async def put(
        self,
        number: int,
        *,
        contract: str = "weather",
        kind: str = "REFUSED",
        device: str = "d1",
        path: str = "/temp",
        rule: str = "maximum",
        payload: bytes = b"{}",
        id_kind: bytes = b"a",
        topic: str = "a/b",
    ) -> UUID:
        message_id = uuid4()
        reasons = [
            {"path": path, "rule": rule, "expected": "60", "actual": "99", "message": "too hot"},
            {"path": "/other", "rule": "required", "expected": "a value", "actual": "nothing", "message": "missing"},
        ]
        await self.pool.execute(
            "INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, "
            "receive_time, event_time, message_id, id_kind, content_hash, batch_id, position) "
            "VALUES ($1, 1, $2, $3, $9, $4, 3, $5::text::jsonb, $6, NULL, $7, $8, 1, gen_random_uuid(), 0)",
            contract,
            kind,
            device,
            payload,
            json.dumps(reasons),
            _BASE + timedelta(seconds=number),
            message_id,
            id_kind,
            topic,
        )
        return message_id

    async def listed(self, page_size: int = 2, **filter_: object) -> list[int]:
        """The receive times, in seconds after the base, of all pages."""
        found, token = [], ""
        while True:
            page = await self.stub.ListQuarantined(
                quarantine_service_pb2.ListQuarantinedRequest(
                    filter=quarantine_pb2.QuarantineFilter(**filter_),  # type: ignore[arg-type]
                    page_size=page_size,
                    page_token=token,
                )
            )
            found += [item.receive_time.ToSeconds() - int(_BASE.timestamp()) for item in page.items]
            if not (token := page.next_page_token):
                return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(cluster) as pool:
        service = (
            quarantine_service_pb2_grpc.add_QuarantineServiceServicer_to_server,
            QuarantineServicer(pool, ParkedRetry(pool, Registry(), Partitions())),
            SERVICE,
        )
        async with in_process_server([service]) as server:
            yield Setup(pool, quarantine_service_pb2_grpc.QuarantineServiceStub(server.channel))


async def test_an_item_comes_with_its_bytes_and_all_reasons(setup: Setup) -> None:
    """What was stored is shown as it is, reasons in their order."""
    message_id = await setup.put(1, payload=b"\x00\xff{")
    page = await setup.stub.ListQuarantined(quarantine_service_pb2.ListQuarantinedRequest())
    item = page.items[0]
    assert (item.kind, item.contract, item.revision, item.device_id) == (_REFUSED, "weather", 1, "d1")
    assert (item.topic, item.payload, item.element, item.message_id) == ("a/b", b"\x00\xff{", 3, str(message_id))
    assert [(reason.path, reason.rule, reason.expected, reason.actual, reason.message) for reason in item.reasons] == [
        ("/temp", "maximum", "60", "99", "too hot"),
        ("/other", "required", "a value", "nothing", "missing"),
    ]
    assert not item.HasField("event_time")
    assert item.HasField("quarantine_time")
    got = await setup.stub.GetQuarantined(
        quarantine_service_pb2.GetQuarantinedRequest(quarantine_id=item.quarantine_id)
    )
    assert got.item == item


async def test_an_id_that_a_bridge_gave_is_not_shown(setup: Setup) -> None:
    """Where nothing identifies the item its message id is empty."""
    await setup.put(1, id_kind=b"d")
    page = await setup.stub.ListQuarantined(quarantine_service_pb2.ListQuarantinedRequest())
    assert page.items[0].message_id == ""


async def test_items_are_listed_newest_first_by_each_filter(setup: Setup) -> None:
    """Every filter selects exactly its items, over several pages, along whichever index it takes."""
    await setup.put(0)
    await setup.put(1, kind="CONFLICT")
    await setup.put(2, contract="other")
    await setup.put(3, contract="", kind="UNROUTED", device="d2")
    await setup.put(4, device="d2", path="/hum", rule="type")
    await setup.put(5, path="/hum")
    assert await setup.listed() == [5, 4, 3, 2, 1, 0]
    assert await setup.listed(contract="weather") == [5, 4, 1, 0]
    assert await setup.listed(contract="weather", kinds=[_REFUSED]) == [5, 4, 0]
    assert await setup.listed(kinds=[_UNROUTED, quarantine_pb2.QUARANTINE_KIND_CONFLICT]) == [3, 1]
    assert await setup.listed(device_ids=["d2", "d2", "nobody"]) == [4, 3]
    assert await setup.listed(device_ids=["d2", *(f"x{number}" for number in range(100))]) == [4, 3]
    assert await setup.listed(contract="weather", device_ids=["d2"]) == [4]
    assert await setup.listed(path="/hum") == [5, 4]
    assert await setup.listed(path="/hum", rule="type") == [4]
    assert await setup.listed(rule="required") == [5, 4, 3, 2, 1, 0]
    assert await setup.listed(path="/temp", rule="type") == []
    start, end = _BASE + timedelta(seconds=2), _BASE + timedelta(seconds=4)
    assert await setup.listed(start_time=start, end_time=end) == [3, 2]
    assert await setup.listed(revision=2) == []
    assert await setup.listed(contract="nul\0") == await setup.listed(device_ids=["nul\0"]) == []


async def test_a_token_of_another_filter_is_refused(setup: Setup) -> None:
    """PAGE_TOKEN_INVALID; another page size is fine."""
    for number in range(4):
        await setup.put(number)
    ask = setup.stub.ListQuarantined
    first = await ask(quarantine_service_pb2.ListQuarantinedRequest(page_size=2))
    again = await ask(quarantine_service_pb2.ListQuarantinedRequest(page_size=1, page_token=first.next_page_token))
    assert len(again.items) == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(
            quarantine_service_pb2.ListQuarantinedRequest(
                filter=quarantine_pb2.QuarantineFilter(contract="weather"), page_token=first.next_page_token
            )
        )
    assert reason_of(caught.value)[0] == "PAGE_TOKEN_INVALID"


async def test_long_payloads_make_short_pages(setup: Setup) -> None:
    """A page stays below what clients take, and nothing is left out."""
    for number in range(5):
        await setup.put(number, payload=b"x" * 1_000_000)
    assert await setup.listed(page_size=100) == [4, 3, 2, 1, 0]


async def test_an_unknown_item_is_not_found(setup: Setup) -> None:
    """Whatever the id looks like."""
    for quarantine_id in ("1", "0", "x", "99999999999999999999", "9999999999999999999", "-1", "²"):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await setup.stub.GetQuarantined(quarantine_service_pb2.GetQuarantinedRequest(quarantine_id=quarantine_id))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert reason_of(caught.value) == ("QUARANTINED_NOT_FOUND", {"id": quarantine_id})


async def test_a_topic_filter_chooses_what_it_matches(setup: Setup) -> None:
    """Over many filters and topics, Postgres finds exactly what routes would."""
    levels = ["a", "b.c", "d e", "", "é", "x_1", "100%", "a+", "[z]", "\\d", "(q|r)", "{2}", "^", "line\nbreak"]
    dice = random.Random(7)
    topics = sorted(
        {"/".join(dice.choices(levels, k=dice.randint(1, 4))) for _ in range(400)} - {""} | {"$SYS/a", "$a"}
    )
    for number, topic in enumerate(topics):
        await setup.put(number, kind="UNROUTED", contract="", topic=topic)
    stored = await setup.pool.fetch("SELECT topic FROM validator.quarantine")
    for _ in range(400):
        parts = dice.choices([level for level in levels if "+" not in level] + ["+"] * 4, k=dice.randint(1, 4))
        topic_filter = "/".join([*parts, *dice.choice([[], [], ["#"]])])
        if not topic_filter:
            continue
        query = Query()
        query.sql = " AND ".join(conditions(query, Wanted(topic_filter=topic_filter)))
        found = await setup.pool.fetch(
            f"SELECT topic FROM validator.quarantine q WHERE {query.sql}",
            *query.arguments,
        )
        expected = {row["topic"] for row in stored if matches(topic_filter, row["topic"])}
        assert {row["topic"] for row in found} == expected, topic_filter


async def test_pages_of_a_time_range_hold_what_was_received_in_it(setup: Setup) -> None:
    """Whatever the order in which items were quarantined."""
    for number in (5, 1, 9, 3, 8, 2, 7, 4, 6):
        await setup.put(number)
    start, end = (_BASE + timedelta(seconds=number) for number in (3, 8))
    assert sorted(await setup.listed(start_time=start, end_time=end)) == [3, 4, 5, 6, 7]
    assert await setup.listed(start_time=_BASE + timedelta(hours=1)) == []


async def test_items_are_counted_by_their_root_cause(setup: Setup) -> None:
    """By contract, kind, clause and field of the first reason; elements of arrays are one field."""
    for number in range(5):
        await setup.put(number, device=f"d{number % 2}", path=f"/list/{number}/v")
    await setup.put(7, rule="type", path="/n")
    await setup.put(8, kind="UNROUTED", contract="", rule="route", path="")
    request = quarantine_service_pb2.SummarizeQuarantinedRequest()
    summary = await setup.stub.SummarizeQuarantined(request)
    assert [(group.contract, group.rule, group.path, group.items, group.devices) for group in summary.groups] == [
        ("weather", "maximum", "/list/*/v", 5, 2),
        ("", "route", "", 1, 1),
        ("weather", "type", "/n", 1, 1),
    ]
    assert (summary.summarized, summary.complete, summary.total_items) == (7, True, 7)
    first = summary.groups[0]
    assert (first.first_receive_time.ToSeconds(), first.last_receive_time.ToSeconds()) == (
        int(_BASE.timestamp()),
        int(_BASE.timestamp()) + 4,
    )
    request.filter.rule = "type"
    assert [group.items for group in (await setup.stub.SummarizeQuarantined(request)).groups] == [1]


async def test_an_export_streams_items_with_their_bytes_and_goes_on_where_it_broke(setup: Setup) -> None:
    """Oldest first, as lines that can be replayed."""
    for number in range(450):
        await setup.put(number, payload=b"\xff" if number == 449 else b"x" * 9_000, device="d1" if number % 2 else "d2")
    request = quarantine_service_pb2.ExportQuarantinedRequest(filter=quarantine_pb2.QuarantineFilter(device_ids=["d1"]))
    chunks = [chunk async for chunk in setup.stub.ExportQuarantined(request)]
    assert len(chunks) > 1
    lines = [json.loads(line) for chunk in chunks for line in chunk.data.splitlines()]
    assert len(lines) == sum(chunk.items for chunk in chunks) == 225
    assert (lines[0]["topic"], lines[0]["payload"], lines[0]["quarantine"]["device_id"]) == ("a/b", "x" * 9_000, "d1")
    assert lines[-1]["payload_base64"] == "/w=="
    assert lines[0]["quarantine"]["reasons"][0]["rule"] == "maximum"
    request.after_quarantine_id = chunks[0].last_quarantine_id
    rest = [chunk async for chunk in setup.stub.ExportQuarantined(request)]
    assert b"".join(chunk.data for chunk in rest) == b"".join(chunk.data for chunk in chunks[1:])


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_a_page_does_not_look_at_items_of_other_kinds(setup: Setup, oldest_first: bool) -> None:
    """Whatever the planner thinks of a kind without items: with a million others, each page would take a second."""
    await setup.pool.execute(
        "INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, "
        "receive_time, message_id, id_kind, content_hash, batch_id, position) "
        "SELECT 'weather', 1, 'REFUSED', 'd' || n % 9, 'a/b', '{}', 0, '[]', $1, gen_random_uuid(), 'a', 1, "
        "gen_random_uuid(), 0 FROM generate_series(1, 20000) n",
        _BASE,
    )
    await setup.pool.execute("ANALYZE validator.quarantine")
    low = await setup.pool.fetchval("SELECT min(quarantine_id) + 5000 FROM validator.quarantine")
    for wanted in (Wanted("weather"), Wanted(device_ids=("d1", "nobody"))):
        query = quarantine_query(wanted, 100, low=low, oldest_first=oldest_first)
        (plan,) = json.loads(await setup.pool.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.sql}", *query.arguments))
        assert "Rows Removed by Filter" not in json.dumps(plan)
