"""What `dataflow status` shows, and the file in which the supervisor leaves it."""

import contextlib
import fcntl
import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dataflow_stack.errors import AlreadyRunningError, NotRunningError
from dataflow_stack.layout import Layout, write_private
from dataflow_stack.ports import Ports
from dataflow_stack.postgres import Postgres
from dataflow_stack.redis_node import RedisNode
from dataflow_stack.tokens import ADMIN_FILE

_LOCK_TRIES: Final = 10

Document = dict[str, Any]
"""The status as JSON has it; docs/operations.md lists the keys."""


def addresses(layout: Layout, ports: Ports, postgres: Postgres, nodes: tuple[RedisNode, ...]) -> Document:
    """Returns the part of the status that does not change while the stack runs."""
    services = {"bridge": ports.bridge, "validator": ports.validator, "insight": ports.insight}
    grpc = {name: f"127.0.0.1:{port}" for name, port in services.items()}
    return {
        "mqtt": f"127.0.0.1:{ports.mqtt}",
        "mqtt_websocket": f"ws://127.0.0.1:{ports.mqtt_websocket}/mqtt",
        "grpc": grpc,
        # The same again, for those who read the name as one key.
        **{f"grpc.{name}": address for name, address in grpc.items()},
        "postgres": postgres.dsn,
        "postgres_read": postgres.read_dsn,
        "redis": [node.url for node in nodes],
        "console": None,
        "token_file": str(layout.root / ADMIN_FILE),
        "data_dir": str(layout.root),
        "logs": str(layout.logs),
    }


def write(layout: Layout, document: Document) -> None:
    """Leaves the status where everybody of this data directory finds it."""
    write_private(layout.status, json.dumps(document, indent=2) + "\n")


def read(layout: Layout) -> Document:
    """Returns the status of the running stack.

    Raises:
        NotRunningError: Nothing runs on this data directory.
    """
    if supervisor_pid(layout) is None:
        raise NotRunningError(f"nothing runs on {layout.root}; start it: dataflow up --data-dir {layout.root}")
    try:
        document: Document = json.loads(layout.status.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotRunningError(f"the stack on {layout.root} is starting; it does not serve yet") from error
    return document


def environment(document: Document) -> Iterator[str]:
    """Yields the status as lines for a shell, by the names that the clients read."""
    token = Path(document["token_file"]).read_text(encoding="utf-8").strip()
    variables: Mapping[str, str] = {
        "DATA_DIR": document["data_dir"],
        "MQTT": document["mqtt"],
        "MQTT_WEBSOCKET": document["mqtt_websocket"],
        "BRIDGE": document["grpc"]["bridge"],
        "VALIDATOR": document["grpc"]["validator"],
        "INSIGHT": document["grpc"]["insight"],
        "POSTGRES_DSN": document["postgres"],
        "READ_DSN": document["postgres_read"],
        "REDIS": ",".join(document["redis"]),
        "TOKEN_FILE": document["token_file"],
        "TOKEN": token,
    }
    yield from (f"DATAFLOW_{name}={shlex.quote(value)}" for name, value in variables.items())


def hold(layout: Layout) -> None:
    """Takes the data directory for as long as this process lives.

    The lock is never given back: the kernel does it, however the process ends, once nothing of it is left. So whoever
    waits for the lock waits for the end of the process.

    Raises:
        AlreadyRunningError: Another supervisor holds it.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
            return
        time.sleep(0.05)  # `dataflow status` holds it for a moment to see whether it is free
    os.close(descriptor)
    raise AlreadyRunningError(
        f"already running on {layout.root} (pid {supervisor_pid(layout)}); "
        "see `dataflow status`, or end it with `dataflow down`"
    )


def supervisor_pid(layout: Layout) -> int | None:
    """Returns the pid of the supervisor that holds the data directory, or None."""
    try:
        descriptor = os.open(layout.lock, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(ValueError):
            return int(os.pread(descriptor, 32, 0))
        return None
    finally:
        os.close(descriptor)
    return None


def wait_until_down(layout: Layout) -> None:
    """Returns when no supervisor holds the data directory."""
    try:
        descriptor = os.open(layout.lock, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
