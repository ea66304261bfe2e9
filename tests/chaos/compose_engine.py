"""What the Compose campaign does to containers, through the `docker` command: kill, freeze, cut off, and put right again."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

_COMMAND_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.5
_UNDO_TRIES: Final = 20


class EngineError(Exception):
    """A command of the engine failed, or a container did not come back."""


class FaultKind(StrEnum):
    """What is done to a container."""

    KILL = "kill"
    """SIGKILL to all its processes; started again by hand, since the engine takes a kill for a wish to stop."""
    PAUSE = "pause"
    """All its processes are frozen, its connections stay open and answer nothing."""
    DISCONNECT = "disconnect"
    """It loses its network: packets go nowhere, names do not resolve; it comes back with the same names."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container of the project.

    Attributes:
        name: As the engine calls it.
        service: As docker-compose.yml calls it.
    """

    name: str
    service: str


@dataclass(frozen=True, slots=True)
class Compose:
    """One project.

    Attributes:
        directory: Where docker-compose.yml lies.
        project: Its name.
        environment: Variables for docker-compose.yml, beside those of this process.
    """

    directory: Path
    project: str = "dataflow"
    environment: Mapping[str, str] | None = None

    def compose(self, *arguments: str, stdin: str = "", seconds: float = _COMMAND_SECONDS) -> str:
        """Runs `docker compose …` and returns what it prints.

        Raises:
            EngineError: It failed.
        """
        return self._run(("docker", "compose", "--project-name", self.project, *arguments), stdin, seconds)

    def docker(self, *arguments: str) -> str:
        """Runs `docker …` and returns what it prints.

        Raises:
            EngineError: It failed.
        """
        return self._run(("docker", *arguments), "", _COMMAND_SECONDS)

    def containers(self) -> list[Container]:
        """Returns the containers that run, by name; one-shot services have ended and are not among them."""
        listed = self.docker(
            "ps",
            "--filter",
            f"label=com.docker.compose.project={self.project}",
            "--format",
            '{{.Names}}\t{{.Label "com.docker.compose.service"}}',
        )
        return sorted((Container(*line.split("\t")) for line in listed.splitlines()), key=lambda found: found.name)

    @contextmanager
    def fault(self, kind: FaultKind, container: Container) -> Iterator[None]:
        """Does it for the length of the context, and puts it right again whatever happens.

        Raises:
            EngineError: The engine refused.
        """
        name = container.name
        begin: list[tuple[str, ...]]
        undo: list[tuple[str, ...]]
        networks = self._networks(name) if kind is FaultKind.DISCONNECT else {}
        match kind:
            case FaultKind.KILL:
                begin, undo = [("kill", name)], [("start", name)]
            case FaultKind.PAUSE:
                begin, undo = [("pause", name)], [("unpause", name)]
            case FaultKind.DISCONNECT:
                begin = [("network", "disconnect", network, name) for network in networks]
                undo = [self._reconnection(name, network, ends) for network, ends in networks.items()]
        try:
            for command in begin:
                self.docker(*command)
            yield
        finally:
            for command in undo:
                self._undo(command, name)

    def wait_healthy(self, container: Container, seconds: float) -> float:
        """Returns after how many seconds the container is healthy.

        Raises:
            EngineError: It is not, in time.
        """
        began = time.monotonic()
        state = ""
        while time.monotonic() - began < seconds:
            state = self.docker("inspect", "--format", "{{.State.Status}} {{.State.Health.Status}}", container.name)
            if state.split() == ["running", "healthy"]:
                return time.monotonic() - began
            time.sleep(_LOOK_SECONDS)
        raise EngineError(f"{container.name} is {state.strip()!r} after {seconds:.0f} s")

    def sql(self, statement: str) -> list[list[str]]:
        """Returns the rows of a statement as texts, asked inside the database's own container.

        Raises:
            EngineError: It failed.
        """
        arguments = ("exec", "-T", "postgres", "psql", "-U", "postgres", "-d", "dataflow", "-v", "ON_ERROR_STOP=1")
        output = self.compose(*arguments, "-AtF\t", stdin=statement)
        return [line.split("\t") for line in output.splitlines()]

    def secret(self, name: str) -> str:
        """Returns a file of the admin's volume: `admin.token`, `mosquitto-publisher`.

        Raises:
            EngineError: It cannot be read.
        """
        return self.compose(
            "run", "--rm", "--no-deps", "-T", "--entrypoint", "cat", "cli", f"/run/dataflow/{name}"
        ).strip()

    def waiting_batches(self) -> dict[str, int]:
        """Returns how many batches wait on each ring node."""
        command = "REDISCLI_AUTH=$(cat /run/dataflow/password) redis-cli --raw xlen dataflow:batches"
        names = [found.service for found in self.containers() if found.service.startswith("redis")]
        return {name: int(self.compose("exec", "-T", name, "sh", "-c", command)) for name in names}

    def _undo(self, command: Sequence[str], name: str) -> None:
        """Puts right what a fault did, also one that the engine says it did not do: it may have done it all the same."""
        for _ in range(_UNDO_TRIES):
            try:
                self.docker(*command)
            except EngineError:
                state = self.docker("inspect", "--format", "{{.State.Status}} {{len .NetworkSettings.Networks}}", name)
                if state.split() == ["running", "1"]:
                    return
                time.sleep(_LOOK_SECONDS)
            else:
                return
        raise EngineError(f"{' '.join(command)} does not work")

    def _networks(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", name)
        )
        return found

    def _reconnection(self, name: str, network: str, ends: Mapping[str, Any]) -> tuple[str, ...]:
        # Without its aliases nobody would find it by the name of its service any more.
        aliases = [part for alias in ends.get("Aliases") or () for part in ("--alias", alias)]
        return ("network", "connect", *aliases, network, name)

    def _run(self, command: Sequence[str], stdin: str, seconds: float) -> str:
        done = subprocess.run(
            command,
            cwd=self.directory,
            env={**os.environ, **(self.environment or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise EngineError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
        return done.stdout
