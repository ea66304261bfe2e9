"""`dataflow replay --grpc`: streams instead of MQTT connections, the same options and counts."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.bridge.v1 import ingest_service_pb2 as pb
from dataflow_cli.root import dataflow
from dataflow_client.testing import Failure, Script, serving


def accept(request: pb.StreamMessagesRequest) -> pb.StreamMessagesResponse:
    return pb.StreamMessagesResponse(sequence=request.sequence, accepted_count=len(request.messages))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def bridge(script: Script) -> Iterator[str]:
    with serving(script) as target:
        yield target


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "messages.jsonl"
    path.write_text("".join(f'{{"topic": "t/{n % 3}", "payload": {n}}}\n' for n in range(50)))
    return path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(dataflow, [str(argument) for argument in arguments])


def _payloads(script: Script, topic: str) -> list[int]:
    every = [message for request in script.requests("StreamMessages") for message in request.messages]
    return [int(message.payload) for message in every if message.topic == topic]


def test_it_says_what_was_published_and_acknowledged(
    script: Script, bridge: str, recording: Path, tmp_path: Path
) -> None:
    """The counts, the log of lines, and each topic in order, with as many streams as asked for."""
    script.on("StreamMessages", accept)
    log = tmp_path / "acknowledged"
    options = ("--bridge", bridge, "--token", "t", "--json", "--ack-log", log, "--rate", 5000, "--clients", 2)
    result = _run("replay", recording, "--grpc", *options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == {"published": 50, "acknowledged": 50}
    assert sorted(map(int, log.read_text().split())) == list(range(50))
    for topic in range(3):
        assert _payloads(script, f"t/{topic}") == list(range(topic, 50, 3))


def test_refused_messages_are_counted_and_not_in_the_log(
    script: Script, bridge: str, recording: Path, tmp_path: Path
) -> None:
    """One bad message costs one message, and the exit code says so."""

    def refuse_first(request: pb.StreamMessagesRequest) -> pb.StreamMessagesResponse:
        answer = accept(request)
        if any(message.payload == b"0" for message in request.messages):
            answer.accepted_count -= 1
            answer.rejected.add(index=0, error_message="no")
        return answer

    script.on("StreamMessages", refuse_first)
    log = tmp_path / "acknowledged"
    options = ("--bridge", bridge, "--token", "t", "--json", "--ack-log", log, "--clients", 1)
    result = _run("replay", recording, "--grpc", *options)
    assert result.exit_code == 1
    assert json.loads(result.output) == {"published": 50, "acknowledged": 49, "refused": 1}
    assert sorted(map(int, log.read_text().split())) == list(range(1, 50))


@pytest.mark.parametrize(("option", "same"), [((), False), (("--message-id",), True)])
def test_ids_are_those_of_the_recording_on_request(
    script: Script, bridge: str, recording: Path, option: tuple[str, ...], same: bool
) -> None:
    """Otherwise a second replay is new data."""
    script.on("StreamMessages", accept)
    ids = []
    for _ in range(2):
        assert _run("replay", recording, "--grpc", "--bridge", bridge, "--token", "t", *option).exit_code == 0
        ids.append({m.message_id for request in script.requests("StreamMessages") for m in request.messages})
        script.calls["StreamMessages"].clear()
    assert all(len(found) == 50 for found in ids)
    assert (ids[0] == ids[1]) is same


def test_a_bridge_that_refuses_or_is_away_has_its_exit_code(script: Script, bridge: str, recording: Path) -> None:
    """As for every command."""
    script.on("StreamMessages", Failure(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_INVALID"))
    assert _run("replay", recording, "--grpc", "--bridge", bridge, "--token", "t").exit_code == 4
    script.on("StreamMessages", Failure(grpc.StatusCode.UNAVAILABLE, reason="RING_UNAVAILABLE"))
    away = _run("replay", recording, "--grpc", "--bridge", bridge, "--token", "t", "--patience", "0.5")
    assert away.exit_code == 3


@pytest.mark.parametrize(
    "option", [("--qos", "1"), ("--mqtt", "127.0.0.1:1"), ("--protocol", "5"), ("--username", "u")]
)
def test_options_of_mqtt_are_refused(bridge: str, recording: Path, option: tuple[str, str]) -> None:
    """Rather than ignored."""
    result = _run("replay", recording, "--grpc", "--bridge", bridge, "--token", "t", *option)
    assert result.exit_code == 2
    assert option[0] in result.output
