"""Replay of quarantined items on a real Postgres: what heals is as if the contract had always been so."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from dataflow_mesh.testing import PostgresCluster
from dataflow_validator.testing import validator_database

from .rejudge_histories import House, fixed, random_history, spec

A = spec("a", maximum=40)
B = spec("b", maximum=40, identity=False)
C = spec("c", maximum=40, event_time=False)
D = spec("d", maximum=40, event_time=False, identity=False)
STRICT = [A, B, C, D]
NAMES = [each.name for each in STRICT]
TOPICS = ["new/a", "new/d"]


@pytest.fixture
async def open_house(postgres_server: PostgresCluster) -> AsyncIterator[Callable[..., object]]:
    """Give a maker of databases with contracts."""
    async with AsyncExitStack() as stack:

        async def make(specs: list[object], routes: list[tuple[str, str]] | None = None) -> House:
            pool = await stack.enter_async_context(validator_database(postgres_server))
            return await House.open(pool, specs, routes or [])  # type: ignore[arg-type]

        yield make


@pytest.mark.parametrize("seed", range(6))
async def test_a_replay_is_as_if_the_contract_had_always_been_so(open_house: Callable[..., object], seed: int) -> None:
    """Message ids of all kinds, arrays, resends and unrouted topics come out the same."""
    history = random_history(seed, NAMES, topics=TOPICS)
    healed = await open_house(STRICT)
    always = await open_house([fixed(each, 100) for each in STRICT], [("new/a", "a"), ("new/d", "d")])
    for told in history:
        await healed.tell(told)
        await always.tell(told)
    for each in STRICT:
        await healed.revise(fixed(each, 100))
    await healed.route("new/a", "a")
    await healed.route("new/d", "d")
    await healed.run("REPLAY_QUARANTINED", {"filter": {}})
    assert await healed.state(*NAMES) == await always.state(*NAMES)
