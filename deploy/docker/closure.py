"""Takes out of the lock what one image needs: the packages of ours that it runs, and what these depend on.

    python closure.py requirements/stack.lock OUTPUT-DIRECTORY NAME=PACKAGE[,PACKAGE…]…

For each NAME it writes NAME.lock (pins with hashes, for `pip install --require-hashes`) and NAME.own (our packages).
The lock says behind each pin for whom it is there ("# via"), so nothing is resolved a second time.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of the lock.

    Attributes:
        text: Its lines, with hashes.
        wanted_by: Names of the packages that it is there for.
    """

    text: str
    wanted_by: frozenset[str]


def canonical(requirement: str) -> str:
    """Returns the name in a requirement as PEP 503 spells it.

    Raises:
        ValueError: It begins with no name.
    """
    found = _NAME.match(requirement)
    if found is None:
        raise ValueError(f"no requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def read_lock(text: str) -> dict[str, Pin]:
    """Returns the pins of a lock by name."""
    pins: dict[str, Pin] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        lines = block.splitlines()
        kept = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if kept:
            comments = (line.lstrip().removeprefix("#").strip() for line in lines if line.lstrip().startswith("#"))
            parents = frozenset(
                canonical(comment)
                for comment in (comment.removeprefix("via").strip() for comment in comments)
                if _NAME.match(comment)
            )
            pins[canonical(kept[0])] = Pin("\n".join(kept), parents)
    return pins


def own_packages(projects: Iterable[Path]) -> dict[str, list[str]]:
    """Returns what each of our packages depends on, by name."""
    found: dict[str, list[str]] = {}
    for file in projects:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project")
        if project is None:
            continue  # settings of tools
        found[canonical(project["name"])] = [canonical(entry) for entry in project.get("dependencies", [])]
    return found


def closure(wanted: Iterable[str], own: Mapping[str, list[str]], pins: Mapping[str, Pin]) -> tuple[set[str], set[str]]:
    """Returns our packages and the pinned ones that `wanted` needs, itself included.

    Raises:
        KeyError: Something is neither ours nor in the lock.
    """
    ours: set[str] = set()
    others: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in ours or name in others:
            continue
        if name in own:
            ours.add(name)
            waiting += own[name]
        elif name in pins:
            others.add(name)
            waiting += [child for child, pin in pins.items() if name in pin.wanted_by]
        else:
            raise KeyError(f"{name} is neither a package of ours nor in the lock")
    return ours, others


def main(arguments: list[str]) -> None:
    """Writes the files that the arguments ask for."""
    lock, output = Path(arguments[0]), Path(arguments[1])
    pins = read_lock(lock.read_text(encoding="utf-8"))
    own = own_packages(sorted(Path().glob("**/pyproject.toml")))
    output.mkdir(parents=True, exist_ok=True)
    for argument in arguments[2:]:
        name, _, wanted = argument.partition("=")
        ours, others = closure(wanted.split(","), own, pins)
        (output / f"{name}.own").write_text("".join(f"{package}\n" for package in sorted(ours)), encoding="utf-8")
        (output / f"{name}.lock").write_text(
            "".join(f"{pins[package].text}\n" for package in sorted(others)), encoding="utf-8"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
