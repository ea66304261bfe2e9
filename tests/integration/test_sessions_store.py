"""What every session store does: the one in Postgres, and the one in memory that unit tests use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import resources
from uuid import UUID, uuid4

import asyncpg
import pytest
from dataflow_bridge.sessions.store import (
    Claim,
    Late,
    Release,
    SessionStore,
    SessionStoreAwayError,
    Standing,
    StoredWill,
)
from dataflow_bridge.sessions.table import SessionTable
from dataflow_bridge.sessions.testing import MemorySessionStore, SharedSessions
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import connect, connect_pool

KEY = ("token", "client")
WILL = StoredWill("last/words", b"\x00bye", "d", "text/plain", "id-1")
LASTING = Claim(KEY, "d", clean_start=False, expiry_seconds=100)


@dataclass
class Bridges:
    """Two bridges on one store."""

    one: SessionStore
    two: SessionStore
    one_boot_id: UUID
    told: list[int]
    """Epochs that the first one was told to have lost."""
    pass_time: Callable[[float], Awaitable[None]]
    """Let time pass for the store."""
    heard: Callable[[], Awaitable[None]]
    """Wait until what was told has arrived."""


@pytest.fixture(params=["memory", "postgres"])
async def bridges(request: pytest.FixtureRequest) -> AsyncIterator[Bridges]:
    """Give two bridges, of which the first one listens."""
    told: list[int] = []
    boot_ids = uuid4(), uuid4()
    if request.param == "memory":
        now = [1000.0]
        shared = SharedSessions(lambda: now[0])
        shared.listeners[boot_ids[0]] = told.append

        async def pass_memory(seconds: float) -> None:
            now[0] += seconds

        async def nothing() -> None:
            pass

        one, two = (MemorySessionStore(shared, boot_id) for boot_id in boot_ids)
        yield Bridges(one, two, boot_ids[0], told, pass_memory, nothing)
        return
    dsn = request.getfixturevalue("postgres")
    async with await connect_pool(dsn, max_size=4) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, "bridge", resources.files("dataflow_bridge") / "migrations")

        async def pass_postgres(seconds: float) -> None:
            await pool.execute(
                """UPDATE bridge.session SET claim_time = claim_time - $1::interval, end_time = end_time - $1::interval,
                       will_time = will_time - $1::interval""",
                timedelta(seconds=seconds),
            )

        listener = await connect(dsn)
        arrived = asyncio.Event()

        def on_notify(connection: object, pid: int, channel: str, payload: object) -> None:
            if channel == "mark":
                arrived.set()
            else:
                told.append(int(str(payload)))

        await listener.add_listener(f"dataflow_bridge_{boot_ids[0].hex}", on_notify)
        await listener.add_listener("mark", on_notify)

        async def heard() -> None:
            arrived.clear()
            await pool.execute("SELECT pg_notify('mark', '')")
            await arrived.wait()

        tables = [SessionTable(pool, f"bridge-{n}", boot_id) for n, boot_id in enumerate(boot_ids)]
        yield Bridges(tables[0], tables[1], boot_ids[0], told, pass_postgres, heard)
        await listener.close()


async def test_a_claim_raises_the_epoch_and_tells_who_lost(bridges: Bridges) -> None:
    """The second bridge learns what was there and from whom it took it; the first one is told."""
    (first,) = await bridges.one.claim([LASTING])
    (second,) = await bridges.two.claim([LASTING])
    await bridges.heard()
    assert first is not None
    assert second is not None
    assert (first.present, first.previous_epoch, first.taken_from) == (False, None, None)
    assert second.epoch > first.epoch
    assert (second.present, second.previous_epoch, second.taken_from) == (True, first.epoch, bridges.one_boot_id)
    assert bridges.told == [first.epoch]


async def test_claims_many_sessions_at_once(bridges: Bridges) -> None:
    """Answers come in the order of the claims."""
    claims = [replace(LASTING, key=("token", f"c{n}")) for n in (3, 1, 2)]
    first = await bridges.one.claim(claims)
    again = await bridges.one.claim(claims[:2])
    assert [claimed.previous_epoch for claimed in again if claimed] == [c.epoch for c in first[:2] if c]


async def test_a_session_ends_as_mqtt_says(bridges: Bridges) -> None:
    """It goes on until its expiry, not after a clean start, and not at all with an expiry of 0."""

    async def come_and_go(claim: Claim) -> bool:
        (claimed,) = await bridges.one.claim([claim])
        assert claimed is not None
        assert await bridges.one.release([Release(KEY, claimed.epoch, claim.expiry_seconds, False)]) == [True]
        return claimed.present

    seen = [await come_and_go(LASTING)]
    await bridges.pass_time(99)
    seen.append(await come_and_go(LASTING))
    await bridges.pass_time(101)
    seen.append(await come_and_go(LASTING))
    seen.append(await come_and_go(replace(LASTING, clean_start=True)))
    seen.append(await come_and_go(replace(LASTING, expiry_seconds=0)))
    seen.append(await come_and_go(LASTING))
    assert seen == [False, True, False, False, True, False]


async def test_an_old_epoch_changes_nothing(bridges: Bridges) -> None:
    """Who has lost a session can neither release it nor change its subscriptions nor publish its Will."""
    (first,) = await bridges.one.claim([replace(LASTING, will=WILL)])
    assert first is not None
    (second,) = await bridges.two.claim([LASTING])
    assert second is not None
    assert await bridges.one.release([Release(KEY, first.epoch, 0, True)]) == [False]
    await bridges.one.subscribe({KEY: (first.epoch, {"a": 1})})
    await bridges.two.subscribe({KEY: (second.epoch, {"b": 0})})
    assert await bridges.one.standing({KEY: first.epoch}) == [Standing.LOST]
    assert await bridges.two.standing({KEY: second.epoch}) == [Standing.HELD]
    assert await bridges.one.due({KEY: first.epoch}) == set()
    await bridges.two.release([Release(KEY, second.epoch, 100, False)])
    assert await bridges.two.standing({KEY: second.epoch}) == [Standing.DROPPED]
    (third,) = await bridges.one.claim([LASTING])
    assert third is not None
    assert third.subscriptions == {"b": 0}


@pytest.mark.parametrize(
    ("delay", "expiry", "clean", "left"),
    [(0, 100, False, True), (10, 100, False, False), (10, 0, False, True), (10, 100, True, True)],
)
async def test_a_take_over_makes_the_will_due_as_mqtt_says(
    bridges: Bridges, delay: int, expiry: int, clean: bool, left: bool
) -> None:
    """At once without a delay or when the session ends; never when the session goes on within the delay."""
    (first,) = await bridges.one.claim([replace(LASTING, will=WILL, will_delay_seconds=delay, expiry_seconds=expiry)])
    (second,) = await bridges.two.claim([replace(LASTING, clean_start=clean)])
    assert first is not None
    assert second is not None
    assert second.left_will == (WILL if left else None)
    due = await bridges.two.take_left({KEY: first.epoch})
    assert [(d.epoch, d.will) for d in due] == ([(first.epoch, WILL)] if left else [])
    await bridges.two.published({KEY: first.epoch})
    assert await bridges.two.take_left({KEY: first.epoch}) == []


async def test_a_goodbye_takes_a_left_will_back(bridges: Bridges) -> None:
    """A client that disconnected and came to another bridge before the first one could say so leaves no Will."""
    (first,) = await bridges.one.claim([replace(LASTING, will=WILL)])
    await bridges.two.claim([LASTING])
    assert first is not None
    assert await bridges.one.release([Release(KEY, first.epoch, 100, False)]) == [False]
    assert await bridges.two.take_left({KEY: first.epoch}) == []


async def test_a_will_is_due_once(bridges: Bridges) -> None:
    """Until it was published; then a session that has ended is gone."""
    (claimed,) = await bridges.one.claim([replace(LASTING, expiry_seconds=0, will=WILL)])
    assert claimed is not None
    assert await bridges.one.due({KEY: claimed.epoch}) == set()
    await bridges.one.release([Release(KEY, claimed.epoch, 0, True)])
    assert await bridges.one.due({KEY: claimed.epoch}) == {KEY}
    await bridges.one.published({KEY: claimed.epoch})
    assert await bridges.one.due({KEY: claimed.epoch}) == set()
    (again,) = await bridges.one.claim([LASTING])
    assert again is not None
    assert again.previous_epoch is None


async def test_a_late_claim_yields_to_a_newer_connection(bridges: Bridges) -> None:
    """Of two connections that were let in without a claim the one made later keeps the session, whoever claims first."""
    old = replace(LASTING, late=Late(50.0, 0, {"a": 1}))
    new = replace(LASTING, late=Late(10.0, 0, {"b": 1}))
    assert await bridges.one.claim([old]) != [None]
    (claimed,) = await bridges.two.claim([new])
    assert claimed is not None
    assert claimed.taken_from == bridges.one_boot_id
    assert await bridges.one.claim([old]) == [None]
    (again,) = await bridges.two.claim([replace(new, late=Late(10.0, claimed.epoch, {"b": 1}))])
    assert again is not None
    assert again.subscriptions == {"b": 1}


async def test_an_answer_that_never_came_does_no_harm() -> None:
    """A store that is away says so by its own error."""
    pool = asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0)
    async with pool:
        with pytest.raises(SessionStoreAwayError):
            await SessionTable(pool, "bridge", uuid4()).claim([LASTING])
