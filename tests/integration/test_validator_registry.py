"""The catalogue on a real Postgres: made once by whoever is first, seen by all, in one piece."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator

import pytest
from dataflow_mesh.errors import DataflowError
from dataflow_mesh.postgres import Pool, connect_pool
from dataflow_mesh.testing import PostgresCluster, postgres_cluster
from dataflow_validator.catalog.activation import activate_revision
from dataflow_validator.catalog.builtin import DEVICE_CONNECTION_TOPIC, ensure_builtin
from dataflow_validator.catalog.contract_records import contract_names, create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route, delete_route, find_route, get_route
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.errors import (
    ContractExistsError,
    ContractInvalidError,
    ContractNotFoundError,
    RequestIdReusedError,
    RouteConflictError,
    RouteInvalidError,
    RouteNotFoundError,
)
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

_SPEC = ContractSpec(
    "weather",
    fields=(
        FieldSpec("temp", FieldType.NUMBER),
        FieldSpec("device_id", FieldType.STRING),
        FieldSpec("ts", FieldType.TIMESTAMP),
    ),
    identity=("device_id", "ts"),
    event_time="ts",
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def pool(cluster: PostgresCluster) -> AsyncIterator[Pool]:
    async with validator_database(cluster) as made:
        yield made


async def create(pool: Pool, spec: ContractSpec = _SPEC, *, activate: bool = True, request_id: str = "") -> int:
    async with pool.acquire() as connection:
        return (await create_contract(connection, spec, activate=activate, request_id=request_id)).active_revision


async def route(pool: Pool, filter_: str, rule: str = "", *, request_id: str = "") -> str:
    async with pool.acquire() as connection:
        return str((await create_route(connection, filter_, "weather", rule, request_id=request_id)).route_id)


async def refreshed(pool: Pool, registry: Registry) -> Registry:
    async with pool.acquire() as connection:
        await registry.refresh(connection)
    return registry


async def test_a_contract_comes_with_its_table(pool: Pool) -> None:
    """The table has the envelope, one column for each field, and room for every month."""
    await create(pool)
    rows = await pool.fetch(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'readings' AND table_name = 'weather' ORDER BY ordinal_position"
    )
    assert [tuple(row) for row in rows] == [
        ("device_id", "text"),
        ("event_time", "timestamp with time zone"),
        ("receive_time", "timestamp with time zone"),
        ("message_id", "uuid"),
        ("content_hash", "bigint"),
        ("revision", "integer"),
        ("stored_xid", "xid8"),
        ("maybe_duplicate", "boolean"),
        ("temp", "double precision"),
        ("field_device_id", "text"),
        ("ts", "timestamp with time zone"),
        ("extra", "jsonb"),
    ]
    await pool.execute(
        "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision) "
        "VALUES ('d', now(), now(), gen_random_uuid(), 1, 1)"
    )
    assert await pool.fetchval("SELECT has_table_privilege('dataflow_reader', 'readings.weather', 'SELECT')")


async def test_any_contract_name_can_stand_beside_any_other(pool: Pool) -> None:
    """Indexes and partitions of one contract never take the name of another."""
    names = ["a", "a_default", "a_event_time_idx", "a_pkey", "select", "table", "x" * 48]
    for name in names:
        await create(pool, dataclasses.replace(_SPEC, name=name))
    async with pool.acquire() as connection:
        assert await contract_names(connection) == names


async def test_of_two_creators_at_once_one_succeeds(pool: Pool) -> None:
    """The other is told that the contract exists; there is one table and one revision."""
    results = await asyncio.gather(*(create(pool) for _ in range(4)), return_exceptions=True)
    assert [type(result) for result in results if result != 1] == [ContractExistsError] * 3
    assert await pool.fetchval("SELECT count(*) FROM validator.revision") == 1


async def test_the_same_request_makes_the_contract_once(pool: Pool) -> None:
    """A repeated request_id answers as the first time, even at the same moment."""
    results = await asyncio.gather(*(create(pool, request_id="r1") for _ in range(4)))
    assert results == [1] * 4
    version = await pool.fetchval("SELECT version FROM validator.catalog")
    await create(pool, request_id="r1")
    assert await pool.fetchval("SELECT version FROM validator.catalog") == version


@pytest.mark.parametrize("what", ["spec", "name", "activate"])
async def test_a_request_id_for_something_else_is_refused(pool: Pool, what: str) -> None:
    """Other contents under a known request_id are a mistake of the caller."""
    await create(pool, request_id="r1")
    spec = {
        "spec": dataclasses.replace(_SPEC, identity=()),
        "name": dataclasses.replace(_SPEC, name="other"),
    }.get(what, _SPEC)
    with pytest.raises(RequestIdReusedError):
        await create(pool, spec, activate=what != "activate", request_id="r1")


async def test_another_request_for_a_taken_name_is_refused(pool: Pool) -> None:
    """An equal contract under another request_id already exists."""
    await create(pool, request_id="r1")
    with pytest.raises(ContractExistsError) as caught:
        await create(pool, request_id="r2")
    assert caught.value.metadata == {"contract": "weather"}


async def test_an_invalid_contract_leaves_nothing_behind(pool: Pool) -> None:
    """All problems are listed, and the name stays free."""
    bad = dataclasses.replace(_SPEC, identity=("nothing",), event_time="temp2")
    with pytest.raises(ContractInvalidError) as caught:
        await create(pool, bad)
    assert len(caught.value.violations) == 2
    nul = dataclasses.replace(_SPEC, description="a\0b")
    with pytest.raises(ContractInvalidError):
        await create(pool, nul)
    assert await create(pool) == 1


async def test_activation_is_one_pointer(pool: Pool) -> None:
    """An inactive contract judges nothing until activated; activating again changes nothing."""
    registry = Registry()
    assert await create(pool, activate=False) == 0
    assert (await refreshed(pool, registry)).current.contracts == {}
    async with pool.acquire() as connection:
        assert (await activate_revision(connection, "weather"))[0].active_revision == 1
        version = (await registry.refresh(connection)).version
        await activate_revision(connection, "weather", 1)
        assert (await registry.refresh(connection)).version == version
        for name, revision in (("weather", 2), ("nothing", 0), ("weather", 2**32 - 1)):
            with pytest.raises(ContractNotFoundError):
                await activate_revision(connection, name, revision)
    assert registry.current.contracts["weather"].revision == 1


async def test_the_catalogue_resolves_topics_to_contracts(pool: Pool) -> None:
    """A refreshed catalogue has routes with their device rules and the compiled contracts."""
    registry = Registry()
    await create(pool)
    await route(pool, "site/+/weather", "topic:2")
    catalog = (await refreshed(pool, registry)).current
    found = catalog.routes.resolve("site/a/weather")
    assert found is not None
    assert (found.contract, str(found.device_rule)) == ("weather", "topic:2")
    assert [column.name for column in catalog.contracts["weather"].columns] == ["temp", "field_device_id", "ts"]


async def test_compiled_contracts_are_kept_across_versions(pool: Pool) -> None:
    """A change elsewhere does not compile a contract again."""
    registry = Registry()
    await create(pool)
    before = (await refreshed(pool, registry)).current
    await create(pool, dataclasses.replace(_SPEC, name="other"))
    after = (await refreshed(pool, registry)).current
    assert after.version > before.version
    assert after.contracts["weather"] is before.contracts["weather"]


async def test_a_contract_that_does_not_compile_is_named_as_broken(pool: Pool) -> None:
    """The others go on."""
    await create(pool)
    await create(pool, dataclasses.replace(_SPEC, name="bad"))
    await pool.execute("""UPDATE validator.revision SET spec = '{"fields": []}' WHERE contract = 'bad'""")
    catalog = (await refreshed(pool, Registry())).current
    assert (set(catalog.contracts), set(catalog.broken)) == ({"weather"}, {("bad", 1)})


async def test_a_broken_route_is_left_out(pool: Pool) -> None:
    """The others go on."""
    await create(pool)
    await route(pool, "a/+")
    await pool.execute(
        "INSERT INTO validator.route (filter, contract, device_rule) VALUES ('+/b', 'weather', 'identity')"
    )
    await pool.execute(
        "INSERT INTO validator.route (filter, contract, device_rule) VALUES ('#/b', 'weather', 'identity')"
    )
    catalog = (await refreshed(pool, Registry())).current
    assert [kept.topic_filter for kept in catalog.routes.routes] == ["a/+"]


async def test_the_watch_follows_changes(pool: Pool, cluster: PostgresCluster) -> None:
    """A change by somebody else arrives without being asked for, also after the connection was cut."""
    registry, stopping = Registry(), asyncio.Event()
    dsn = cluster.dsn_of(await pool.fetchval("SELECT current_database()"))
    async with await connect_pool(dsn, application_name="watched") as watched, asyncio.TaskGroup() as tasks:
        tasks.create_task(registry.watch(watched, stopping))
        await registry.wait_version(1)
        await create(pool)
        assert "weather" in (await registry.wait_version(2)).contracts
        await pool.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watched'")
        await create(pool, dataclasses.replace(_SPEC, name="other"))
        assert "other" in (await registry.wait_version(3)).contracts
        stopping.set()


@pytest.mark.parametrize(
    ("filter_", "rule", "expected"),
    [
        ("a/+/b", "", "payload:/device_id"),
        ("a/+/b", "topic:2", "topic:2"),
        ("a/#", "identity", "identity"),
    ],
)
async def test_the_device_rule_is_spelled_out(pool: Pool, filter_: str, rule: str, expected: str) -> None:
    """A route that names no rule gets the implied one, and says which."""
    await create(pool)
    made = await route(pool, filter_, rule)
    async with pool.acquire() as connection:
        assert (await get_route(connection, made)).device_rule == expected


async def test_of_two_routes_that_tie_one_is_made(pool: Pool) -> None:
    """Concurrent callers cannot both succeed, and the loser learns the other's filter."""
    await create(pool)
    results = await asyncio.gather(route(pool, "a/+/c"), route(pool, "a/b/+"), return_exceptions=True)
    lost = [result for result in results if isinstance(result, BaseException)]
    assert [type(error) for error in lost] == [RouteConflictError]
    assert isinstance(lost[0], DataflowError)
    assert set(lost[0].metadata.values()) == {"a/+/c", "a/b/+"}


@pytest.mark.parametrize(
    ("filter_", "rule"),
    [("a/#/b", ""), ("a+", ""), ("a", "topic:2"), ("a", "somewhere"), ("a" * 3000, ""), ("a\0", "")],
)
async def test_what_is_no_route_is_refused(pool: Pool, filter_: str, rule: str) -> None:
    """A wrong filter or device rule never reaches Postgres."""
    await create(pool)
    with pytest.raises(RouteInvalidError):
        await route(pool, filter_, rule)


async def test_a_route_needs_its_contract(pool: Pool) -> None:
    """A route to nowhere is refused."""
    with pytest.raises(ContractNotFoundError):
        await route(pool, "a")


async def test_the_same_request_makes_the_route_once(pool: Pool) -> None:
    """A repeated request_id gives the same route; with another filter it is refused."""
    await create(pool)
    assert await route(pool, "a", request_id="r") == await route(pool, "a", request_id="r")
    with pytest.raises(RequestIdReusedError):
        await route(pool, "b", request_id="r")
    with pytest.raises(RouteConflictError):
        await route(pool, "a", request_id="r2")


async def test_a_deleted_route_takes_no_topic(pool: Pool) -> None:
    """Removing works once; ids that are none are not found."""
    await create(pool)
    made = await route(pool, "a")
    async with pool.acquire() as connection:
        await delete_route(connection, made)
        for unknown in (made, "x", ""):
            with pytest.raises(RouteNotFoundError):
                await delete_route(connection, unknown)
    assert (await refreshed(pool, Registry())).current.routes.resolve("a") is None


async def test_the_builtin_contract_is_made_once_by_many(pool: Pool) -> None:
    """Validators that start together agree; a removed route is not made again."""

    async def start() -> None:
        async with pool.acquire() as connection:
            await ensure_builtin(connection)

    await asyncio.gather(*(start() for _ in range(4)))
    catalog = (await refreshed(pool, Registry())).current
    found = catalog.routes.resolve(DEVICE_CONNECTION_TOPIC)
    assert found is not None
    assert (found.contract, str(found.device_rule)) == ("device_connection", "payload:/device_id")
    async with pool.acquire() as connection:
        kept = await find_route(connection, DEVICE_CONNECTION_TOPIC)
        assert kept is not None
        await delete_route(connection, str(kept.route_id))
        await ensure_builtin(connection)
        assert await find_route(connection, DEVICE_CONNECTION_TOPIC) is None
