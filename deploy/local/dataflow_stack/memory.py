"""Resident memory of a process with its children, without looking at every process of the machine."""

import contextlib
from pathlib import Path

import psutil


def rss_bytes(pid: int) -> int:
    """Returns the resident memory of a process and its descendants; what they share counts once, with the first of them."""
    total = 0
    for index, one in enumerate([pid, *_descendants(pid)]):
        with contextlib.suppress(psutil.Error):
            memory = psutil.Process(one).memory_info()
            # Postgres's processes share their buffers.
            total += memory.rss - (getattr(memory, "shared", 0) if index else 0)
    return total


def _descendants(pid: int) -> list[int]:
    """Returns the descendants of a process; one that has none, as nearly all of ours, is asked in one look."""
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        children = [int(child) for child in listing.read_text().split()]
    except OSError:
        # Not every kernel tells; then every process of the machine says who its parent is.
        with contextlib.suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
        return []
    return [descendant for child in children for descendant in (child, *_descendants(child))]
