"""The limits of the quarantine, on a real Postgres."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, postgres_cluster
from dataflow_validator.quarantine.limits import QuarantineLimiter, QuarantineLimits
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres


@dataclass
class Setup:
    pool: Pool
    lease: Lease

    def limiter(self, *, days: int = 0, device_items: int = 0, max_bytes: int = 0) -> QuarantineLimiter:
        return QuarantineLimiter(self.pool, self.lease, QuarantineLimits(days, device_items, max_bytes))

    async def put(
        self,
        count: int,
        *,
        device: str = "d1",
        topic: str = "a/b",
        contract: str = "weather",
        payload: bytes = b"{}",
        days_ago: int = 0,
    ) -> None:
        await self.pool.execute(
            "INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, "
            "receive_time, message_id, id_kind, content_hash, batch_id, position, quarantine_time) "
            "SELECT $1, 1, CASE $1 WHEN '' THEN 'UNROUTED' ELSE 'REFUSED' END, $2, $3, $4, 0, '[{\"rule\": \"type\"}]', "
            "now(), gen_random_uuid(), 'd', 1, gen_random_uuid(), 0, now() - make_interval(days => $6) "
            "FROM generate_series(1, $5)",
            contract,
            device,
            topic,
            payload,
            count,
            days_ago,
        )

    async def kept(self) -> dict[str, int]:
        rows = await self.pool.fetch("SELECT device_id, count(*) AS items FROM validator.quarantine GROUP BY 1")
        return {row["device_id"]: row["items"] for row in rows}

    async def removed(self) -> dict[tuple[str, str], int]:
        rows = await self.pool.fetch("SELECT device_id, cause, items FROM validator.quarantine_removed")
        return {(row["device_id"], row["cause"]): row["items"] for row in rows}

    async def counted_right(self) -> bool:
        """Whether the totals equal a recount."""
        return bool(
            await self.pool.fetchval(
                "SELECT NOT EXISTS ("
                " (SELECT kind, contract, device_id, topic, sum(items), sum(bytes) FROM ("
                "   SELECT * FROM validator.quarantine_total UNION ALL SELECT * FROM validator.quarantine_change) b"
                "  GROUP BY 1, 2, 3, 4 HAVING sum(items) <> 0 OR sum(bytes) <> 0)"
                " EXCEPT SELECT kind, contract, device_id, CASE kind WHEN 'UNROUTED' THEN topic ELSE '' END, count(*),"
                "  sum(validator.quarantine_bytes(payload, reasons, topic, device_id))"
                "  FROM validator.quarantine GROUP BY 1, 2, 3, 4)"
            )
        )


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(cluster) as pool:
        lease = Lease(pool, "validator", "upkeep", "one", expire_seconds=3600.0)
        await lease.claim()
        yield Setup(pool, lease)


async def test_a_broken_device_keeps_only_its_newest_items(setup: Setup) -> None:
    """Others keep all of theirs, and it is told how many went."""
    await setup.put(3, device="good")
    await setup.put(50, device="broken", payload=b"old")
    await setup.put(10, device="broken", payload=b"new")
    assert await setup.limiter(device_items=10).round() == {"DEVICE": 50}
    assert await setup.kept() == {"good": 3, "broken": 10}
    left = await setup.pool.fetch("SELECT DISTINCT payload FROM validator.quarantine WHERE device_id = 'broken'")
    assert [row["payload"] for row in left] == [b"new"]
    assert await setup.removed() == {("broken", "DEVICE"): 50}
    assert await setup.counted_right()


async def test_who_has_no_device_is_told_apart_by_topic(setup: Setup) -> None:
    """One stranger does not push out what others sent without a route."""
    await setup.put(20, device="", contract="", topic="loud/one")
    await setup.put(5, device="", contract="", topic="quiet/one")
    await setup.put(4, device="", contract="weather")
    assert await setup.limiter(device_items=5).round() == {"DEVICE": 15}
    rows = await setup.pool.fetch("SELECT topic, count(*) AS items FROM validator.quarantine GROUP BY 1")
    assert {row["topic"]: row["items"] for row in rows} == {"loud/one": 5, "quiet/one": 5, "a/b": 4}


async def test_old_items_go_first_when_all_together_are_too_large(setup: Setup) -> None:
    """As many as it takes, and not more."""
    await setup.put(20, device="old", payload=b"x" * 10_000)
    await setup.put(5, device="new", payload=b"x" * 10_000)
    assert await setup.limiter(max_bytes=110_000).round() == {"SIZE": 15}
    assert await setup.kept() == {"old": 5, "new": 5}


async def test_items_go_when_their_time_is_over(setup: Setup) -> None:
    """By the time at which they were quarantined."""
    await setup.put(7, days_ago=91)
    await setup.put(3, days_ago=89)
    assert await setup.limiter(days=90).round() == {"AGE": 7}
    assert await setup.kept() == {"d1": 3}


async def test_what_the_limits_remove_leaves_the_counts_of_the_ledger(setup: Setup) -> None:
    """Each item that goes is taken from the transaction that counted it."""
    await setup.put(8)
    await setup.limiter(device_items=5).round()
    changes = await setup.pool.fetch("SELECT contract, stored, quarantined FROM validator.ledger_change")
    assert [tuple(row) for row in changes] == [("weather", 0, -3)]


async def test_totals_follow_changes_of_items(setup: Setup) -> None:
    """An item that another contract refuses now counts there."""
    await setup.put(6, contract="", device="d9", topic="x/y")
    await setup.limiter().round()
    await setup.pool.execute("UPDATE validator.quarantine SET contract = 'pump', kind = 'REFUSED', revision = 1")
    await setup.pool.execute(
        "DELETE FROM validator.quarantine WHERE quarantine_id = (SELECT min(quarantine_id) FROM validator.quarantine)"
    )
    assert await setup.counted_right()
    await setup.limiter().round()
    rows = await setup.pool.fetch("SELECT kind, contract, device_id, topic, items FROM validator.quarantine_total")
    assert [tuple(row) for row in rows] == [("REFUSED", "pump", "d9", "", 5)]


async def test_who_does_not_lead_removes_nothing(setup: Setup) -> None:
    """A validator that was followed by another one stays out."""
    await setup.put(5)
    idle = QuarantineLimiter(
        setup.pool, Lease(setup.pool, "validator", "upkeep", "two"), QuarantineLimits(device_items=1)
    )
    with pytest.raises(LeaseLostError):
        await idle.round()
    assert await setup.kept() == {"d1": 5}
