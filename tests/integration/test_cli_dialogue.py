"""`dataflow ask` at a terminal: text as it comes, Ctrl-C cancels an answer, Ctrl-D ends."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from dataflow.insight.v1 import ask_service_pb2 as pb
from dataflow_client.testing import Hang, Part, Script, serving

_SECONDS = 30.0
_CTRL_C, _CTRL_D = b"\x03", b"\x04"
_AT_TERMINAL = """
import os, sys
os.close(os.open(os.ttyname(0), os.O_RDWR))  # a session without a terminal takes the first that it opens: Ctrl-C is its
os.execv(sys.executable, [sys.executable, "-m", "dataflow_cli", *sys.argv[1:]])
"""


class Terminal:
    """The command at a terminal of its own."""

    def __init__(self, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_TERMINAL, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def until(self, wanted: str, *, pressing: bytes = b"") -> None:
        """Waits until a text has appeared since the last one that was waited for.

        Args:
            wanted: The text.
            pressing: Pressed again and again: readline looks for a signal only when a key or the signal itself wakes it,
                and may just be about to sleep.
        """
        ends = time.monotonic() + _SECONDS
        while wanted not in self.shown:
            left = ends - time.monotonic()
            assert left > 0, self.shown
            if select.select([self._master], [], [], min(left, 1.0) if pressing else left)[0]:
                try:
                    self.shown += os.read(self._master, 4096).decode()
                except OSError as error:
                    raise AssertionError(self.shown) from error
            else:
                self.type(pressing)
        self.shown = self.shown.partition(wanted)[2]

    def type(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self._master, keys)

    def close(self) -> None:
        """Ends it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def terminal(script: Script) -> Iterator[Terminal]:
    with serving(script) as target:
        made = Terminal("ask", "--insight", target, "--token", "t")
        yield made
        made.close()


def answer(*more: Part) -> list[Part]:
    return [
        pb.AskResponse(started=pb.Started(ask_id="1", engine="gemini")),
        pb.AskResponse(text=pb.TextDelta(text="There are ")),
        *more,
    ]


def test_an_answer_is_cancelled_and_the_dialogue_goes_on(script: Script, terminal: Terminal) -> None:
    """Text appears while more is on its way; Ctrl-C ends the call, the next question is answered, Ctrl-D ends in order."""
    whole = answer(
        pb.AskResponse(text=pb.TextDelta(text="24 readings.")),
        pb.AskResponse(finished=pb.Finished(engine="local", verified=True, verified_count=1)),
    )
    script.on("Ask", answer(Hang()), whole)
    terminal.until("? ")
    terminal.type(b"how many?\n")
    terminal.until("There are ")
    terminal.type(_CTRL_C)
    terminal.until("(cancelled)")
    assert script.calls["Ask"][0].ended.wait(_SECONDS)
    terminal.until("? ")
    terminal.type(b"how many, then?\n")
    terminal.until("There are 24 readings.")
    terminal.until("[local, verified, 1 bound")
    terminal.until("? ")
    terminal.type(_CTRL_D)
    assert terminal.process.wait(_SECONDS) == 0


def test_ctrl_c_at_the_prompt_gives_up_the_line(script: Script, terminal: Terminal) -> None:
    """A half-typed question is not asked."""
    terminal.until("? ")
    terminal.type(b"how ma")
    terminal.until("how ma")
    terminal.type(_CTRL_C)
    terminal.until("? ", pressing=_CTRL_C)
    terminal.type(_CTRL_D)
    assert terminal.process.wait(_SECONDS) == 0
    assert not script.calls["Ask"]


def test_void_text_is_said_to_be_void(script: Script, terminal: Terminal) -> None:
    """Whoever has read along is told, and sees the answer that counts."""
    script.on(
        "Ask",
        answer(
            pb.AskResponse(text=pb.TextDelta(text="7777 readings.")),
            pb.AskResponse(replaced=pb.Replaced(reason="gemini failed: broken off")),
            pb.AskResponse(text=pb.TextDelta(text="24 readings.")),
            pb.AskResponse(finished=pb.Finished(engine="local", verified=True, fallback=pb.FALLBACK_UNAVAILABLE)),
        ),
    )
    terminal.until("? ")
    terminal.type(b"how many?\n")
    terminal.until("7777 readings.")
    terminal.until("(Void: gemini failed: broken off. The answer starts anew.)")
    terminal.until("24 readings.")
    terminal.until("instead of another engine: unavailable")
