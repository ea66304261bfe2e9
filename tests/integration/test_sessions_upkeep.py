"""What the leader does for sessions, on a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from importlib import resources
from uuid import UUID, uuid4

import pytest
from dataflow_bridge.listener.clock import SystemClock
from dataflow_bridge.sessions.claims import SessionClaims
from dataflow_bridge.sessions.memory import Sessions
from dataflow_bridge.sessions.store import Claim, Release, StoredWill
from dataflow_bridge.sessions.table import SessionTable
from dataflow_bridge.sessions.upkeep import SessionUpkeep
from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Pool, connect, connect_pool

WILL = StoredWill("last/words", b"bye", None, None, None)


@dataclass
class Upkeep:
    """A leader, and another bridge whose life is only told."""

    pool: Pool
    dsn: str
    lease: Lease
    upkeep: SessionUpkeep
    other: SessionTable
    boot_id: UUID
    published: list[tuple[str, str | None, Callable[[], None] | None]] = field(default_factory=list)

    async def lives(self, seconds_ago: float) -> None:
        """Say that the other bridge was seen so long ago."""
        await self.pool.execute(
            """INSERT INTO bridge.instance (boot_id, bridge_id, seen_time)
               VALUES ($1, 'other', now() - make_interval(secs => $2))
               ON CONFLICT (boot_id) DO UPDATE SET seen_time = excluded.seen_time""",
            self.boot_id,
            seconds_ago,
        )

    async def connected(self) -> bool | None:
        """Return whether the session counts as connected; None when it is gone."""
        connected: bool | None = await self.pool.fetchval("SELECT connected FROM bridge.session")
        return connected


@pytest.fixture
async def made(postgres: str) -> AsyncIterator[Upkeep]:
    """Give a leader."""
    async with await connect_pool(postgres, max_size=4) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, "bridge", resources.files("dataflow_bridge") / "migrations")
        clock = SystemClock()
        table = SessionTable(pool, "leader", uuid4())
        sessions = Sessions(clock, SessionClaims(table, clock))
        lease = Lease(pool, "bridge", "ring", "leader", expire_seconds=60.0)
        await lease.claim()
        boot_id = uuid4()
        other = SessionTable(pool, "other", boot_id)
        found = Upkeep(pool, postgres, lease, SessionUpkeep(pool, table, sessions), other, boot_id)

        def publish(will: StoredWill, message_id: str | None, durable: Callable[[], None] | None) -> None:
            found.published.append((will.topic, message_id, durable))

        sessions.publish = publish
        yield found


def claim(expiry: int = 100, delay: int = 0) -> Claim:
    """Return a claim with a Will."""
    return Claim(("x", "c"), None, clean_start=False, expiry_seconds=expiry, will=WILL, will_delay_seconds=delay)


async def test_publishes_the_will_of_a_dead_bridge_once(made: Upkeep) -> None:
    """It is submitted again only as long as it is not durable, and never after that."""
    await made.lives(60)
    (claimed,) = await made.other.claim([claim()])
    assert claimed is not None
    await made.upkeep.look(made.lease, patience_seconds=0)
    await made.upkeep.look(made.lease, patience_seconds=0)
    ((topic, message_id, durable),) = made.published
    assert (topic, message_id) == ("last/words", f"will-{claimed.epoch}")
    assert await made.pool.fetchval("SELECT will IS NOT NULL FROM bridge.session")
    assert durable is not None
    durable()
    await made.upkeep.look(made.lease, patience_seconds=0)
    assert await made.pool.fetchval("SELECT will IS NULL FROM bridge.session")
    assert len(made.published) == 1


async def test_gives_nobody_up_who_lives_or_before_it_has_looked_on(made: Upkeep) -> None:
    """After an outage of Postgres every bridge looks dead for a moment."""
    await made.other.claim([claim()])
    await made.lives(60)
    await made.upkeep.look(made.lease)
    assert await made.connected()
    await made.lives(1)
    await made.upkeep.look(made.lease, patience_seconds=0)
    assert await made.connected()
    assert made.published == []


async def test_tells_a_bridge_that_it_was_given_up(made: Upkeep) -> None:
    """If it lives after all, it claims again who is still connected to it."""
    told = asyncio.get_running_loop().create_future()
    listener = await connect(made.dsn)
    await listener.add_listener(
        f"dataflow_bridge_{made.boot_id.hex}", lambda *arguments: told.set_result(arguments[-1])
    )
    await made.lives(60)
    await made.other.claim([claim()])
    await made.upkeep.look(made.lease, patience_seconds=0)
    assert await told == "look"
    assert await made.connected() is False
    await listener.close()


async def test_leaves_the_will_of_a_client_that_came_back(made: Upkeep) -> None:
    """A Will with a delay waits; a claim in time takes it back."""
    await made.lives(60)
    await made.other.claim([claim(delay=60)])
    await made.upkeep.look(made.lease, patience_seconds=0)
    assert await made.connected() is False
    await SessionTable(made.pool, "third", uuid4()).claim([claim()])
    await made.pool.execute(
        "UPDATE bridge.session SET will_time = now() - interval '1 hour' WHERE will_time IS NOT NULL"
    )
    await made.upkeep.look(made.lease, patience_seconds=0)
    assert await made.connected()
    assert made.published == []


async def test_does_nothing_without_the_lease(made: Upkeep) -> None:
    """A leader that was deposed gives nobody up and publishes nothing."""
    await made.lives(60)
    await made.other.claim([claim()])
    await made.pool.execute("UPDATE bridge.lease SET epoch = epoch + 1, holder = 'somebody else'")
    with pytest.raises(LeaseLostError):
        await made.upkeep.look(made.lease, patience_seconds=0)
    assert await made.connected()
    assert made.published == []


async def test_removes_sessions_whose_time_is_over(made: Upkeep) -> None:
    """Not before."""
    (claimed,) = await made.other.claim([claim()])
    assert claimed is not None
    await made.other.release([Release(("x", "c"), claimed.epoch, 100, keep_will=False)])
    await made.upkeep.look(made.lease)
    assert await made.connected() is False
    await made.pool.execute("UPDATE bridge.session SET end_time = now() - interval '1 minute'")
    await made.upkeep.look(made.lease)
    assert await made.connected() is None
