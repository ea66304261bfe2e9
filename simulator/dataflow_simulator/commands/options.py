"""Options that several commands share, and the one place where errors become exit codes."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import click
import uvloop
from dataflow_cli.context import DeniedError, NotReachableError

from dataflow_simulator.failures import UnreachableError
from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.publisher import ConnectRefused, PublishError
from dataflow_simulator.recording import RecordingError
from dataflow_simulator.stack import host_port

P = ParamSpec("P")


class AddressType(click.ParamType[tuple[str, int]]):
    """HOST:PORT."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Splits it."""
        try:
            return host_port(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def mqtt_options(command: Callable[P, None]) -> Callable[P, None]:
    """Adds `--mqtt`, `--protocol`, `--username`, `--password`."""
    for option in reversed(
        (
            click.option("--mqtt", "address", type=AddressType(), help="MQTT server; without it the stack's own."),
            click.option(
                "--protocol",
                "version",
                type=click.Choice(["3.1.1", "5"]),
                default="3.1.1",
                show_default=True,
                help="MQTT.",
            ),
            click.option("--username", help="MQTT user name."),
            click.option("--password", envvar="DATAFLOW_MQTT_PASSWORD", help="MQTT password."),
        )
    ):
        command = option(command)
    return command


def protocol_of(version: str) -> Protocol:
    """Returns the protocol of the option `--protocol`."""
    return Protocol.V5 if version == "5" else Protocol.V3_1_1


def runs(main: Callable[P, Coroutine[Any, Any, int]]) -> Callable[P, None]:
    """Makes a command of a coroutine that returns its exit code; expected errors become one line and an exit code."""
    return _runs(main, uvloop.new_event_loop)


def runs_on_asyncio(main: Callable[P, Coroutine[Any, Any, int]]) -> Callable[P, None]:
    """Does the same on asyncio's own loop, for commands that start programs.

    uvloop forks for that, and gRPC complains about every fork; asyncio uses vfork, which gRPC does not notice.
    """
    return _runs(main, asyncio.new_event_loop)


def _runs(
    main: Callable[P, Coroutine[Any, Any, int]], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> Callable[P, None]:
    @functools.wraps(main)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                code = runner.run(main(*args, **kwargs))
        except (UnreachableError, PublishError) as error:
            raise (DeniedError if isinstance(error, ConnectRefused) else NotReachableError)(str(error)) from error
        except RecordingError as error:
            raise click.UsageError(str(error)) from error
        except KeyboardInterrupt:
            code = 130
        sys.exit(code)

    return command
