"""When a child is killed, how long it waits for its next life, and how logs stay small."""

import os
from pathlib import Path

from dataflow_stack.backoff import Backoff
from dataflow_stack.child import describe_exit
from dataflow_stack.heartbeat import Heartbeat
from dataflow_stack.logs import cap


def beat(file: Path, at: int) -> None:
    """Writes a heartbeat with a modification time of its own."""
    file.touch()
    os.utime(file, ns=(at, at))


def test_silent_process_is_stopped_after_the_limit(tmp_path: Path) -> None:
    """A file that does not change for two seconds means that the process is stuck."""
    heartbeat = Heartbeat(tmp_path / "beat")
    beat(heartbeat.file, 1)
    assert not any(heartbeat.stopped(now) for now in (10.0, 10.5, 11.0, 11.5))
    assert heartbeat.stopped(12.0)


def test_beating_process_is_not_stopped(tmp_path: Path) -> None:
    """Each change of the file starts the two seconds anew."""
    heartbeat = Heartbeat(tmp_path / "beat")
    for step in range(20):
        beat(heartbeat.file, step)
        assert not heartbeat.stopped(10.0 + step * 0.5)


def test_process_that_has_not_begun_to_beat_is_still_starting(tmp_path: Path) -> None:
    """Without a file there is nothing to judge."""
    heartbeat = Heartbeat(tmp_path / "beat")
    assert not any(heartbeat.stopped(step * 0.5) for step in range(100))


def test_time_in_which_nobody_looked_does_not_count(tmp_path: Path) -> None:
    """A supervisor that was frozen itself does not kill its children for it."""
    heartbeat = Heartbeat(tmp_path / "beat")
    beat(heartbeat.file, 1)
    assert not heartbeat.stopped(10.0)
    assert not heartbeat.stopped(70.0)
    assert not heartbeat.stopped(70.5)


def test_process_that_served_is_started_again_at_once() -> None:
    """Whoever depends on it waits for nothing but its start."""
    backoff = Backoff(first_seconds=0.1, longest_seconds=1.0, forget_seconds=2.0)
    assert [backoff.after(served) for served in (2.0, 600.0, 3.0)] == [0.0, 0.0, 0.0]


def test_wait_doubles_with_early_deaths_and_ends_after_a_life_that_served() -> None:
    """Early deaths wait longer and longer, up to a limit; a life that served is a new beginning."""
    backoff = Backoff(first_seconds=0.1, longest_seconds=1.0, forget_seconds=2.0)
    assert [round(backoff.after(0.5), 3) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert [backoff.after(2.5), backoff.after(0.0)] == [0.0, 0.1]


def test_large_log_is_turned_over_in_place(tmp_path: Path) -> None:
    """The file that a child holds open is emptied, its content is kept once."""
    log = tmp_path / "bridge-0.log"
    with log.open("ab", buffering=0) as child:
        child.write(b"x" * 100)
        cap(tmp_path, limit_bytes=50)
        child.write(b"after")
    assert log.read_bytes() == b"after"
    assert (tmp_path / "bridge-0.log.1").read_bytes() == b"x" * 100


def test_exit_codes_are_told_in_words() -> None:
    """A signal is named."""
    assert describe_exit(-9) == "SIGKILL"
    assert describe_exit(3) == "exit code 3"
