"""Addresses, and the processes of a running stack as `dataflow status --json` tells them."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from dataflow_simulator.failures import UnreachableError


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process of the stack."""

    name: str
    pid: int


def parse_processes(text: str) -> tuple[ProcessEntry, ...]:
    """Reads `processes` of the JSON of `dataflow status`; those that do not run now have no pid and are left out.

    Raises:
        UnreachableError: It is not the status of a stack.
    """
    try:
        entries = json.loads(text)["processes"]
        return tuple(ProcessEntry(str(entry["name"]), int(entry["pid"])) for entry in entries if entry.get("pid"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreachableError("`dataflow status --json` did not describe a stack") from error


async def stack_processes(data_dir: Path) -> tuple[ProcessEntry, ...]:
    """Asks for the processes of the stack of a data directory.

    Raises:
        UnreachableError: No stack runs there.
    """
    command = [sys.executable, "-m", "dataflow_cli", "status", "--json", "--data-dir", str(data_dir)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    if not output:
        raise UnreachableError(errors.decode(errors="replace").strip() or "no stack is running")
    return parse_processes(output.decode())


def host_port(address: str, default_port: int = 1883) -> tuple[str, int]:
    """Splits HOST:PORT, HOST or [IPv6]:PORT.

    Raises:
        ValueError: The port is not a number of 1 to 65535.
    """
    address = address.removeprefix("mqtt://").removeprefix("tcp://").rstrip("/")
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        port = rest.removeprefix(":")
    elif address.count(":") == 1:
        host, _, port = address.partition(":")
    else:
        host, port = address, ""
    if not port:
        return host, default_port
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"not a port: {port!r}")
    return host, int(port)
