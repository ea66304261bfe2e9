"""Bridges that die or freeze with a source in hand, as processes of their own; and TLS to the broker."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Self

import aiomqtt
import asyncpg
import pytest
from dataflow_bridge.sources import records as source_records
from dataflow_bridge.sources.probe import probe
from dataflow_bridge.sources.records import NewSource, SourceRecord
from dataflow_bridge.sources.source import Protocol
from dataflow_mesh.migrate import migrate
from dataflow_mesh.testing import MosquittoServer, mosquitto_server

pytestmark = [
    pytest.mark.tool("mosquitto"),
    pytest.mark.skipif(
        shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/opt/homebrew/sbin") is None,
        reason="mosquitto is not on the PATH",
    ),
]
_READER = Path(__file__).with_name("source_reader_process.py")


@asynccontextmanager
async def database(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Give a connection to a database with the bridge's tables."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    try:
        await migrate(connection, "bridge", resources.files("dataflow_bridge") / "migrations")
        yield connection
    finally:
        await connection.close()


class Bridge:
    """A process that reads sources; its ring is its standard output."""

    def __init__(self, dsn: str, name: str) -> None:
        self.payloads: list[bytes] = []
        self._command = [sys.executable, str(_READER), dsn, name]
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=asyncio.subprocess.PIPE)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        assert self._process is not None
        assert self._reading is not None
        await self._process.wait()
        await self._reading

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.payloads.append(line.strip())


async def state(connection: asyncpg.Connection[asyncpg.Record]) -> SourceRecord:
    """Return the source as it stands."""
    return await source_records.get(connection, "plant")


async def read_by(connection: asyncpg.Connection[asyncpg.Record], *names: str) -> None:
    """Wait until these bridges, in the order of slots, are connected."""
    async with asyncio.timeout(40):
        while True:
            slots = (await state(connection)).slots
            if tuple(slot.holder for slot in slots if slot.connected) in {names, names[::-1]}:
                return
            await asyncio.sleep(0.1)


async def publish(broker: MosquittoServer, numbers: range) -> None:
    """Publish with QoS 1; returns when all are acknowledged."""
    async with aiomqtt.Client("127.0.0.1", broker.port, timeout=30) as client:
        client.pending_calls_threshold = 10_000
        await asyncio.gather(*(client.publish("m/t", str(number), qos=1) for number in numbers))


async def all_read(numbers: range, *bridges: Bridge) -> None:
    """Wait until every number came to one of the bridges."""
    wanted = {str(number).encode() for number in numbers}
    async with asyncio.timeout(40):
        while not wanted <= {payload for bridge in bridges for payload in bridge.payloads}:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_sessions_of_a_bridge_that_dies_or_freezes_are_read_by_the_other(
    postgres: str, number: signal.Signals
) -> None:
    """Its slots go over within seconds; one that wakes up does not take them back, and nothing is lost."""
    with mosquitto_server() as broker:
        async with database(postgres) as connection, Bridge(postgres, "b1") as first, Bridge(postgres, "b2") as second:
            wanted = NewSource("plant", broker.url, ("m/#",), "", 2, 1, Protocol.MQTT_5)
            await source_records.create(connection, wanted)
            await read_by(connection, "b1", "b2")
            await publish(broker, range(1_000))
            await all_read(range(1_000), first, second)
            first.signal(number)
            await publish(broker, range(1_000, 3_000))
            await read_by(connection, "b2", "b2")
            await all_read(range(3_000), first, second)
            if number is signal.SIGSTOP:
                since = [slot.since for slot in (await state(connection)).slots]
                first.signal(signal.SIGCONT)
                await read_by(connection, "b1", "b2")  # as a late comer, by the usual division
                slots = (await state(connection)).slots
                assert sum(slot.since == before for slot, before in zip(slots, since, strict=True)) == 1
                await publish(broker, range(3_000, 4_000))
                await all_read(range(4_000), first, second)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with an authority, a certificate of the broker `broker.test`, and one of the bridge."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not on the PATH")
    path = tmp_path_factory.mktemp("tls")
    path.chmod(0o755)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=path, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    for name, extension in (("broker", "subjectAltName=DNS:broker.test"), ("bridge", "extendedKeyUsage=clientAuth")):
        (path / "extension").write_text(extension)
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extension")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return path


async def test_a_broker_is_read_over_mutual_tls_with_a_password(postgres: str, certificates: Path) -> None:
    """The broker's certificate must have the name that the source says; the bridge shows its own."""
    options = {
        "allow_anonymous": "false",
        "cafile": str(certificates / "ca.pem"),
        "certfile": str(certificates / "broker.pem"),
        "keyfile": str(certificates / "broker.key"),
        "require_certificate": "true",
    }
    with mosquitto_server() as broker:
        (broker.directory / "passwords").write_text("bridge:secret\n")
        await asyncio.to_thread(
            subprocess.run, ["mosquitto_passwd", "-U", str(broker.directory / "passwords")], check=True
        )
        broker.stop()
        broker.options |= {**options, "password_file": str(broker.directory / "passwords")}
        broker.start()

        def source(server_name: str, password: str = "secret") -> NewSource:
            return NewSource(
                "plant",
                broker.url.replace("mqtt://", "mqtts://"),
                ("m/#",),
                "",
                1,
                1,
                Protocol.MQTT_5,
                username="bridge",
                password=password,
                ca_pem=(certificates / "ca.pem").read_text(),
                client_certificate_pem=(certificates / "bridge.pem").read_text(),
                client_key_pem=(certificates / "bridge.key").read_text(),
                server_name=server_name,
            )

        async with database(postgres) as connection:
            for wrong, problem in (
                (source("other.test"), "CERTIFICATE_VERIFY_FAILED"),
                (source("broker.test", "guess"), "Not authorized"),
            ):
                made = await source_records.create(connection, wrong)
                (warning,) = await probe(made.source)
                assert problem in warning
                await source_records.delete(connection, "plant", force=True)
            made = await source_records.create(connection, source("broker.test"))
            assert await probe(made.source) == []
            async with Bridge(postgres, "b1"):
                await read_by(connection, "b1")
