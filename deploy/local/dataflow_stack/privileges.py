"""As root, Redis and Postgres run under an unprivileged user: who that is, and how it reaches programs and data.

A checkout may lie under a closed home directory (0700), which that user cannot pass. So a server gets its directory as
an open descriptor, which needs no path (`launch.py`), and programs that come from wheels inside the checkout are copied
to /var/cache/dataflow. No mode outside of the data directory and of that cache is touched.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataflow_stack.errors import StackError
from dataflow_stack.programs import Program

DIRECTORY_FD: Final = 9
"""The descriptor on which a server under another user finds its directory."""

_CACHE: Final = Path("/var/cache/dataflow/servers")


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The operating-system user that servers run under, when it is not ours."""

    uid: int
    gid: int


def server_user(recorded_uid: int | None) -> ServerUser | None:
    """Returns whom servers run as, or None: as ourselves.

    Args:
        recorded_uid: Who owns the data that are there.

    Raises:
        StackError: This is root, and there is no unprivileged user.
    """
    if os.getuid() != 0:
        return None
    if recorded_uid:
        with contextlib.suppress(KeyError):
            return ServerUser(recorded_uid, pwd.getpwuid(recorded_uid).pw_gid)
    for name in ("postgres", "nobody"):  # by name: initdb refuses a user that has none
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServerUser(entry.pw_uid, entry.pw_gid)
    raise StackError(
        "as root, servers need an unprivileged user: neither 'postgres' nor 'nobody' exists; run as another user"
    )


def directory_of(path: Path, user: ServerUser | None) -> str:
    """Returns how a server names its own directory."""
    return f"/proc/self/fd/{DIRECTORY_FD}" if user is not None and sys.platform == "linux" else str(path)


def give(path: Path, user: ServerUser | None) -> None:
    """Makes a server's directory, or hands an existing one with all that is in it to its user."""
    path.mkdir(mode=0o700, exist_ok=True)
    if user is None or path.stat().st_uid == user.uid:
        return
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, user.uid, user.gid, follow_symlinks=False)
    os.chown(path, user.uid, user.gid)


def reachable(program: Program, user: ServerUser | None) -> Path:
    """Returns the path of a program as its user can run it: a copy, when the original lies in a closed directory.

    Raises:
        StackError: Not even a copy runs.
    """
    if user is None or _runs(program.path, user):
        return program.path
    copy = _copied(program)
    if not _runs(copy, user):
        raise StackError(f"the unprivileged user {user.uid} can run neither {program.path} nor a copy, {copy}")
    return copy


def _runs(path: Path, user: ServerUser) -> bool:
    try:
        done = subprocess.run(
            [path, "--version"],
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            cwd="/",
            check=False,
            capture_output=True,
        )
    except OSError:
        return False
    return done.returncode == 0


def _copied(program: Program) -> Path:
    """Copies a program with what it needs: a Postgres installation and the libraries that its wheel put beside it."""
    _CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
    _CACHE.chmod(0o755)
    status = _CACHE.lstat()
    if status.st_uid != 0 or not stat.S_ISDIR(status.st_mode):
        raise StackError(f"{_CACHE} is not root's own")
    key = hashlib.sha256(program.path.read_bytes()).hexdigest()[:12]  # one copy for all checkouts
    target = _CACHE / f"{program.kind}-{program.version}-{key}"
    # <package>/<installation>/bin/postgres; <package>.libs is found from there by a relative path.
    package = program.path.parents[2] if program.kind == "postgres" else program.path.parents[1]
    if not target.exists():
        made = Path(tempfile.mkdtemp(prefix="making-", dir=_CACHE))
        needed = [program.path.parents[1]] if program.kind == "postgres" else [program.path.parent]
        for folder in (*needed, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(folder, made / folder.relative_to(package.parent), symlinks=True)
        _open_to_all(made)
        with contextlib.suppress(OSError):  # another `up` was faster
            made.rename(target)
        shutil.rmtree(made, ignore_errors=True)
    return target / program.path.relative_to(package.parent)


def _open_to_all(copy: Path) -> None:
    """Lets everybody read the copy: a strict umask may have closed the files of the checkout."""
    copy.chmod(0o755)
    for folder, folders, files in os.walk(copy):
        for path in (Path(folder) / name for name in (*folders, *files)):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o755 if mode & stat.S_IXUSR else 0o644))
