"""Where everything lies inside the data directory."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from dataflow_stack.errors import StackError


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one stack.

    Attributes:
        root: The data directory, absolute.
    """

    root: Path

    @property
    def lock(self) -> Path:
        """Locked by the supervisor for as long as it lives."""
        return self.root / "lock"

    @property
    def record(self) -> Path:
        """What a later start must know: ports, nodes, the servers that made the data."""
        return self.root / "stack.json"

    @property
    def status(self) -> Path:
        """What runs now, rewritten every second; holds passwords, so 0600."""
        return self.root / "status.json"

    @property
    def processes(self) -> Path:
        """Who runs, for the start after a death of the supervisor."""
        return self.root / "processes.json"

    @property
    def passwords(self) -> Path:
        """The generated passwords of Redis and Postgres."""
        return self.root / "passwords.json"

    @property
    def exports(self) -> Path:
        """Where export jobs put their files."""
        return self.root / "exports"

    @property
    def token_file(self) -> Path:
        """The tokens that the services accept."""
        return self.root / "tokens.json"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.root / "logs"

    @property
    def heartbeats(self) -> Path:
        """The watchdog files."""
        return self.root / "heartbeats"

    @property
    def postgres(self) -> Path:
        """What belongs to the Postgres server; its cluster is `data` inside."""
        return self.root / "postgres"

    def node(self, name: str) -> Path:
        """Returns the directory of one Redis node."""
        return self.root / name

    def state(self, name: str) -> Path:
        """Returns the state directory of one bridge."""
        return self.root / "state" / name

    def log(self, name: str) -> Path:
        """Returns the log file of one process."""
        return self.logs / f"{name}.log"

    def heartbeat(self, name: str) -> Path:
        """Returns the watchdog file of one process."""
        return self.heartbeats / name

    def create(self, server_gid: int | None) -> None:
        """Makes the directories; what exists is kept.

        Args:
            server_gid: The group of servers that run under another user: it may pass through the data directory,
                not list it.

        Raises:
            StackError: The data directory is somebody else's, or cannot be made.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if self.root.stat().st_uid != os.getuid():
                raise StackError(f"{self.root} belongs to another user; choose another with --data-dir")
            if server_gid is None:
                self.root.chmod(0o700)
            else:
                os.chown(self.root, -1, server_gid)
                self.root.chmod(0o710)
            for directory in (self.logs, self.heartbeats, self.root / "state"):
                directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackError(f"cannot use the data directory {self.root}: {error.strerror}") from error


def write_private(path: Path, text: str) -> None:
    """Writes a file of mode 0600 that appears whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.rename(path)
