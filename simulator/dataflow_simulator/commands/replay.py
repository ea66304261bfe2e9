"""`dataflow replay`: publishes recorded messages and says what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TextIO

import click
from click.core import ParameterSource
from dataflow_cli.context import Access, connection_options, json_option
from dataflow_client import CallOptions

from dataflow_simulator.accounts import Account
from dataflow_simulator.commands.options import mqtt_options, protocol_of, runs
from dataflow_simulator.publisher import Counts
from dataflow_simulator.recording import RecordedMessage, read_recording
from dataflow_simulator.replay import ReplaySettings, replay
from dataflow_simulator.replay_grpc import GrpcReplaySettings, replay_grpc

_MQTT_ONLY = ("address", "version", "username", "password", "qos")


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Messages per second; without it, at once.")
@click.option("--qos", type=click.IntRange(0, 2), default=1, show_default=True, help="Of every message.")
@click.option(
    "--clients", type=click.IntRange(1, 1000), default=4, show_default=True, help="MQTT connections or streams."
)
@click.option("--grpc", "over_grpc", is_flag=True, help="Publish over gRPC streams instead of MQTT.")
@click.option("--wait-stored", is_flag=True, help="Wait until the validators have accounted for everything.")
@click.option("--patience", type=float, default=30.0, show_default=True, help="Seconds a lost server is waited for.")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds that --wait-stored waits.")
@click.option("--postgres", "dsn", help="DSN for --wait-stored; without it the stack's own.")
@click.option(
    "--message-id", "send_message_ids", is_flag=True, help="Send a stable message-id with each (gRPC, MQTT 5)."
)
@click.option(
    "--ack-log", type=click.Path(path_type=Path, dir_okay=False), help="Gets the number of each acknowledged line."
)
@json_option
@mqtt_options
@connection_options
@runs
async def command(
    file: Path,
    rate: float | None,
    qos: int,
    clients: int,
    over_grpc: bool,
    wait_stored: bool,
    patience: float,
    timeout: float,  # noqa: ASYNC109  # an option, handed on
    dsn: str | None,
    send_message_ids: bool,
    ack_log: Path | None,
    as_json: bool,
    address: tuple[str, int] | None,
    version: str,
    username: str | None,
    password: str | None,
    access: Access,
) -> int:
    """Publish FILE: JSON lines {"topic": ..., "payload": ...}; "-" is standard input, .gz is unpacked.

    A payload that is a string is sent as its text, any other as compact JSON; "payload_base64" holds bytes. Topics are
    spread over the clients, each topic in order on one of them. Returns after the last acknowledgement.

    With --grpc every message has an id from the start, so that none is stored twice, whatever is sent again.

    With --wait-stored the counts are the difference in the validators' ledger since the start: exact when nobody else
    sends meanwhile. At QoS 0 nothing is acknowledged; then everything published is waited for.
    """
    if over_grpc:
        _refuse_mqtt_options()
    elif send_message_ids and version != "5":
        raise click.UsageError("--message-id needs --protocol 5 or --grpc")
    dsn = (dsn or access.postgres()) if wait_stored else None

    async def publish(messages: Iterable[RecordedMessage], log: TextIO | None) -> Counts:
        if over_grpc:
            async with access.async_client("bridge", options=CallOptions()) as client:
                streams = GrpcReplaySettings(clients, rate, send_message_ids, patience)
                return await replay_grpc(messages, client, streams, log)
        host, port = address or access.mqtt()
        settings = ReplaySettings(
            host,
            port,
            clients,
            qos,
            rate,
            protocol_of(version),
            username,
            password,
            send_message_ids=send_message_ids,
            give_up_seconds=patience,
        )
        return await replay(messages, settings, log)

    report: dict[str, int] = {}
    complete = True
    async with AsyncExitStack() as stack:
        account = await stack.enter_async_context(await Account.open(dsn)) if dsn else None
        log = stack.enter_context(ack_log.open("w", buffering=1)) if ack_log else None
        counts = await publish(read_recording(file), log)
        report |= {"published": counts.published, "acknowledged": counts.acknowledged}
        if counts.refused:
            report["refused"] = counts.refused
        if account is not None:
            expected = counts.acknowledged if qos else counts.published
            # A stream does not say whether it sent something again.
            settle_seconds = 1.0 if counts.resent or over_grpc else 0.0
            sums, complete = await account.wait_for(expected, timeout, settle_seconds=settle_seconds)
            report |= {
                "stored": sums.stored,
                "quarantined": sums.quarantined,
                "duplicate": sums.duplicate,
                "conflict": sums.conflict,
            }
            if sums.parked:
                report["parked"] = sums.parked
    click.echo(json.dumps(report) if as_json else "  ".join(f"{name} {count}" for name, count in report.items()))
    if not complete:
        click.echo(f"Error: not everything was accounted for within {timeout:g} s", err=True)
    unacknowledged = qos > 0 and counts.acknowledged != counts.published
    return 1 if unacknowledged or not complete else 0


def _refuse_mqtt_options() -> None:
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if parameter.name in _MQTT_ONLY and given:
            raise click.UsageError(f"{parameter.opts[0]} is MQTT's and means nothing with --grpc")
