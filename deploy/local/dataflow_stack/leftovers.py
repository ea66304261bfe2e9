"""Processes of a supervisor that was killed: the kernel has signalled them; the next start waits until they are gone."""

import contextlib
import json
import logging
from collections.abc import Iterable
from typing import Final

import psutil

from dataflow_stack.layout import Layout, write_private

_log = logging.getLogger(__name__)

_GRACE_SECONDS: Final = 30.0
_SAME_SECONDS: Final = 1.0


def remember(layout: Layout, pids: Iterable[int]) -> None:
    """Writes down the processes that run now."""
    entries = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            entries.append({"pid": pid, "started": psutil.Process(pid).create_time()})
    write_private(layout.processes, json.dumps(entries))


def forget(layout: Layout) -> None:
    """Says that nothing runs any more."""
    layout.processes.unlink(missing_ok=True)


def end_leftovers(layout: Layout) -> None:
    """Waits for the processes of an earlier run to end, and kills those that do not."""
    left = _still_there(layout)
    if left:
        _log.info("waiting for %d processes of an earlier run to end", len(left))
    _, stubborn = psutil.wait_procs(left, timeout=_GRACE_SECONDS)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=_GRACE_SECONDS)
    layout.status.unlink(missing_ok=True)


def _still_there(layout: Layout) -> list[psutil.Process]:
    try:
        entries = json.loads(layout.processes.read_text(encoding="utf-8"))
        known = {int(entry["pid"]): float(entry["started"]) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return []
    found: list[psutil.Process] = []
    for pid, started in known.items():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            # The time tells it from a stranger that has the same number now.
            if abs(process.create_time() - started) < _SAME_SECONDS:
                found.append(process)
    return found
