"""Replay, backfill and purge on a real Postgres: what heals is as if the contract had always been so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from dataflow_mesh.testing import PostgresCluster
from dataflow_validator.contracts.spec import ConflictRule, ContractSpec
from dataflow_validator.jobs.records import create_job, get_job
from dataflow_validator.ledger.recount import recount
from dataflow_validator.rejudge import settling, tables
from dataflow_validator.rejudge.page import Page
from dataflow_validator.testing import validator_database

from .rejudge_histories import House, batch, fixed, random_history, spec

STRICT = [
    spec("a", maximum=40),
    spec("b", maximum=40, identity=False),
    spec("c", maximum=40, event_time=False),
    spec("d", maximum=40, event_time=False, identity=False),
]
NAMES = [each.name for each in STRICT]
ROUTES = [("new/a", "a"), ("new/d", "d")]
TOPICS = ["new/a", "new/d"]

Open: TypeAlias = Callable[..., Awaitable[House]]


@pytest.fixture
async def open_house(postgres_server: PostgresCluster) -> AsyncIterator[Open]:
    """Give a maker of databases with contracts."""
    async with AsyncExitStack() as stack:

        async def make(specs: Sequence[ContractSpec], routes: Sequence[tuple[str, str]] = ()) -> House:
            return await House.open(await stack.enter_async_context(validator_database(postgres_server)), specs, routes)

        yield make


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every step take up three items, or batches."""
    monkeypatch.setattr(Page, "of", classmethod(lambda cls, *_, **__: cls(3, 3)))


def counts(result: dict[str, Any]) -> dict[str, Any]:
    """Give what a dry run must foresee."""
    return {"items": result["items"], "contracts": result["contracts"]}


async def refused_and_healed(open_house: Open, seed: int) -> tuple[House, House]:
    """Give a house whose strict contracts are fixed now and one whose contracts always were, after one history."""
    healed = await open_house(STRICT)
    always = await open_house([fixed(each, 100) for each in STRICT], ROUTES)
    for told in random_history(seed, NAMES, batches=8, topics=TOPICS):
        await healed.tell(told)
        await always.tell(told)
    for each in STRICT:
        await healed.revise(fixed(each, 100))
    for topic_filter, contract in ROUTES:
        await healed.route(topic_filter, contract)
    return healed, always


@pytest.mark.parametrize("seed", [3, 6, 11])
@pytest.mark.usefixtures("small_pages")
async def test_a_replay_is_as_if_the_contract_had_always_been_so(open_house: Open, seed: int) -> None:
    """Ids of all kinds, arrays, resends, conflicts and unrouted topics come out the same; the dry run says so before."""
    healed, always = await refused_and_healed(open_house, seed)
    foreseen = await healed.run("REPLAY_QUARANTINED", {"filter": {}}, dry_run=True)
    result = await healed.run("REPLAY_QUARANTINED", {"filter": {}})
    assert await healed.state(*NAMES) == await always.state(*NAMES)
    assert counts(result) == counts(foreseen)
    before = await healed.state(*NAMES)
    await healed.run("REPLAY_QUARANTINED", {"filter": {}})
    assert await healed.state(*NAMES) == before


@pytest.mark.parametrize(("seed", "maximum"), [(6, 100), (11, 100), (3, 30), (4, 30)])
@pytest.mark.usefixtures("small_pages")
async def test_a_backfill_is_as_if_the_revision_had_always_been_there(
    open_house: Open, seed: int, maximum: float
) -> None:
    """Rows that are refused now move to quarantine, refused items become rows, losers take the place of winners."""
    healed = await open_house([fixed(each, 60) for each in STRICT], ROUTES)
    always = await open_house([fixed(each, maximum) for each in STRICT], ROUTES)
    for told in random_history(seed, NAMES, batches=8, topics=TOPICS):
        await healed.tell(told)
        await always.tell(told)
    for each in STRICT:
        await healed.revise(fixed(each, maximum))
        foreseen = await healed.run("BACKFILL", {"contract": each.name}, dry_run=True)
        result = await healed.run("BACKFILL", {"contract": each.name})
        assert counts(result) == counts(foreseen)
    assert await healed.state(*NAMES) == await always.state(*NAMES)
    for name in NAMES:
        again = await healed.run("BACKFILL", {"contract": name})
        assert not {"stored", "updated", "withdrawn"} & {key for each in again["contracts"] for key in each}


@pytest.mark.usefixtures("small_pages")
async def test_a_worker_that_dies_between_writing_and_committing_repeats_and_loses_nothing(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step commits with its checkpoint; another worker goes on where the last one stood."""
    healed, always = await refused_and_healed(open_house, 6)
    async with healed.pool.acquire() as connection:
        job = await create_job(connection, "REPLAY_QUARANTINED", {"filter": {}}, request_id="", created_by="tester")
    write, steps = tables.write, 0

    async def dies(*arguments: Any) -> None:
        nonlocal steps
        await write(*arguments)
        steps += 1
        if steps % 2 == 0:
            raise asyncio.CancelledError

    monkeypatch.setattr(settling, "write", dies)
    deaths = 0
    while True:
        with suppress(asyncio.CancelledError):
            await healed.work(job.job_id)
        async with healed.pool.acquire() as connection:
            if (await get_job(connection, job.job_id)).ended:
                break
        deaths += 1
    assert deaths > 2
    assert await healed.state(*NAMES) == await always.state(*NAMES)


@pytest.mark.usefixtures("small_pages")
async def test_two_replays_at_once_do_what_one_does(open_house: Open) -> None:
    """Their steps take turns, and what one took the other leaves alone."""
    healed, always = await refused_and_healed(open_house, 11)
    await asyncio.gather(*(healed.run("REPLAY_QUARANTINED", {"filter": {}}) for _ in range(2)))
    assert await healed.state(*NAMES) == await always.state(*NAMES)


async def test_a_recount_agrees_after_replay_backfill_and_purge(open_house: Open) -> None:
    """What moved since it was counted is added to the ledger's counts, or taken from them."""
    healed, _ = await refused_and_healed(open_house, 6)
    await healed.run("REPLAY_QUARANTINED", {"filter": {}})
    for each in STRICT:
        await healed.revise(fixed(each, 30))
        await healed.run("BACKFILL", {"contract": each.name})
    await healed.run("PURGE_QUARANTINED", {"filter": {"contract": "a"}})
    now = datetime.now(UTC)
    counted = await recount(healed.pool, now - timedelta(hours=1), now + timedelta(hours=1))
    assert counted.ledger_stored == counted.found_stored > 0
    assert counted.ledger_quarantined == counted.found_quarantined > 0
    assert not counted.differing


async def test_rows_that_heal_mark_their_hours(open_house: Open) -> None:
    """Nobody trusts a rollup of an hour that a replay or a backfill changed."""
    house = await open_house([spec("a", maximum=40)])
    await house.tell(
        batch({"topic": "a/x", "payload": {"device_id": "d", "ts": "2026-09-20T10:00:00Z", "key": "k", "n": 50}})
    )
    assert await house.pool.fetchval("SELECT count(*) FROM validator.rollup_mark") == 0
    await house.revise(spec("a", maximum=100))
    await house.run("REPLAY_QUARANTINED", {"filter": {}})
    await house.revise(spec("a", maximum=10))
    await house.run("BACKFILL", {"contract": "a"})
    marks = await house.pool.fetch("SELECT hour, devices FROM validator.rollup_mark ORDER BY mark_id")
    hour = datetime(2026, 9, 20, 10, tzinfo=UTC)
    assert [(mark["hour"], mark["devices"]) for mark in marks] == [(hour, ["d"]), (hour, ["d"])]


async def test_both_sides_of_a_conflict_stay_rows(open_house: Open) -> None:
    """With --conflict both a backfill finds the later one under the id made of its content."""
    both = spec("a", maximum=100, conflict=ConflictRule.BOTH)
    house = await open_house([both])
    item = {"device_id": "d", "ts": "2026-09-20T10:00:00Z", "key": "k"}
    await house.tell(batch(*({"topic": "a/x", "payload": {**item, "n": n}} for n in (10, 20, 90))))
    assert len(await house.rows("a")) == 3
    await house.revise(fixed(both, 50))
    result = await house.run("BACKFILL", {"contract": "a"})
    assert result["contracts"] == [{"contract": "a", "updated": 2, "withdrawn": 1}]
    assert len(await house.rows("a")) == 2


async def test_what_sql_does_not_take_costs_one_item(open_house: Open) -> None:
    """A row that Postgres refuses stays in quarantine as UNSTORABLE; the others of its page become rows."""
    house = await open_house([spec("a", maximum=40)])
    items = [{"device_id": "d", "ts": "2026-09-20T10:00:00Z", "key": f"k{n}", "n": 50 + n} for n in range(8)]
    await house.tell(batch(*({"topic": "a/x", "payload": item} for item in items)))
    await house.pool.execute('ALTER TABLE readings."a" ADD CONSTRAINT unlucky CHECK (n <> 53)')
    await house.revise(spec("a", maximum=100))
    result = await house.run("REPLAY_QUARANTINED", {"filter": {}})
    assert result["contracts"] == [{"contract": "a", "stored": 7, "refused": 1}]
    assert await house.pool.fetchval("SELECT kind FROM validator.quarantine") == "UNSTORABLE"


async def test_a_purge_deletes_what_the_filter_chooses_and_is_audited(open_house: Open) -> None:
    """A dry run counts; the real run deletes, and says who did it."""
    house = await open_house([spec("a", maximum=40)])
    bad = [{"topic": "a/x", "payload": {"device_id": f"d{n % 2}", "ts": "2026-09-20T10:00:00Z"}} for n in range(6)]
    await house.tell(batch(*bad, {"topic": "a/x", "payload": b"{"}))
    wanted = {"filter": {"deviceIds": ["d0"]}}
    kept = await house.pool.fetchval("SELECT count(*) FROM validator.quarantine WHERE device_id <> 'd0'")
    gone = await house.pool.fetchval("SELECT count(*) FROM validator.quarantine WHERE device_id = 'd0'")
    assert gone > 0
    assert (await house.run("PURGE_QUARANTINED", wanted, dry_run=True))["purged"] == gone
    assert (await house.run("PURGE_QUARANTINED", wanted))["purged"] == gone
    assert await house.pool.fetchval("SELECT count(*) FROM validator.quarantine") == kept
    events = await house.pool.fetch("SELECT actor, action, detail FROM validator.audit_event ORDER BY event_id")
    assert [(event["actor"], event["action"]) for event in events] == [
        ("tester", "PurgeQuarantined"),
        ("tester", "PurgeQuarantined finished"),
    ]


async def test_a_resend_of_what_takes_its_key_back_leaves_quarantine(open_house: Open) -> None:
    """The first came as a message and as an element, both refused; a later one was accepted: the first is the row, once."""
    house = await open_house([spec("a", maximum=40)])
    item = {"device_id": "d", "ts": "2026-09-20T10:00:00Z", "key": "k", "n": 50}
    later = {"topic": "a/x", "payload": {**item, "n": 20}}
    await house.tell(batch({"topic": "a/x", "payload": item}, {"topic": "a/x", "payload": [{}, item]}, later))
    await house.revise(spec("a", maximum=100))
    result = await house.run("REPLAY_QUARANTINED", {"filter": {}})
    assert result["swapped"] == 1
    assert await house.pool.fetchval('SELECT n FROM readings."a"') == 50
    kept = await house.pool.fetch("SELECT kind FROM validator.quarantine ORDER BY kind")
    assert [row["kind"] for row in kept] == ["CONFLICT", "REFUSED"]


async def test_a_resend_as_another_element_goes_to_quarantine_with_its_row(open_house: Open) -> None:
    """Refused from the start, a message and the same item within an array would both have been in quarantine."""
    item = {"device_id": "d", "ts": "2026-09-20T10:00:00Z", "key": "k", "n": 50}
    history = [batch({"topic": "a/x", "payload": item}), batch({"topic": "a/x", "payload": [{}, item]}, at=1)]
    healed, always = await open_house([spec("a", maximum=100)]), await open_house([spec("a", maximum=40)])
    for told in history:
        await healed.tell(told)
        await always.tell(told)
    await healed.revise(spec("a", maximum=40))
    foreseen = await healed.run("BACKFILL", {"contract": "a"}, dry_run=True)
    assert counts(await healed.run("BACKFILL", {"contract": "a"})) == counts(foreseen)
    assert await healed.state("a") == await always.state("a")
    await healed.run("BACKFILL", {"contract": "a"})
    assert await healed.state("a") == await always.state("a")
