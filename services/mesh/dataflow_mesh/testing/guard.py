"""Starts a throw-away server so that it never outlives the test process.

Run as a program: it forks a watcher that holds the test process's pipe, drops privileges and becomes the server (same
pid). A pipe works where PR_SET_PDEATHSIG does not: it does not fire when only the starting thread ends, it survives a
change of user, and it exists outside Linux. Standard library only, since it runs with `-I -S`.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

RELEASE = b"r"
"""The byte by which a living test process says that it has stopped the server itself."""

_GRACE_SECONDS = 3.0


def _watch(server: int, stop_signal: int, directory: str) -> None:
    """Waits for the test process to end; then ends the server and removes its directory."""
    if os.read(0, 1) == RELEASE:
        return
    deadline = time.monotonic() + _GRACE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        while os.getppid() == server:  # else it is dead already, and its pid may be somebody else's
            late = time.monotonic() > deadline
            os.kill(server, signal.SIGKILL if late else stop_signal)
            os.kill(server, signal.SIGCONT)
            time.sleep(0.1)
    if directory:
        shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    """Arguments: uid, gid, stop signal, directory to remove (may be empty), then the server's command."""
    uid, gid, stop_signal, directory = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    command = sys.argv[5:]
    server = os.getpid()
    nothing = os.open(os.devnull, os.O_RDWR)
    if os.fork() == 0:
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(ignored, signal.SIG_IGN)
        os.setsid()
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        _watch(server, stop_signal, directory)
        os._exit(0)
    os.dup2(nothing, 0)
    if os.getuid() == 0 and uid != 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    os.execv(command[0], command)  # noqa: S606 - becoming the server is the purpose


if __name__ == "__main__":
    main()
