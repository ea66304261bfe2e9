"""The commands `up`, `down` and `status` of the `dataflow` command."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from dataflow_cli.context import FailedCheckError, NotReachableError, data_dir_option

from dataflow_stack import banner, buffer, status
from dataflow_stack.errors import AlreadyRunningError, NotRunningError, StackError
from dataflow_stack.layout import Layout
from dataflow_stack.options import NODE_MEMORY, Options
from dataflow_stack.ports import DEFAULT_BASE, MOST_OF_A_KIND
from dataflow_stack.supervisor import Supervisor

_READY_VARIABLE = "DATAFLOW_STACK_READY_FD"
"""Under --detach: the descriptor on which the supervisor tells the waiting command how the start went."""

_COUNT = click.IntRange(1, MOST_OF_A_KIND)


@click.command()
@click.option("--detach", is_flag=True, help="Return when everything serves, and leave it running.")
@click.option(
    "--port-base",
    type=click.IntRange(0, 65000),
    help=f"First of the ports; 0: any free ones.  [default: as before, at first {DEFAULT_BASE}]",
)
@click.option("--no-fleet", is_flag=True, help="Start no simulated devices.")
@click.option("--bridges", type=_COUNT, default=1, show_default=True, help="Bridge processes, on one port.")
@click.option("--validators", type=_COUNT, default=2, show_default=True, help="Validator processes, on one port.")
@click.option("--insights", type=_COUNT, default=1, show_default=True, help="Insight processes, on one port.")
@click.option(
    "--node-memory",
    type=click.IntRange(16, 1 << 20),
    default=NODE_MEMORY,
    show_default=True,
    metavar="MB",
    help="Limit of each Redis node: bounds what can wait while Postgres is away.",
)
@click.option("--nodes", type=_COUNT, default=3, show_default=True, help="Redis nodes; those that hold data stay.")
@data_dir_option
def up(
    data_dir: Path,
    *,
    detach: bool,
    port_base: int | None,
    no_fleet: bool,
    bridges: int,
    validators: int,
    insights: int,
    nodes: int,
    node_memory: int,
) -> None:
    """Start the whole system on this machine.

    Three Redis nodes, Postgres, a bridge, two validators, insight and simulated devices, on 127.0.0.1. Children that
    die are started again. Ctrl-C or `dataflow down` ends all of them in order; the data stay in the data directory.
    """
    options = Options(
        data_dir=data_dir.absolute(),
        port_base=port_base,
        fleet=not no_fleet,
        bridges=bridges,
        validators=validators,
        insights=insights,
        nodes=nodes,
        node_memory=node_memory,
    )
    try:
        if detach:
            _run_detached(options)
        else:
            _run(options)
    except StackError as error:
        raise FailedCheckError(str(error)) from error


@click.command()
@data_dir_option
def down(data_dir: Path) -> None:
    """End what `dataflow up` started, in order; return when nothing of it runs any more."""
    layout = Layout(data_dir.absolute())
    pid = status.supervisor_pid(layout)
    if pid is None:
        raise NotReachableError(f"nothing runs on {layout.root}")
    os.kill(pid, signal.SIGTERM)
    status.wait_until_down(layout)
    click.echo("all ended; the data stay in " + str(layout.root))


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.option(
    "--env", "as_environment", is_flag=True, help='Lines for a shell: set -a; eval "$(dataflow status --env)"'
)
@click.option("--get", "key", metavar="KEY", help="One value of --json alone, such as postgres or grpc.bridge.")
@data_dir_option
def show_status(data_dir: Path, *, as_json: bool, as_environment: bool, key: str | None) -> None:
    """Show where everything is, which processes run, and what flows.

    The output of --json, --env and --get holds passwords and the admin token.
    """
    if as_json + as_environment + (key is not None) > 1:
        raise click.UsageError("--json, --env and --get exclude each other")
    try:
        document = status.read(Layout(data_dir.absolute()))
    except NotRunningError as error:
        raise NotReachableError(str(error)) from error
    if key is not None:
        if key not in document:
            raise click.UsageError(f"no such key: {key!r}; there are {', '.join(sorted(document))}")
        click.echo(document[key] if isinstance(document[key], str) else json.dumps(document[key]))
    elif as_json:
        click.echo(json.dumps(document, indent=2))
    elif as_environment:
        click.echo("\n".join(status.environment(document)))
    else:
        click.echo(_overview(document))


def _overview(document: status.Document) -> str:
    lines = [f"{name:<14} {document[name]}" for name in ("mqtt", "mqtt_websocket", "token_file", "data_dir")]
    lines += [f"{'grpc.' + name:<14} {address}" for name, address in document["grpc"].items()]
    if ledger := document.get("ledger"):
        lines.append(f"{'ledger':<14} {ledger['health']}, {ledger['missing']:,} batches missing")
    lines += ["", f"{'process':<14} {'pid':>8} {'MB':>7}  health"]
    for entry in document["processes"]:
        again = f", started again {entry['restarts']}x" if entry["restarts"] else ""
        lines.append(
            f"{entry['name']:<14} {entry['pid'] or '-':>8} {entry['rss'] / 1e6:>7.0f}  {entry['health']}{again}"
        )
    lines += ["", buffer.line(document["ring"]), *(f"ALARM  {alarm}" for alarm in document["ring"]["alarms"])]
    return "\n".join([*lines, banner.counters(document)])


def _run(options: Options, tell: Callable[[str], None] | None = None) -> None:
    """Runs the stack in this process until a signal ends it.

    Args:
        options: What was asked for.
        tell: Under --detach: takes the text of a stack that serves.

    Raises:
        StackError: It did not come up.
    """
    _log_to_stderr()
    layout = Layout(options.data_dir)
    started = time.monotonic()
    live = banner.LiveLine()

    def on_ready(document: status.Document) -> None:
        text = banner.ready(document, time.monotonic() - started, fleet=options.fleet)
        click.echo(text)
        if tell is not None:
            tell(text)

    try:
        layout.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"cannot make the data directory {layout.root}: {error.strerror}") from error
    status.hold(layout)
    asyncio.run(Supervisor(options, layout, on_ready, live.show).run())
    live.finish()


def _run_detached(options: Options) -> None:
    """Starts the supervisor as a session of its own, and waits until it serves.

    Raises:
        StackError: It did not come up.
    """
    layout = Layout(options.data_dir)
    pid = status.supervisor_pid(layout)
    if pid is not None:
        raise AlreadyRunningError(f"already running on {layout.root} (pid {pid}); see `dataflow status`")
    layout.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = ["--data-dir", str(options.data_dir), "--bridges", str(options.bridges)]
    arguments += ["--validators", str(options.validators), "--insights", str(options.insights)]
    arguments += ["--nodes", str(options.nodes), "--node-memory", str(options.node_memory)]
    arguments += ["--port-base", str(options.port_base)] if options.port_base is not None else []
    arguments += [] if options.fleet else ["--no-fleet"]
    reading, writing = os.pipe()
    with layout.log("supervisor").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dataflow_stack", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {_READY_VARIABLE: str(writing)},
            pass_fds=(writing,),
            start_new_session=True,
        )
    os.close(writing)
    try:
        with os.fdopen(reading, encoding="utf-8") as told:
            answer = told.read()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    verdict, _, text = answer.partition("\n")
    if verdict == "ready":
        click.echo(text)
        return
    process.wait()
    raise StackError(text or f"the supervisor ended before anything served; see {layout.log('supervisor')}")


def run_behind(options: Options) -> int:
    """Runs the stack for `--detach`, tells the waiting command how the start went, and returns the exit code."""
    descriptor = int(os.environ.pop(_READY_VARIABLE))
    os.set_inheritable(descriptor, False)  # a child that held it would keep the command waiting

    def tell(verdict: str, text: str) -> None:
        with os.fdopen(descriptor, "w", encoding="utf-8") as waiting:
            waiting.write(f"{verdict}\n{text}")

    try:
        _run(options, lambda text: tell("ready", text))
    except StackError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - the message is for people
        with contextlib.suppress(OSError):  # it was ready before, and nobody waits any more
            tell("failed", str(error))
        return 1
    return 0


def _log_to_stderr() -> None:
    # On a terminal the live line is in the way.
    begin = banner.CLEAR if sys.stderr.isatty() else ""
    logging.basicConfig(
        format=f"{begin}%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO, stream=sys.stderr
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
