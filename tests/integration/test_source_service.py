"""SourceService and the SDK over a real Postgres: names, etags, request ids, pages, and no secret ever."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from importlib import resources

import pytest
from dataflow.bridge.v1 import source_pb2, source_service_pb2, source_service_pb2_grpc
from dataflow_bridge.sources.service import SourceServicer
from dataflow_client import AsyncClient, Connection, Targets
from dataflow_client.errors import (
    EtagMismatchError,
    RequestIdReusedError,
    SourceExistsError,
    SourceInvalidError,
    SourceNotFoundError,
)
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Pool, connect_pool
from dataflow_mesh.testing import ADMIN_TOKEN, free_port, in_process_server

URL = f"mqtt://127.0.0.1:{free_port()}"  # where nobody listens: a source can be made before its broker


@pytest.fixture
async def pool(postgres: str) -> AsyncIterator[Pool]:
    """Give a pool on a database with the bridge's tables."""
    async with await connect_pool(postgres, min_size=0) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, "bridge", resources.files("dataflow_bridge") / "migrations")
        yield pool


@pytest.fixture
async def client(pool: Pool) -> AsyncIterator[AsyncClient]:
    """Give the SDK in front of a bridge's source service."""
    add = source_service_pb2_grpc.add_SourceServiceServicer_to_server
    async with (
        in_process_server([(add, SourceServicer(pool), "dataflow.bridge.v1.SourceService")]) as server,
        AsyncClient(Connection(Targets(bridge=server.target), token=ADMIN_TOKEN)) as client,
    ):
        yield client


async def test_a_source_is_made_shown_changed_and_removed(client: AsyncClient) -> None:
    """What is absent in an update stays as it is; slots are drained, never used again."""
    made = await client.sources.create("plant", URL, ["a/#", "b/+"], slots=2)
    assert (made.name, list(made.filters), made.slots, made.qos, made.etag) == ("plant", ["a/#", "b/+"], 2, 1, "1")
    assert made.share_group.startswith("dataflow-plant-")
    assert [slot.client_id.rpartition("-")[2] for slot in made.status.slots] == ["1", "2"]
    assert "could not be probed" in made.status.warnings[0]
    changed = await client.sources.update(source_service_pb2.UpdateSourceRequest(name="plant", etag="1", slots=1))
    assert [source_pb2.SlotState.Name(slot.state) for slot in changed.status.slots] == [
        "SLOT_STATE_ACTIVE",
        "SLOT_STATE_DRAINING",
    ]
    changed = await client.sources.update(source_service_pb2.UpdateSourceRequest(name="plant", slots=2))
    assert [slot.slot for slot in changed.status.slots] == [1, 2, 3]
    assert (changed.url, changed.share_group, list(changed.filters)) == (made.url, made.share_group, ["a/#", "b/+"])
    await client.sources.delete("plant")
    assert (await client.sources.get("plant")).state == source_pb2.SOURCE_STATE_DELETING
    with pytest.raises(SourceNotFoundError):
        await client.sources.update(source_service_pb2.UpdateSourceRequest(name="plant", slots=3))
    await client.sources.delete("plant", force=True)
    with pytest.raises(SourceNotFoundError):
        await client.sources.get("plant")
    with pytest.raises(SourceNotFoundError):
        await client.sources.delete("plant")


async def test_an_update_of_somebody_who_read_too_long_ago_changes_nothing(client: AsyncClient) -> None:
    """The etag of before is refused, and the current one is told."""
    await client.sources.create("plant", URL, ["a/#"])
    await client.sources.update(source_service_pb2.UpdateSourceRequest(name="plant", etag="1", slots=2))
    with pytest.raises(EtagMismatchError) as caught:
        await client.sources.update(source_service_pb2.UpdateSourceRequest(name="plant", etag="1", slots=3))
    assert caught.value.metadata == {"current": "2"}
    assert (await client.sources.get("plant")).slots == 2


async def test_the_same_request_id_is_the_same_request(client: AsyncClient, pool: Pool) -> None:
    """A repeated create answers as the first time; with other contents it is refused."""
    stub = SourceServicer(pool)
    request = source_service_pb2.CreateSourceRequest(name="plant", url=URL, filters=["a/#"], request_id="r1")
    context: object = None
    first = await stub.CreateSource(request, context)  # type: ignore[arg-type]
    again = await stub.CreateSource(request, context)  # type: ignore[arg-type]
    assert first.source.create_time == again.source.create_time
    with pytest.raises(SourceExistsError):
        await client.sources.create("plant", URL, ["a/#"])
    made = request.__class__()
    made.CopyFrom(request)
    made.filters.append("b/#")
    with pytest.raises(Exception, match="request_id was used") as caught:
        await stub.CreateSource(made, context)  # type: ignore[arg-type]
    assert type(caught.value).__name__ == RequestIdReusedError.__name__


async def test_no_secret_is_ever_shown(client: AsyncClient, pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a response, nor in a log, nor in what a traceback would print."""
    caplog.set_level(logging.DEBUG)
    made = await client.sources.create("plant", URL, ["a/#"], username="bridge", password="hunter2-secret")
    shown = await client.sources.get("plant")
    changed = await client.sources.update(
        source_service_pb2.UpdateSourceRequest(name="plant", password="hunter3-secret", slots=2)
    )
    everything = "".join(map(str, (made, shown, changed, [entry async for entry in client.sources.list()])))
    assert shown.has_password
    assert shown.username == "bridge"
    assert "secret" not in everything + caplog.text
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT password FROM bridge.source") == "hunter3-secret"
    cleared = await client.sources.update(source_service_pb2.UpdateSourceRequest(name="plant", password=""))
    assert not cleared.has_password


@pytest.mark.parametrize(
    ("url", "filters", "field"),
    [
        ("http://broker", ["a/#"], "url"),
        ("mqtt://user:secret@broker", ["a/#"], "url"),
        ("mqtt://broker:99999", ["a/#"], "url"),
        ("mqtt://broker", ["a/#/b"], "filters[0]"),
        ("mqtt://broker", ["a", "b+"], "filters[1]"),
        ("mqtt://broker", ["$share/g/a"], "filters[0]"),
        ("mqtt://broker", ["$SYS/#"], "filters[0]"),
        ("mqtt://broker", ["a", "a"], "filters"),
    ],
)
async def test_a_source_that_cannot_be_is_refused_with_the_field(
    client: AsyncClient, url: str, filters: list[str], field: str
) -> None:
    """Every problem is named by its field, without repeating credentials."""
    with pytest.raises(SourceInvalidError) as caught:
        await client.sources.create("plant", url, filters)
    assert [violation.field for violation in caught.value.violations] == [field]
    assert "secret" not in str(caught.value)


async def test_certificates_are_read_when_the_source_is_made(client: AsyncClient) -> None:
    """A certificate that is none is refused at once, not by each bridge again and again."""
    with pytest.raises(SourceInvalidError, match="cannot be read"):
        await client.sources.create(
            "plant", "mqtts://broker", ["a/#"], tls=source_pb2.SourceTls(ca_pem="no certificate")
        )
    with pytest.raises(SourceInvalidError, match="go together"):
        await client.sources.create(
            "plant", "mqtts://broker", ["a/#"], tls=source_pb2.SourceTls(client_certificate_pem="only one")
        )


async def test_sources_are_listed_in_pages_by_name(client: AsyncClient) -> None:
    """Every source once, whatever the size of a page."""
    for name in ("c", "a", "b"):
        await client.sources.create(name, URL, ["a/#"])
    assert [entry.name async for entry in client.sources.list(page_size=2)] == ["a", "b", "c"]
