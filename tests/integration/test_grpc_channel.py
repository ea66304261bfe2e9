"""Channels between services: lists of targets, health, and a server that freezes."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import grpc.aio
import pytest
from dataflow.bridge.v1 import ingest_service_pb2 as pb
from dataflow.bridge.v1.ingest_service_pb2_grpc import IngestServiceStub
from dataflow_mesh.channel import InsecureTargetError, open_channel, service_config, target_of
from dataflow_mesh.testing import ADMIN_TOKEN, InProcess, free_port, in_process_server
from dataflow_mesh.testing.echo import NAME, echo_call, echo_service, text_class

Text = text_class()


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("host:1", "dns:///host:1"),
        ("dns:///host:1", "dns:///host:1"),
        ("xds:///bridges", "xds:///bridges"),
        ("127.0.0.1:1,127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
        ("localhost:1, 127.0.0.1:1", "ipv4:127.0.0.1:1"),
        ("[::1]:1,[::1]:2", "ipv6:[::1]:1,[::1]:2"),
    ],
)
def test_an_address_becomes_a_target(address: str, target: str) -> None:
    """A list becomes the addresses of its hosts."""
    assert target_of(address) == target


@pytest.mark.parametrize("target", ["127.0.0.1:1,bridge.example:2", "ipv4:127.0.0.1:1,10.0.0.1:2"])
async def test_a_list_that_leaves_this_machine_needs_tls(target: str) -> None:
    """One entry is enough to read the token on the way."""
    with pytest.raises(InsecureTargetError):
        async with open_channel(target, token="secret"):
            pass


def test_health_is_asked_for_on_request() -> None:
    """By the name of the service that is called."""
    assert "healthCheckConfig" not in json.loads(service_config([]))
    assert json.loads(service_config([], "a.Service"))["healthCheckConfig"] == {"serviceName": "a.Service"}


@pytest.fixture
async def pair() -> AsyncIterator[tuple[list[InProcess], list[int]]]:
    """Give two servers, and how often each was called."""
    counts = [0, 0]
    servers = []
    async with AsyncExitStack() as stack:
        for index in range(2):

            async def count(request: object, _: object, index: int = index) -> object:
                counts[index] += 1
                return request

            servers.append(await stack.enter_async_context(in_process_server([echo_service(Unary=count)])))
        yield servers, counts


async def test_calls_go_round_and_leave_out_who_is_not_well(pair: tuple[list[InProcess], list[int]]) -> None:
    """A server that says NOT_SERVING gets nothing until it is well again."""
    servers, counts = pair
    target = ",".join(server.target for server in servers)
    async with open_channel(target, token=ADMIN_TOKEN, health_service=NAME) as channel:
        call = echo_call(channel, "Unary")
        while not all(counts):
            await call(Text(text="a"), wait_for_ready=True)
        await servers[0].server.set_serving(NAME, False)
        streak, before = 0, counts[0]
        while streak < 20:  # until the news has arrived
            await call(Text(text="a"), wait_for_ready=True)
            streak, before = (streak + 1, before) if counts[0] == before else (0, counts[0])
        await servers[0].server.set_serving(NAME, True)
        while counts[0] == before:
            await call(Text(text="a"), wait_for_ready=True)


@pytest.fixture
def frozen_soon(tmp_path: Path) -> Iterator[tuple[str, list[Path], Callable[[], None]]]:
    """Give the target of two processes, where each notes what it took, and what freezes the first one."""
    ports = [free_port(), free_port()]
    logs = [tmp_path / str(port) for port in ports]
    program = str(Path(__file__).with_name("ingest_process.py"))
    processes = [
        subprocess.Popen([sys.executable, program, str(port), str(log)], stdout=subprocess.PIPE)
        for port, log in zip(ports, logs, strict=True)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        target = ",".join(f"127.0.0.1:{port}" for port in ports)
        yield target, logs, lambda: processes[0].send_signal(signal.SIGSTOP)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


async def test_a_call_to_a_frozen_server_ends_long_before_its_deadline(
    frozen_soon: tuple[str, list[Path], Callable[[], None]],
) -> None:
    """Unanswered pings tell; the calls after it go to the other server."""
    target, logs, freeze = frozen_soon
    request = pb.PublishMessagesRequest(messages=[pb.PublishMessage(topic="t", text="x")])
    async with open_channel(target, token=ADMIN_TOKEN) as channel:
        publish = IngestServiceStub(channel).PublishMessages

        async def until_one_fails() -> None:
            while True:
                await publish(request, timeout=100)

        while not all(log.exists() for log in logs):
            await publish(request, timeout=60)
        freeze()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await until_one_fails()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        for _ in range(10):
            await publish(request, timeout=100)
