"""How much memory a supervised process and its children take."""

import subprocess
import sys

import psutil
from dataflow_stack.memory import rss_bytes

_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "data = bytearray(b'x') * 30_000_000; print('ready', flush=True); input()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print("ready", flush=True)
input()
"""


def test_memory_of_children_counts() -> None:
    """A process is as large as all of its tree."""
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        own = psutil.Process(parent.pid).memory_info().rss
        assert rss_bytes(parent.pid) - own > 25_000_000
        for process in (*psutil.Process(parent.pid).children(), psutil.Process(parent.pid)):
            process.kill()


def test_process_that_has_ended_takes_nothing() -> None:
    """Whoever asks a moment too late gets zero, not an error."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert rss_bytes(process.pid) == 0
