"""`dataflow bench`: how much this machine carries from MQTT to committed rows, and how long each message takes."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import click
from dataflow_cli.context import Access, FailedCheckError, connection_options, json_option

from dataflow_simulator.bench import bench_tables, report, run_bench
from dataflow_simulator.commands.options import mqtt_options, protocol_of, runs_on_asyncio
from dataflow_simulator.failures import UnreachableError
from dataflow_simulator.load import LoadSettings
from dataflow_simulator.packets import IdKind
from dataflow_simulator.stack import stack_processes

_DEFAULT_RATE = 40_000.0


@click.command("bench")
@click.option("--rate", type=click.FloatRange(min=1), help="Messages per second on schedule.  [default: 40000]")
@click.option("--max", "at_most", is_flag=True, help="No schedule: as much as the windows let through.")
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Length of the run.")
@click.option("--connections", type=click.IntRange(1, 5000), default=100, show_default=True, help="MQTT connections.")
@click.option("--devices", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Devices.")
@click.option("--contracts", type=click.IntRange(1, 1000), default=1, show_default=True, help="Contracts at once.")
@click.option(
    "--ids", type=click.Choice(["a", "b", "c", "d"]), default="c", show_default=True, help="Kind of message id."
)
@click.option(
    "--window", type=click.IntRange(1, 60_000), default=256, show_default=True, help="In flight, a connection."
)
@click.option(
    "--burst", type=click.IntRange(0, 1000), default=0, help="Messages in one write.  [default: 1 to 8, by rate]"
)
@click.option("--own", is_flag=True, help="A stack of its own, even if one runs.")
@mqtt_options
@json_option
@connection_options
@runs_on_asyncio
async def command(
    access: Access,
    rate: float | None,
    at_most: bool,
    seconds: float,
    connections: int,
    devices: int,
    contracts: int,
    ids: str,
    window: int,
    burst: int,
    own: bool,
    address: tuple[str, int] | None,
    version: str,
    username: str | None,
    password: str | None,
    as_json: bool,
) -> int:
    """Measure the stack of the data directory, or one of its own where none runs.

    QoS 1, messages of about 120 bytes, an open-loop schedule: latencies count from the moment at which a message should
    have been sent. docs/benchmarks.md says how each figure is measured. Ends with 1 if an acknowledged message is lost.
    """
    if rate is not None and at_most:
        raise click.UsageError("--rate and --max exclude each other")
    if ids == "b" and version != "5":
        version = "5"  # only MQTT 5 can say the sender's id
    wanted = None if at_most else rate or _DEFAULT_RATE

    def tell(text: str) -> None:
        click.echo(text, err=True)

    async with _stack(access, tell, own=own) as target:
        host, port = address or target.mqtt()
        settings = LoadSettings(
            host=host,
            port=port,
            run=f"b{int(time.time()):x}",
            rate=wanted,
            seconds=seconds,
            connections=connections,
            devices=devices,
            contracts=contracts,
            ids=cast("IdKind", ids),
            protocol=protocol_of(version),
            window=window,
            burst=burst,
            username=username,
            password=password,
        )
        tell(
            f"{'as much as goes' if wanted is None else f'{wanted:,.0f}/s'} for {seconds:g} s, {connections} connections, "
            f"{devices} devices, {contracts} contracts, ids {ids}, MQTT {version}, window {window}, "
            f"{settings.burst_size()} in a write"
        )
        async with target.async_client("validator") as client:
            tables = await bench_tables(client, settings.ids, contracts)
        processes = await stack_processes(target.data_dir)
        run = await run_bench(settings, target.postgres(), processes, tables, tell=tell)
    result = report(run, wanted)
    click.echo(json.dumps(result) if as_json else _text(result))
    if run.counts.quarantined:
        tell(f"{run.counts.quarantined} messages are in quarantine")
    if run.load.resent or run.load.refused or run.load.reconnects:
        tell(f"resent {run.load.resent}, refused {run.load.refused}, connections lost {run.load.reconnects}")
    if result["lost"]:
        tell(f"Error: {result['lost']} acknowledged messages are lost")
    elif not run.complete:
        tell("Error: not every acknowledged message was accounted for in time")
    return 1 if result["lost"] or not run.complete else 0


@asynccontextmanager
async def _stack(access: Access, tell: Any, *, own: bool) -> AsyncIterator[Access]:
    """Gives the running stack, else one that ends with the run and leaves nothing behind."""
    if not own:
        try:
            await stack_processes(access.data_dir)
        except UnreachableError:
            pass
        else:
            yield access
            return
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as name:
        data_dir = _reachable(name)
        tell(f"no stack runs on {access.data_dir}; starting one for this run" if not own else "starting a stack")
        try:
            await _dataflow("up", "--detach", "--no-fleet", "--port-base", "0", "--data-dir", str(data_dir))
            yield Access(data_dir)
        finally:
            try:
                await _dataflow("down", "--data-dir", str(data_dir))
            except FailedCheckError as error:
                tell(str(error))


def _reachable(directory: str) -> Path:
    """Returns a data directory to be; the servers of a stack that root starts run under another user, who must get there."""
    Path(directory).chmod(0o755)
    return Path(directory) / "data"


async def _dataflow(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dataflow_cli", *arguments,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    if process.returncode:
        raise FailedCheckError(f"`dataflow {arguments[0]}` failed: {errors.decode(errors='replace').strip()}")


def _text(result: dict[str, Any]) -> str:
    lines = [f"{name:<16} {value}" for name, value in result.items() if not isinstance(value, dict)]
    lines += ["", f"{'process':<16} {'CPU s/100k':>10} {'MB start':>9} {'MB max':>8} {'MB/min':>8}"]
    for name, cpu in result["cpu_seconds_per_100k"].items():
        memory = result["rss_mb"].get(name, {"start": "", "max": "", "slope": ""})
        lines.append(f"{name:<16} {cpu:>10} {memory['start']:>9} {memory['max']:>8} {memory['slope']:>8}")
    return "\n".join(lines)
