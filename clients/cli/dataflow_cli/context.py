"""What every sub-command shares: `--data-dir`, where to connect, with which token, and the exit codes.

A command of another package uses it so::

    @click.command()
    @data_dir_option                 # for a command that only needs the directory
    def down(data_dir: Path) -> None: ...

    @click.command()
    @connection_options              # --data-dir, --token, --token-file, --bridge, --validator, --insight, --insecure
    def replay(access: Access) -> None:
        host, port = access.mqtt()   # from <data-dir>/status.json
        with access.client() as client: ...

Errors of the SDK may pass: the `dataflow` command turns them into exit codes. For anything else raise
`NotReachableError` (3), `DeniedError` (4), `FailedCheckError` (1) or `click.UsageError` (2).
"""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from click.core import ParameterSource
from dataflow_client import AsyncClient, CallOptions, Client, Connection, RetryPolicy, Targets, read_token
from dataflow_client.environment import tls_from

from dataflow_cli.exits import (
    EXIT_DENIED,
    EXIT_FAILED_CHECK,
    EXIT_NOT_REACHABLE,
    EXIT_OK,
    EXIT_USAGE,
    DeniedError,
    FailedCheckError,
    NotReachableError,
    exit_codes,
)
from dataflow_cli.status_file import StackStatus, read_status

__all__ = [
    "EXIT_DENIED",
    "EXIT_FAILED_CHECK",
    "EXIT_NOT_REACHABLE",
    "EXIT_OK",
    "EXIT_USAGE",
    "Access",
    "DeniedError",
    "FailedCheckError",
    "NotReachableError",
    "StackStatus",
    "connection_options",
    "data_dir_option",
    "exit_codes",
    "json_option",
    "read_status",
]

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_DATA_DIR = Path("data")
"""Where nothing else is said."""

PATIENCE = CallOptions(timeout_seconds=30.0, publish_timeout_seconds=30.0, publish_retry=RetryPolicy(max_attempts=6))
"""A person waits: a few tries over about two seconds, then the exit code says that nothing answers."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where this command connects to: flags win over the environment, that over the data directory's status file."""

    data_dir: Path
    """The data directory."""
    flags: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What was given by flag or environment; empty strings are not given."""

    def status(self) -> StackStatus:
        """Returns what the status file says.

        Raises:
            NotReachableError: There is none, or it cannot be read.
        """
        try:
            status = read_status(self.data_dir)
        except (OSError, ValueError) as error:
            raise NotReachableError(f"cannot read where things run: {error}") from error
        if status is None:
            raise NotReachableError(
                f"nothing runs at data directory {str(self.data_dir)!r}: start it with "
                f"`dataflow up --data-dir {self.data_dir}`, or name another one with --data-dir."
            )
        return status

    def target(self, service: str) -> str:
        """Returns the gRPC target of `bridge`, `validator` or `insight`.

        Raises:
            NotReachableError: Neither a flag nor a status file names it.
        """
        target = self.flags.get(service, "") or str(getattr(self.status(), service))
        if not target:
            raise NotReachableError(
                f"{service} does not run at data directory {str(self.data_dir)!r}: see `dataflow status`"
            )
        return target

    def mqtt(self) -> tuple[str, int]:
        """Returns host and port of the MQTT listener.

        Raises:
            NotReachableError: The status file does not name it.
        """
        host, colon, port = self.status().mqtt.rpartition(":")
        if not colon or not port.isdigit():
            raise NotReachableError(
                f"no MQTT listener runs at data directory {str(self.data_dir)!r}: see `dataflow status`"
            )
        return host.strip("[]"), int(port)

    def postgres(self) -> str:
        """Returns the DSN of the database.

        Raises:
            NotReachableError: The status file does not name it.
        """
        dsn = self.status().postgres
        if not dsn:
            raise NotReachableError(f"no Postgres runs at data directory {str(self.data_dir)!r}: see `dataflow status`")
        return dsn

    def token(self) -> str:
        """Returns the token of --token, --token-file or the status file; empty where none names one.

        Raises:
            DeniedError: The token file cannot be read, or holds no token.
        """
        if self.flags.get("token"):
            return self.flags["token"]
        path = Path(self.flags["token_file"]) if self.flags.get("token_file") else self._status_token_file()
        if path is None:
            return ""
        try:
            return read_token(path)
        except (OSError, ValueError) as error:
            raise DeniedError(f"cannot read the token: {error}\nGive one with --token or --token-file.") from error

    def _status_token_file(self) -> Path | None:
        try:
            status = read_status(self.data_dir)
        except (OSError, ValueError):
            return None
        return None if status is None else status.token_file

    def connection(self, *services: str) -> Connection:
        """Returns the connection to the services named; those not named are left out.

        Raises:
            NotReachableError: One of them is named nowhere.
            DeniedError: The token file cannot be read.
        """
        targets = {service: self.target(service) for service in services}
        try:
            tls = tls_from(os.environ)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        return Connection(Targets(**targets), self.token(), tls, insecure=bool(self.flags.get("insecure")))

    def client(self, *services: str, options: CallOptions = PATIENCE) -> Client:
        """Opens a synchronous client of the services named.

        Raises:
            NotReachableError: One of them is named nowhere.
            DeniedError: The token file cannot be read.
        """
        connection = self.connection(*(services or _SERVICES))
        try:
            return Client(connection, options)
        except (OSError, ValueError) as error:
            raise click.UsageError(str(error)) from error

    def async_client(self, *services: str, options: CallOptions = PATIENCE) -> AsyncClient:
        """Opens an asyncio client of the services named, inside the loop that uses it.

        Raises:
            NotReachableError: One of them is named nowhere.
            DeniedError: The token file cannot be read.
        """
        connection = self.connection(*(services or _SERVICES))
        try:
            return AsyncClient(connection, options)
        except (OSError, ValueError) as error:
            raise click.UsageError(str(error)) from error


_SERVICES = ("bridge", "validator", "insight")


def _inherited(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Takes the directory from `dataflow --data-dir D <command>` where the command itself names none."""
    if parameter.name is None or context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
        return value
    ancestor = context.parent
    while ancestor is not None:
        if ancestor.get_parameter_source("data_dir") is ParameterSource.COMMANDLINE:
            return Path(ancestor.params["data_dir"])
        ancestor = ancestor.parent
    return value


def data_dir_option(command: Callable[P, R]) -> Callable[P, R]:
    """Adds `--data-dir`; the function gets `data_dir: Path`."""
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_DATA_DIR,
        envvar="DATAFLOW_DATA_DIR",
        show_default="./data",
        show_envvar=True,
        callback=_inherited,
        help="Directory of the local stack.",
    )(command)


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """Adds `--json`; the function gets `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")(command)


def connection_options(command: Callable[..., R]) -> Callable[..., R]:
    """Adds `--data-dir` and all that names another place or token; the function gets `access: Access`."""

    @functools.wraps(command)
    def connected(*arguments: Any, **options: Any) -> R:
        data_dir = options.pop("data_dir")
        flags = {name: options.pop(name) or "" for name in (*_SERVICES, "token", "token_file")}
        flags["insecure"] = "1" if options.pop("insecure") else ""
        return command(*arguments, access=Access(data_dir, flags), **options)

    decorated: Callable[..., R] = connected
    for service in reversed(_SERVICES):
        decorated = click.option(
            f"--{service}",
            metavar="HOST:PORT",
            envvar=f"DATAFLOW_{service.upper()}",
            help=f"gRPC address of the {service} instead of the data directory's."
            if service != "insight"
            else "gRPC address of insight instead of the data directory's.",
        )(decorated)
    decorated = click.option(
        "--insecure",
        is_flag=True,
        envvar="DATAFLOW_INSECURE",
        help="Allow plaintext beyond this machine; the token can then be read on the way.",
    )(decorated)
    decorated = click.option("--token-file", metavar="FILE", envvar="DATAFLOW_TOKEN_FILE", help="File with the token.")(
        decorated
    )
    decorated = click.option(
        "--token", envvar="DATAFLOW_TOKEN", help="Bearer token; better in a file or $DATAFLOW_TOKEN."
    )(decorated)
    return data_dir_option(decorated)
