"""The embedded Postgres: one cluster with the database `dataflow`, its owner and its reader."""

import importlib.resources
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import psutil
from dataflow_mesh.database import DATABASE, INSIGHT, OWNER, READER, provision

from dataflow_stack import launch
from dataflow_stack.child import ChildSpec
from dataflow_stack.errors import StackError
from dataflow_stack.layout import Layout
from dataflow_stack.postgres_probe import PostgresProbe
from dataflow_stack.privileges import DIRECTORY_FD, ServerUser, directory_of, give
from dataflow_stack.record import Passwords

_SUPERUSER: Final = "postgres"
_PROBE_SECONDS: Final = 3.0
_INITDB_SECONDS: Final = 120
_STATUS_LINE: Final = 7
"""Of postmaster.pid, counted from 0."""
_HBA: Final = "# Nobody without a password, nobody from outside.\nhost all all 127.0.0.1/32 scram-sha-256\n"


@dataclass(frozen=True, slots=True)
class Postgres:
    """The cluster of one stack.

    Attributes:
        port: On 127.0.0.1.
        passwords: Of superuser, owner, reader and insight.
    """

    port: int
    passwords: Passwords

    @property
    def dsn(self) -> str:
        """The database as its owner."""
        return f"postgresql://{OWNER}:{self.passwords.owner}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def read_dsn(self) -> str:
        """The database as a role that only reads."""
        return f"postgresql://{READER}:{self.passwords.reader}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def insight_dsn(self) -> str:
        """The database as the role that keeps what insight writes."""
        return f"postgresql://{INSIGHT}:{self.passwords.insight}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self, layout: Layout, binary: Path, user: ServerUser | None) -> ChildSpec:
        """Makes the cluster when there is none, writes its configuration, returns how to start it.

        Raises:
            StackError: The cluster cannot be made.
        """
        directory = layout.postgres
        give(directory, user)
        here = directory_of(directory, user)
        cluster = directory / "data"
        if not cluster.exists():
            self._initialise(directory, here, binary.with_name("initdb"), user)
        shipped = (
            importlib.resources.files("dataflow_stack").joinpath("conf/postgresql.conf").read_text(encoding="utf-8")
        )
        _replace(cluster / "postgresql.conf", shipped + self._own(), user)
        _replace(cluster / "pg_hba.conf", _HBA, user)
        return ChildSpec(
            name="postgres",
            command=(str(binary), "-D", f"{here}/data"),
            directory=directory,
            log=layout.log("postgres"),
            user=user,
            stop_signal=signal.SIGINT,  # "fast": open transactions are rolled back, then a checkpoint
            death_signal=signal.SIGINT,
            stop_seconds=60.0,
            # A plain SIGTERM has it wait for its clients, and ours never leave.
            ends=lambda: _says_stopping(cluster / "postmaster.pid"),
        )

    def probe(self) -> PostgresProbe:
        """Returns what asks it whether it serves; whoever opens it closes it."""
        return PostgresProbe(self._connect)

    async def provision(self) -> None:
        """Makes the roles and the database, or brings an older data directory up to what is wanted."""
        connection = await self._connect()
        try:
            await provision(
                connection,
                owner_password=self.passwords.owner,
                reader_password=self.passwords.reader,
                insight_password=self.passwords.insight,
            )
        finally:
            await connection.close(timeout=_PROBE_SECONDS)

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_SUPERUSER,
            password=self.passwords.superuser,
            database="postgres",
            timeout=_PROBE_SECONDS,
            command_timeout=30,
            ssl=False,
            server_settings={"application_name": "dataflow up"},
        )

    def _own(self) -> str:
        memory = int(psutil.virtual_memory().total)
        # Rows come once and are read seldom: more would only fill, and the whole stack is to stay below 1.5 GB.
        buffers = max(128, min(256, memory // 8 >> 20))
        return (
            f"\nlisten_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n"
            f"shared_buffers = '{buffers}MB'\neffective_cache_size = '{max(256, memory // 2 >> 20)}MB'\n"
        )

    def _initialise(self, directory: Path, here: str, initdb: Path, user: ServerUser | None) -> None:
        draft, password = directory / "data.new", directory / "password"
        shutil.rmtree(draft, ignore_errors=True)
        _replace(password, self.passwords.superuser + "\n", user)
        command = [str(initdb), "-D", f"{here}/{draft.name}", "-U", _SUPERUSER, "-A", "scram-sha-256"]
        command += [
            f"--pwfile={here}/{password.name}",
            "-E",
            "UTF8",
            "--locale=C",
            "--data-checksums",
            "--wal-segsize=1",
            "--no-instructions",
        ]
        ids = (user.uid, user.gid, DIRECTORY_FD) if user is not None else (-1, -1, -1)
        tied = (
            int(signal.SIGKILL) if sys.platform == "linux" else 0
        )  # elsewhere it would need a pipe; it ends soon anyway
        arguments = [str(part) for part in (os.getpid(), tied, *ids, directory)]
        done = subprocess.run(
            [sys.executable, "-I", "-S", launch.__file__, *arguments, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INITDB_SECONDS,
            check=False,
        )
        password.unlink()
        if done.returncode != 0:
            raise StackError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        draft.rename(directory / "data")


def _says_stopping(file: Path) -> bool:
    """Returns whether the postmaster notes that it shuts down; a start that takes long is noted otherwise."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "stopping"


def _replace(path: Path, text: str, user: ServerUser | None) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if user is not None:
        os.chown(path, user.uid, user.gid)
