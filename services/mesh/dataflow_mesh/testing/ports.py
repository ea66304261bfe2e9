"""Free ports that parallel test processes do not take from each other."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_FIRST, _LAST = 20_000, 32_000
"""Below Linux's ephemeral range, so that no outgoing connection takes a port between its choice and its use."""

_held: dict[int, int] = {}
"""By port the descriptor that holds its lock, until this process ends."""


def free_port() -> int:
    """Returns a TCP port of 127.0.0.1 that nobody listens on.

    It stays reserved among all callers of this function until this process ends.

    Raises:
        RuntimeError: No free port was found.
    """
    directory = Path(tempfile.gettempdir()) / f"dataflow-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    for port in random.SystemRandom().sample(range(_FIRST, _LAST), 500):
        if port not in _held and _reserve(directory, port):
            return port
    raise RuntimeError(f"no free port between {_FIRST} and {_LAST}")


def _reserve(directory: Path, port: int) -> bool:
    lock = os.open(directory / str(port), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(OSError), socket.socket() as probe:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        probe.bind(("127.0.0.1", port))
        _held[port] = lock
        return True
    os.close(lock)
    return False
