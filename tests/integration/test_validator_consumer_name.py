"""A validator's name is its own, on a real Postgres."""

import asyncio

import asyncpg
import pytest
from dataflow_validator.consumer_name import ConsumerName, ConsumerNameTakenError


async def test_two_validators_do_not_run_under_one_name(postgres: str) -> None:
    """The second would take the batches of the first for its own of an earlier life."""
    async with ConsumerName(postgres, "validator-0"), ConsumerName(postgres, "validator-1"):
        with pytest.raises(ConsumerNameTakenError, match="validator-0"):
            async with ConsumerName(postgres, "validator-0", patience_seconds=0.0):
                pass
    async with ConsumerName(postgres, "validator-0", patience_seconds=5.0):
        pass


async def test_the_next_life_waits_until_the_one_before_is_gone(postgres: str) -> None:
    """Its machine may have vanished with its connections open."""
    first = ConsumerName(postgres, "validator-0")
    await first.__aenter__()
    async with asyncio.TaskGroup() as group:
        second = ConsumerName(postgres, "validator-0", patience_seconds=20.0)
        entering = group.create_task(second.__aenter__())
        done, _ = await asyncio.wait([entering], timeout=0.4)
        assert not done
        await first.__aexit__(None, None, None)
    await second.__aexit__(None, None, None)


async def test_a_name_is_taken_again_after_its_connection_was_cut(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of Postgres gives the name to nobody else for long."""
    monkeypatch.setattr("dataflow_validator.consumer_name._LOOK_SECONDS", 0.05)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    connection = await asyncpg.connect(postgres)
    try:
        async with ConsumerName(postgres, "validator-0") as name:
            keeping = asyncio.create_task(name.keep())
            assert await connection.fetchval(locks) == 1
            before = await connection.fetchval("SELECT pid FROM pg_locks WHERE locktype = 'advisory'")
            await connection.execute("SELECT pg_terminate_backend($1)", before)
            async with asyncio.timeout(20):
                while await connection.fetchval(f"{locks} AND pid <> {before}") != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            keeping.cancel()
            await asyncio.wait([keeping])
    finally:
        await connection.close()
