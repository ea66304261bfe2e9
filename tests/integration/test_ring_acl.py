"""Nodes with TLS and with a user who may do only what the docs name, on real Redis servers."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis
from dataflow_bridge.errors import UnfitNodeError
from dataflow_bridge.ring.leader import Leader
from dataflow_bridge.ring.membership import Membership
from dataflow_bridge.ring.recopier import Recopier, RecopyOptions
from dataflow_mesh.lease import Lease
from dataflow_mesh.postgres import Pool, connect_pool
from dataflow_mesh.testing import RedisServer, redis_server
from dataflow_mesh.testing.ports import free_port
from dataflow_ring import acl, keys
from dataflow_ring.append import Appender
from dataflow_ring.batch import new_batch_id
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, redact
from dataflow_ring.consume import Entry, NodeReader, Origin, ReaderOptions
from dataflow_ring.nodes import State

pytestmark = [
    pytest.mark.tool("openssl"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on the PATH"),
]
_DOCS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory with a certificate for 127.0.0.1 that is its own authority."""
    path = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        cwd=path,
        check=True,
        capture_output=True,
    )
    path.chmod(0o755)
    for file in path.iterdir():
        file.chmod(0o644)
    return path


@pytest.fixture
def secured(certificate: Path) -> Iterator[list[tuple[RedisServer, str]]]:
    """Give three servers, each with the URL of its TLS port for a user who may do only what `acl` names."""
    ports = [free_port() for _ in range(3)]
    tls = {
        "tls-cert-file": str(certificate / "cert.pem"),
        "tls-key-file": str(certificate / "key.pem"),
        "tls-ca-cert-file": str(certificate / "cert.pem"),
        "tls-auth-clients": "no",
    }
    try:
        one = redis_server(tls | {"tls-port": str(ports[0])})
        with (
            one as first,
            redis_server(tls | {"tls-port": str(ports[1])}) as second,
            redis_server(tls | {"tls-port": str(ports[2])}) as third,
        ):
            servers = [first, second, third]
            for server in servers:
                with redis.Redis.from_url(server.url) as client:
                    client.execute_command("ACL", "SETUSER", "dataflow", "on", ">secret", *acl.rules())
            query = f"ssl_ca_certs={certificate / 'cert.pem'}"
            yield [
                (server, f"rediss://dataflow:secret@127.0.0.1:{port}?{query}")
                for server, port in zip(servers, ports, strict=True)
            ]
    except RuntimeError as error:
        if "tls" not in str(error):
            raise
        pytest.skip("redis-server is built without TLS")


@pytest.fixture
async def pool(postgres: str) -> AsyncIterator[Pool]:
    """Give a pool on an empty database."""
    async with await connect_pool(postgres) as pool:
        yield pool


class Sink:
    """Acknowledges what it gets, as soon as it may."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Entry] = {}
        self.parked: set[bytes] = set()
        self.readers: dict[str, NodeReader] = {}

    async def put(self, entry: Entry) -> None:
        self.entries[entry.batch_id] = entry
        if entry.origin is not Origin.NEW:
            await self.readers[entry.node].acknowledge([entry])

    def holds(self, batch_id: bytes) -> bool:
        return False

    async def ready(self) -> None:
        pass

    async def committed(self, batch_ids: Sequence[bytes]) -> Collection[bytes]:
        return [batch_id for batch_id in batch_ids if batch_id in self.entries]

    async def park(self, entry: Entry, reason: str) -> None:
        self.parked.add(entry.batch_id)
        await self.readers[entry.node].acknowledge([entry])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - looks at servers
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(sink: Sink, membership: Membership, *, consumer: str) -> AsyncIterator[None]:
    options = ReaderOptions(
        consumer, block_seconds=0.2, claim_idle_seconds=0.3, claim_every_seconds=0.1, returned_every_seconds=0.05
    )
    sink.readers = {member.node.name: NodeReader(member.node, sink, options) for member in membership.members}
    tasks = [asyncio.create_task(reader.run(sink.readers.get)) for reader in sink.readers.values()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for reader in sink.readers.values():
            await reader.close()


def refusals(server: RedisServer) -> list[str]:
    """Return what a server has refused its user."""
    with redis.Redis.from_url(server.url) as client:
        return [entry["object"] for entry in client.acl_log()]


async def test_bridge_leader_and_validator_need_no_more_than_the_documented_rules(
    pool: Pool, secured: list[tuple[RedisServer, str]], tmp_path: Path
) -> None:
    """Admission, appends, drains, removal, copies, reading, claims and parking; over TLS, and nothing is refused."""
    seeds = {f"node-{index}": url for index, (_, url) in enumerate(secured)}
    fast = RecopyOptions(0.02, grace_seconds=0.1, min_age_seconds=0.0, settle_seconds=0.05)
    async with Appender(probe_seconds=0.05) as appender:
        membership = Membership(pool, appender, tmp_path, "bridge-1")
        await membership.start(seeds)
        lease = Lease(pool, "bridge", "ring", "bridge-1/1")
        recopier = Recopier(appender, "bridge-1/1", lambda: True, lambda: False, fast)
        recopying = asyncio.create_task(recopier.run())
        leader = Leader(pool, lease, membership, appender, recopier, 3600.0)
        batch_ids = {new_batch_id() for _ in range(12)}
        for batch_id in batch_ids:
            await appender.append(batch_id, b"x")
        await membership.remove("node-2", force=True)
        await until(lambda: recopier.copied > 0)
        await membership.add("node-2", seeds["node-2"], "")
        await lease.claim()
        await leader.work()
        sink = Sink()
        for consumer in ("validator-0", "validator-1"):  # the first reads and dies, the second claims
            async with running(sink, membership, consumer=consumer):
                await until(lambda: set(sink.entries) == batch_ids)
                if consumer == "validator-1":
                    await until(
                        lambda: all(n.fill is not None and n.fill.batches + n.fill.copies == 0 for n in appender.nodes)
                    )
                    await until(lambda: all(n.fill is not None and n.fill.returned == 0 for n in appender.nodes))
        await membership.drain("node-1")
        await membership.cancel_drain("node-1")
        assert (await appender.append(new_batch_id(), b"x")).failures == 0
        recopying.cancel()
        await asyncio.wait([recopying])
    assert [refusals(server) for server, _ in secured] == [[], [], []]
    assert all(member.node.state is State.ACTIVE for member in membership.members)
    assert "secret" not in " ".join(redact(member.node.url) for member in membership.members)


async def test_a_user_who_may_too_little_is_refused_at_admission(
    pool: Pool, secured: list[tuple[RedisServer, str]], tmp_path: Path
) -> None:
    """With the server's own words, before it is a member."""
    server, url = secured[0]
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "dataflow", "-xgroup")
    async with Appender() as appender:
        membership = Membership(pool, appender, tmp_path, "bridge-1")
        await membership.start({"node-1": secured[1][1]})
        with pytest.raises(UnfitNodeError, match=r"can't run this command|permission"):
            await membership.add("node-0", url, "")


async def test_a_certificate_of_nobody_known_is_not_taken(secured: list[tuple[RedisServer, str]]) -> None:
    """Without its authority in the URL the server could be anybody."""
    url = re.sub(r"\?.*", "", secured[0][1])
    async with NodeConnection(url, timeout_seconds=3.0) as connection:
        with pytest.raises(NodeUnreachableError, match=r"(?i)certificate"):
            await connection.call(b"GET", keys.INCARNATION)


@pytest.mark.parametrize("url", ["redis://h:99999", "redis://h?db=x", "redis://h?surprise=1"])
async def test_a_url_that_is_none_is_said_to_be_none(url: str) -> None:
    """It comes from a person."""
    async with NodeConnection(url, timeout_seconds=3.0) as connection:
        with pytest.raises(NodeUnreachableError, match="not the URL of a server"):
            await connection.call(b"PING")


def test_a_password_in_the_query_is_not_shown_either() -> None:
    """The one of a private key stands there."""
    shown = redact("rediss://user:geheim@[::1]:6379?ssl_keyfile=a.key&ssl_password=geheim")
    assert shown == "rediss://user:***@[::1]:6379?ssl_keyfile=a.key&ssl_password=***"


def test_the_documented_rules_are_those_that_were_tested() -> None:
    """Whoever follows the docs gives neither more nor less."""
    assert " ".join(acl.rules()) in _DOCS.read_text(encoding="utf-8").replace(" \\\n  ", " ")
