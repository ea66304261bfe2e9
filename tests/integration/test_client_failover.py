"""Several servers, and one of them frozen, killed or stopping: calls and streams go on at the others.

Real processes, reached by a list of addresses or by one port that they share.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dataflow_client import AsyncClient, Client, Connection, OutgoingMessage, StreamLimits, Targets
from dataflow_mesh.testing import ADMIN_TOKEN, free_port

_PROGRAM = Path(__file__).with_name("ingest_process.py")
_ONES = StreamLimits(max_batch_messages=1, max_unacknowledged_batches=8)


@dataclass
class Server:
    """A process that takes messages, and what it has taken."""

    process: "subprocess.Popen[str]"
    log: Path

    @property
    def ids(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


Start = Callable[[int], Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Give what starts a server on a port."""
    servers: list[Server] = []

    def begin(port: int) -> Server:
        log = tmp_path / f"{len(servers)}.log"
        process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), str(port), str(log)], stdout=subprocess.PIPE, text=True
        )
        servers.append(Server(process, log))
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(port)
        return servers[-1]

    yield begin
    for server in servers:
        server.process.kill()
        server.process.communicate()


@pytest.fixture(params=["list", "shared port"])
def pair(request: pytest.FixtureRequest, start: Start) -> tuple[str, list[Server]]:
    """Give two servers and the target that stands for both."""
    first = free_port()
    second = free_port() if request.param == "list" else first
    servers = [start(first), start(second)]
    return (f"127.0.0.1:{first},127.0.0.1:{second}" if first != second else f"127.0.0.1:{first}"), servers


def connected(target: str) -> Connection:
    return Connection(Targets(bridge=target), token=ADMIN_TOKEN)


def break_the_busy_one(servers: list[Server], number: signal.Signals) -> None:
    """Sends a signal to the server that has taken more."""
    max(servers, key=lambda server: len(server.ids)).signal(number)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM])
def test_a_stream_goes_on_at_another_server(pair: tuple[str, list[Server]], number: signal.Signals) -> None:
    """Whatever happens to the one that has it, everything is accepted once and held by somebody."""
    target, servers = pair
    answered = 0
    with Client(connected(target)) as client:
        outgoing = [OutgoingMessage("t", "x", message_id=f"m{index}") for index in range(300)]
        for result in client.ingest.stream(outgoing, limits=_ONES):
            answered += result.accepted_count
            if answered == 50:
                break_the_busy_one(servers, number)
    assert answered == 300
    assert {*servers[0].ids, *servers[1].ids} == {f"m{index}" for index in range(300)}


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTERM])
async def test_an_asynchronous_stream_goes_on_at_another_server(
    pair: tuple[str, list[Server]], number: signal.Signals
) -> None:
    """The same for asyncio, with input that never ends by itself."""
    target, servers = pair
    enough = asyncio.Event()
    made: list[str] = []

    async def source() -> AsyncIterator[OutgoingMessage]:
        while not enough.is_set():
            made.append(f"m{len(made)}")
            yield OutgoingMessage("t", "x", message_id=made[-1])
            await asyncio.sleep(0)

    answered = 0
    async with AsyncClient(connected(target)) as client:
        async for result in client.ingest.stream(source(), limits=_ONES):
            answered += result.accepted_count
            if answered == 50:
                break_the_busy_one(servers, number)
            if answered == 200:
                enough.set()
    assert answered == len(made)
    assert {*servers[0].ids, *servers[1].ids} == set(made)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM])
def test_calls_go_on_at_another_server(pair: tuple[str, list[Server]], number: signal.Signals) -> None:
    """A call to a server that is gone is repeated at the other one, with the same ids."""
    target, servers = pair
    with Client(connected(target)) as client:
        for index in range(40):
            if index == 10:
                break_the_busy_one(servers, number)
            message = OutgoingMessage("t", "x", message_id=f"m{index}")
            assert client.publish([message]).accepted_count == 1
    assert {*servers[0].ids, *servers[1].ids} == {f"m{index}" for index in range(40)}


def test_a_client_that_starts_meets_a_frozen_server(pair: tuple[str, list[Server]]) -> None:
    """Its kernel accepts the connection; the client does not wait for it for ever."""
    target, servers = pair
    servers[0].signal(signal.SIGSTOP)
    for index in range(4):
        with Client(connected(target)) as client:
            assert client.publish([OutgoingMessage("t", "x", message_id=f"m{index}")]).accepted_count == 1
    assert {*servers[1].ids} == {f"m{index}" for index in range(4)}


def test_calls_go_round_all_servers(start: Start) -> None:
    """Each of a list gets its share."""
    ports = [free_port(), free_port()]
    servers = [start(port) for port in ports]
    with Client(connected(",".join(f"127.0.0.1:{port}" for port in ports))) as client:
        while not all(server.ids for server in servers):
            client.publish([OutgoingMessage("t", "x")])


async def test_streams_survive_one_server_after_the_other(start: Start) -> None:
    """A rolling restart of all servers while many streams run loses nothing."""
    ports = [free_port(), free_port()]
    servers = [start(port) for port in ports]
    going = asyncio.Event()

    async def run(client: AsyncClient, name: int) -> int:
        async def source() -> AsyncIterator[OutgoingMessage]:
            index = 0
            while not going.is_set() or index < 50:
                yield OutgoingMessage("t", "x", message_id=f"s{name}-{index}")
                index += 1
                await asyncio.sleep(0.001)

        return sum([result.accepted_count async for result in client.ingest.stream(source(), limits=_ONES)])

    async with AsyncClient(connected(",".join(f"127.0.0.1:{port}" for port in ports))) as client:
        runs = [asyncio.create_task(run(client, name)) for name in range(5)]
        for server, port in zip(list(servers), ports, strict=True):
            server.signal(signal.SIGTERM)
            await asyncio.to_thread(server.process.wait)
            servers.append(await asyncio.to_thread(start, port))
        going.set()
        counts = await asyncio.gather(*runs)
    wanted = {f"s{name}-{index}" for name, count in enumerate(counts) for index in range(count)}
    assert {name for server in servers for name in server.ids} == wanted
