"""Becomes a child of the supervisor: tied to its life, without its privileges.

Run as a program, with the standard library alone (`-I -S`). It asks the kernel to signal this process when the
supervisor dies, however that happens, and then executes the command under the same pid. Where the kernel cannot do that
(not Linux), a forked watcher waits for the end of the supervisor's pipe on standard input.
"""

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arguments: supervisor's pid, death signal (0: not tied), uid, gid (-1: keep), directory descriptor (-1: none), directory, command."""
    supervisor, death_signal, uid, gid, descriptor = (int(text) for text in sys.argv[1:6])
    directory, command = sys.argv[6], sys.argv[7:]
    if descriptor >= 0:
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        os.dup2(opened, descriptor, inheritable=True)
        if opened != descriptor:
            os.close(opened)
        os.chdir("/")
    else:
        os.chdir(directory)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        os.environ.pop("HOME", None)
    os.umask(0o077)
    if death_signal == 0:
        pass
    elif sys.platform == "linux":
        # After setuid, which clears it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != supervisor:
            sys.exit(1)
    else:
        _fork_watcher(death_signal)
    os.execv(command[0], command)  # noqa: S606 - becoming the server is the purpose


def _fork_watcher(death_signal: int) -> None:
    server = os.getpid()
    nothing = os.open(os.devnull, os.O_RDWR)
    if os.fork() == 0:
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(ignored, signal.SIG_IGN)
        os.setsid()
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        os.read(0, 1)
        if os.getppid() == server:  # else it has ended, and its pid may be somebody else's
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, death_signal)
        os._exit(0)
    os.dup2(nothing, 0)


if __name__ == "__main__":
    main()
