"""The life of a process, seen from outside: signals, exit codes, the order of its end, its heartbeat."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PREAMBLE = """
import asyncio, os, signal, sys
from dataflow_mesh.lifecycle import run
from dataflow_mesh.logs import configure_logging
configure_logging("info", "text")

def say(text):
    print(text, flush=True)
"""

Processes = list[subprocess.Popen[str]]


@pytest.fixture
def started() -> Iterator[Processes]:
    """The processes of a test; none outlives it."""
    processes: Processes = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def start(
    started: Processes, body: str, *, options: str = "", environ: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Starts a process whose `main` is `body`; it says "ready" on standard output when it is."""
    source = f"{PREAMBLE}\n{textwrap.dedent(body)}\nsys.exit(run('test', main{options}))\n"
    process = subprocess.Popen(
        [sys.executable, "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (environ or {}),
    )
    started.append(process)
    return process


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    """Returns when the process has said the line."""
    assert process.stdout is not None
    assert process.stdout.readline().strip() == line


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Returns exit code, output and log."""
    output, log = process.communicate(timeout=60)
    return process.returncode, output, log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_order(started: Processes, number: signal.Signals) -> None:
    """The stop event is set, callbacks run by their order, and main goes on to its own end."""
    process = start(
        started,
        """
        async def main(process):
            async def last(): say("last")
            async def first(): say("first")
            process.on_stop(last, order=2)
            process.on_stop(first, order=1)
            say("ready")
            await process.stopped()
            say("closed")
        """,
    )
    wait_for(process, "ready")
    process.send_signal(number)
    code, output, log = finish(process)
    assert (code, output.split()) == (0, ["first", "last", "closed"])
    assert f"reason={number.name}" in log


def test_a_process_ends_when_its_main_does(started: Processes) -> None:
    """Nothing that main has spawned keeps it alive."""
    process = start(
        started,
        """
        async def main(process):
            process.spawn(asyncio.Event().wait(), name="endless")
        """,
    )
    assert finish(process)[0] == 0


def test_a_dead_task_stops_the_process_with_1(started: Processes) -> None:
    """A process never lives half-dead: the others get their ordered end, the log has the trace."""
    process = start(
        started,
        """
        async def work():
            raise ValueError("broken")

        async def main(process):
            process.spawn(work(), name="pump")
            await process.stopping.wait()
            say("drained")
        """,
    )
    code, output, log = finish(process)
    assert (code, output.strip()) == (1, "drained")
    assert "task=pump" in log
    assert "ValueError: broken" in log


def test_a_task_that_ends_early_stops_the_process_with_1_unless_it_may(started: Processes) -> None:
    """A loop that returns is as dead as one that raises."""
    body = """
        async def work(): pass

        async def main(process):
            await process.spawn(work(), name="allowed", may_end=True)
            say("alive" if not process.stopping.is_set() else "dead")
            process.spawn(work(), name="pump")
            await process.stopping.wait()
        """
    code, output, log = finish(start(started, body))
    assert (code, output.strip()) == (1, "alive")
    assert "task ended early" in log


def test_a_failing_main_is_logged_and_ends_with_1(started: Processes) -> None:
    """The trace is in the log."""
    code, _, log = finish(start(started, "async def main(process):\n    raise KeyError('main')"))
    assert code == 1
    assert "KeyError: 'main'" in log


def test_work_that_does_not_end_in_time_is_cancelled_and_exits_with_1(started: Processes) -> None:
    """The drain has a deadline, and cancelled work may still clean up."""
    process = start(
        started,
        """
        async def main(process):
            say("ready")
            try:
                await asyncio.Event().wait()
            finally:
                say("cleaned")
        """,
        options=", drain_seconds=0.1",
    )
    wait_for(process, "ready")
    process.terminate()
    code, output, log = finish(process)
    assert (code, output.strip()) == (1, "cleaned")
    assert "drain took too long" in log


def test_a_failing_stop_callback_does_not_keep_the_others_from_running(started: Processes) -> None:
    """What can be ended in order is."""
    process = start(
        started,
        """
        async def main(process):
            async def bad(): raise OSError("bad")
            async def good(): say("good")
            process.on_stop(bad, order=1)
            process.on_stop(good, order=2)
            process.stop()
            await process.stopped()
        """,
    )
    code, output, _ = finish(process)
    assert (code, output.strip()) == (1, "good")


def test_a_second_signal_ends_the_process_at_once(started: Processes) -> None:
    """Whoever presses Ctrl-C twice does not want to wait for the drain."""
    process = start(
        started,
        """
        async def main(process):
            say("ready")
            await process.stopping.wait()
            say("draining")
            await asyncio.Event().wait()
        """,
        options=", drain_seconds=1000",
    )
    wait_for(process, "ready")
    process.send_signal(signal.SIGINT)
    wait_for(process, "draining")
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 128 + signal.SIGINT


def test_a_process_that_not_even_cancelling_ends_is_cut_with_traces(started: Processes) -> None:
    """A stuck loop cannot outlive its drain time; the log says where it was stuck."""
    process = start(
        started,
        """
        import dataflow_mesh.lifecycle
        dataflow_mesh.lifecycle.CUT_SECONDS = 0.1

        async def main(process):
            process.stop()
            while True:
                pass
        """,
        options=", drain_seconds=0.1",
    )
    code, _, log = finish(process)
    assert code == 1
    assert "in main" in log


def test_the_heartbeat_stops_when_the_loop_is_stuck_and_the_lag_is_logged(started: Processes, tmp_path: Path) -> None:
    """A supervisor that watches the file sees a loop that runs, and one that does not."""
    file = tmp_path / "beat"
    process = start(
        started,
        """
        async def main(process):
            say("ready")
            await asyncio.to_thread(os.read, 0, 1)
            say("stuck")
            os.read(0, 1)  # in the loop: nothing else runs
            await process.stopping.wait()
        """,
        environ={"DATAFLOW_WATCHDOG_FILE": str(file)},
    )
    assert process.stdin is not None
    wait_for(process, "ready")
    beat(file, after=beat(file, after=0))
    os.write(process.stdin.fileno(), b"x")
    wait_for(process, "stuck")
    seen = int(file.read_text())
    time.sleep(1.0)  # four heartbeats that must not come: there is no event for what does not happen
    assert int(file.read_text()) == seen
    os.write(process.stdin.fileno(), b"x")
    beat(file, after=seen)
    process.terminate()
    code, _, log = finish(process)
    assert code == 0
    assert "action=loop_lag" in log


def beat(file: Path, *, after: int) -> int:
    """Returns the next number in the heartbeat file."""
    while True:
        text = file.read_text() if file.exists() else ""
        if text.endswith("\n") and int(text) > after:
            return int(text)
        time.sleep(0.01)
