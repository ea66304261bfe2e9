"""The simulator's commands as somebody types them: output and exit codes."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dataflow_cli.root import dataflow
from dataflow_mesh.testing import free_port
from dataflow_simulator.commands.simulate import faults_of
from dataflow_simulator.faults import NONE, SOME
from dataflow_simulator.null_server import Behaviour, NullServer


class ServerThread:
    """A null server on a loop of its own, since a command brings its own loop."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.server = NullServer(behaviour)
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        async def serve() -> None:
            self._stop = asyncio.Event()
            async with self.server:
                self._ready.set()
                await self._stop.wait()

        self._loop.run_until_complete(serve())
        self._loop.close()

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour(keep=True)


@pytest.fixture
def server(behaviour: Behaviour) -> Iterator[NullServer]:
    thread = ServerThread(behaviour)
    thread.start()
    yield thread.server
    thread.end()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "messages.jsonl"
    path.write_text("".join(f'{{"topic": "t/{n % 3}", "payload": {n}, "expect": "accept"}}\n' for n in range(50)))
    return path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(dataflow, [str(argument) for argument in arguments])


def test_replay_says_what_was_published_and_acknowledged(server: NullServer, recording: Path, tmp_path: Path) -> None:
    """JSON on standard output, the numbers of the acknowledged lines in the log, exit code 0."""
    log = tmp_path / "acknowledged"
    result = _run("replay", recording, "--mqtt", f"127.0.0.1:{server.port}", "--json", "--ack-log", log, "--rate", 5000)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == {"published": 50, "acknowledged": 50}
    assert sorted(map(int, log.read_text().split())) == list(range(50))
    assert sorted(int(message.payload) for message in server.received) == list(range(50))


def test_replay_at_qos_0_claims_no_acknowledgement(server: NullServer, recording: Path) -> None:
    """Nobody acknowledges QoS 0, and that is no failure."""
    result = _run("replay", recording, "--mqtt", f"127.0.0.1:{server.port}", "--qos", 0, "--json")
    assert (result.exit_code, json.loads(result.output)) == (0, {"published": 50, "acknowledged": 0})


@pytest.mark.parametrize("behaviour", [Behaviour(reason_code=0x97)])
def test_replay_fails_when_messages_are_refused(server: NullServer, recording: Path) -> None:
    """Published and not acknowledged is a failed check."""
    result = _run("replay", recording, "--mqtt", f"127.0.0.1:{server.port}", "--protocol", "5", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output) == {"published": 50, "acknowledged": 0, "refused": 50}


@pytest.mark.parametrize("behaviour", [Behaviour(connect_code=5)])
def test_a_refused_login_is_denied(server: NullServer, recording: Path) -> None:
    """Exit code 4, and one line that says so."""
    result = _run("replay", recording, "--mqtt", f"127.0.0.1:{server.port}")
    assert result.exit_code == 4
    assert "refused the connection" in result.output


def test_usage_errors_are_two(server: NullServer, recording: Path, tmp_path: Path) -> None:
    """A bad line, a bad address, an option that MQTT 3.1.1 cannot say."""
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"payload": 1}\n')
    where = f"127.0.0.1:{server.port}"
    assert _run("replay", bad, "--mqtt", where).exit_code == 2
    assert _run("replay", recording, "--mqtt", "127.0.0.1:x").exit_code == 2
    assert _run("replay", recording, "--mqtt", where, "--message-id").exit_code == 2
    assert _run("simulate", "--mqtt", where, "--no-provision", "--fault", "spike=2").exit_code == 2
    assert _run("bench", "--rate", 5, "--max").exit_code == 2


def test_where_nothing_runs_nothing_is_reached(recording: Path, tmp_path: Path) -> None:
    """A data directory without a stack is exit code 3, and so is a port without a server."""
    assert _run("replay", recording, "--data-dir", tmp_path).exit_code == 3
    result = _run("replay", recording, "--mqtt", f"127.0.0.1:{free_port()}")
    assert result.exit_code == 3
    assert "no MQTT connection" in result.output


def test_faults_are_read() -> None:
    """A usual day's, with one of them changed; dashes as in the other options."""
    assert faults_of(()) == NONE
    assert faults_of(("some", "wrong-type=0.5")) == replace(SOME, wrong_type=0.5)


def test_simulate_sends_for_its_time(server: NullServer) -> None:
    """Recorded devices send to any MQTT server, with times of now, when no contract is to be made."""
    where = f"127.0.0.1:{server.port}"
    result = _run("simulate", "--mqtt", where, "--no-provision", "--interval", 0.1, "--seconds", 0.2, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.output.splitlines()[-1])
    assert report["published"] == report["acknowledged"] == len(server.received) >= 13
    assert len({message.topic for message in server.received}) == 13
