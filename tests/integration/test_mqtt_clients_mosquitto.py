"""mosquitto_pub and mosquitto_sub, as they come with the broker."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from dataflow_bridge.listener.testing import Served, serve, token_authenticator

pytestmark = [
    pytest.mark.tool("mosquitto_pub"),
    pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="mosquitto_pub is not on the PATH"),
]
TOKENS = token_authenticator({"secret": ("fleet", "OPERATOR")})


async def run(served: Served, program: str, *arguments: str) -> tuple[int | None, str]:
    """Run one program of mosquitto against the listener; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        program,
        *("-h", "127.0.0.1", "-p", str(served.listener.port), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mosquitto_pub_publishes(version: str, qos: int) -> None:
    """All messages arrive and mosquitto_pub is content."""
    async with serve() as served:
        code, output = await run(
            served, "mosquitto_pub", "-V", version, "-q", str(qos), "-t", "m/t", "-m", '{"a":1}', "--repeat", "20"
        )
        assert (code, output) == (0, "")
        messages = await served.intake.wait_for(20)
    assert {(message.topic, message.payload) for message in messages} == {("m/t", b'{"a":1}')}
    assert len(served.intake.published) == 20


async def test_mosquitto_pub_leaves_its_properties_and_will() -> None:
    """The properties of MQTT 5 arrive, and so does the Will on request."""
    async with serve() as served:
        arguments = (
            "-V mqttv5 -q 1 -t m/t -m x -D publish content-type text/plain -D publish user-property message-id i1"
        )
        code, output = await run(
            served, "mosquitto_pub", *arguments.split(), "--will-topic", "w", "--will-payload", "bye"
        )
        assert (code, output) == (0, "")
        message = (await served.intake.wait_for(1))[0]
    assert (message.content_type, message.message_id) == ("text/plain", "i1")
    assert len(served.intake.published) == 1, "who says goodbye takes the Will back"


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_pub_is_refused_with_a_wrong_password(version: str) -> None:
    """The right token opens the door, a wrong one does not."""
    async with serve(authenticator=TOKENS) as served:
        for password, right in (("secret", True), ("guess", False)):
            code, output = await run(
                served, "mosquitto_pub", "-V", version, "-q", "1", "-t", "t", "-m", "x", "-u", "d", "-P", password
            )
            assert (code == 0) is right, output
        assert [message.device_id for message in served.intake.published] == ["d"]


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_sub_is_told_what_it_may_not_hear(version: str) -> None:
    """A device gets its own commands and nothing else."""
    async with serve(authenticator=TOKENS) as served:
        _, output = await run(
            served, "mosquitto_sub", "-V", version, "-u", "d", "-P", "secret", "-q", "1", "-t", "#", "-E"
        )
        assert "denied" in output
        code, output = await run(
            served,
            "mosquitto_sub",
            "-V",
            version,
            "-u",
            "d",
            "-P",
            "secret",
            "-q",
            "1",
            "-t",
            "devices/d/commands/#",
            "-E",
        )
        assert (code, "denied" in output) == (0, False)


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_pub_sends_a_megabyte(version: str) -> None:
    """1 MiB is a message like any other."""
    async with serve() as served:
        process = await asyncio.create_subprocess_exec(
            "mosquitto_pub",
            *("-h", "127.0.0.1", "-p", str(served.listener.port), "-V", version, "-q", "1", "-t", "big", "-s"),
            stdin=asyncio.subprocess.PIPE,
        )
        await process.communicate(b"x" * (1 << 20))
        assert process.returncode == 0
        assert len((await served.intake.wait_for(1))[0].payload) == 1 << 20
