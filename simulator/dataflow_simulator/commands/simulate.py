"""`dataflow simulate`: a fleet of devices that sends until it is stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import uuid
from contextlib import suppress
from dataclasses import replace

import click
from dataflow_cli.context import Access, connection_options, json_option

from dataflow_simulator.commands.options import mqtt_options, protocol_of, runs
from dataflow_simulator.faults import NONE, SOME, FaultRates
from dataflow_simulator.fleet import FleetSettings, recorded_devices, run_fleet, synthetic_devices
from dataflow_simulator.packaged import RECORDINGS, ContractName, packaged_contract, packaged_recording
from dataflow_simulator.provision import provision_patiently
from dataflow_simulator.publisher import ClientSettings, Counts

_PATIENCE_SECONDS = 120.0
_FOR_EVER_SECONDS = 365 * 86400.0


def faults_of(texts: tuple[str, ...]) -> FaultRates:
    """Reads NAME=PROBABILITY as often as wanted; `some` among them stands for a usual day's.

    Raises:
        click.BadParameter: It is neither.
    """
    rates: dict[str, float] = {}
    for text in texts:
        if text == "some":
            continue
        name, _, probability = text.partition("=")
        try:
            rates[name.replace("-", "_")] = float(probability)
        except ValueError as error:
            raise click.BadParameter(f"not NAME=PROBABILITY: {text!r}", param_hint="'--fault'") from error
    try:
        return replace(SOME if "some" in texts else NONE, **rates)
    except (TypeError, ValueError) as error:
        raise click.BadParameter(
            f"{error}; the names are dropout, spike, stuck, wrong-type, clock-skew, duplicate", param_hint="'--fault'"
        ) from error


@click.command("simulate")
@click.option(
    "--source",
    type=click.Choice(["recorded", "synthetic"]),
    default="recorded",
    show_default=True,
    help="Real recordings with their times moved to now, or made-up climate sensors.",
)
@click.option("--devices", type=click.IntRange(1, 10000), default=20, show_default=True, help="Synthetic devices.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Seconds between two readings of one device.",
)
@click.option("--seconds", type=click.FloatRange(min=0), help="How long; without it until it is stopped.")
@click.option("--fault", "faults", multiple=True, metavar="NAME=P", help="Probability for each reading; or: some.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same values and faults.")
@click.option("--qos", type=click.IntRange(0, 2), default=1, show_default=True, help="Of every message.")
@click.option("--no-provision", is_flag=True, help="Make no contracts and routes.")
@mqtt_options
@json_option
@connection_options
@runs
async def command(
    access: Access,
    source: str,
    devices: int,
    interval: float,
    seconds: float | None,
    faults: tuple[str, ...],
    seed: int,
    qos: int,
    no_provision: bool,
    address: tuple[str, int] | None,
    version: str,
    username: str | None,
    password: str | None,
    as_json: bool,
) -> int:
    """Let simulated devices send.

    Recorded: 12 air-quality stations of Beijing and one office room, from the package; contracts `station` and `room`.
    Synthetic: climate sensors with a daily curve, drift and noise; contract `climate`. Missing contracts and routes are
    made. Faults: dropout, spike, stuck, wrong-type, clock-skew, duplicate.
    """
    rates = faults_of(faults)
    host, port = address or access.mqtt()
    if not no_provision:
        names: tuple[ContractName, ...] = RECORDINGS if source == "recorded" else ("climate",)
        async with access.async_client("validator") as client:
            await provision_patiently(client, (packaged_contract(name) for name in names), _PATIENCE_SECONDS)
    if source == "recorded":
        fleet = [device for name in RECORDINGS for device in recorded_devices(packaged_recording(name))]
    else:
        fleet = synthetic_devices(devices, seed, interval, time.time())
    settings = FleetSettings(
        ClientSettings(
            host,
            port,
            f"fleet-{uuid.uuid4().hex[:8]}",
            protocol_of(version),
            qos,
            username,
            password,
            give_up_seconds=_PATIENCE_SECONDS if seconds is not None else _FOR_EVER_SECONDS,
            first_connect_seconds=_PATIENCE_SECONDS,
        ),
        interval,
        seconds,
        rates,
        seed,
    )
    click.echo(f"{len(fleet)} devices send to {host}:{port}, each every {interval:g} s", err=True)
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(run_fleet(fleet, settings, time.time() - loop.time()))
    # A fleet is stopped by a signal in all its usual lives: that is its good end.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    counts = Counts()
    with suppress(asyncio.CancelledError):
        counts = await running
    if seconds is not None:
        report = {"published": counts.published, "acknowledged": counts.acknowledged}
        click.echo(json.dumps(report) if as_json else "  ".join(f"{name} {n}" for name, n in report.items()))
    return 0
