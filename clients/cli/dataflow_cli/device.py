"""`dataflow device`: commands and configuration for devices, and their data."""

import json
from typing import Any

import click
from dataflow.bridge.v1 import device_command_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.device_data import audit, delete_data, export_data
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, word

_STATES = ("PENDING", "DELIVERED", "ACKNOWLEDGED", "EXPIRED")
_SHOWN_BYTES = 60


@click.group()
def device() -> None:
    """Send commands and configuration to devices; delete or export what they left behind."""


@device.command()
@click.argument("device_id")
@click.argument("name")
@click.argument("arguments", required=False, default="{}")
@click.option("--expire", type=click.FloatRange(1, 2_592_000), default=3_600, show_default=True, help="Seconds.")
@click.option("--request-id", default="", help="The same one makes one command.  [default: a new one]")
@json_option
@connection_options
def send(
    access: Access, device_id: str, name: str, arguments: str, expire: float, request_id: str, as_json: bool
) -> None:
    """Send the command NAME with ARGUMENTS (a JSON object) to DEVICE_ID: now, or when it connects."""
    with access.client("bridge") as client:
        made = client.devices.send_command(
            device_id, name, _object(arguments, "ARGUMENTS"), expire_seconds=expire, request_id=request_id
        )
    if as_json:
        print_json(as_document(made))
        return
    print_fields(
        {
            "command": made.command_id,
            "device": made.device_id,
            "name": made.name,
            "state": _state(made),
            "expires": moment(made.expire_time),
            "topic": f"devices/{made.device_id}/commands/{made.command_id}",
        }
    )


@device.command()
@click.option("--device", "device_id", default="", help="Of this device.  [default: all]")
@click.option("--state", type=click.Choice(_STATES, case_sensitive=False), help="In this state.  [default: any]")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@json_option
@connection_options
def commands(access: Access, device_id: str, state: str | None, limit: int, as_json: bool) -> None:
    """Show commands, newest first."""
    wanted = device_command_pb2.CommandState.Value(f"COMMAND_STATE_{state}") if state else 0
    found = []
    with access.client("bridge") as client:
        for command in client.devices.list_commands(
            device_id,
            state=wanted,  # type: ignore[arg-type]
            page_size=min(limit, 1_000),
        ):
            found.append(command)
            if len(found) == limit:
                break
    if as_json:
        print_json([as_document(command) for command in found])
        return
    print_table(
        ("command", "device", "name", "state", "sent", "delivered", "acknowledged", "answer"),
        [
            (
                command.command_id,
                command.device_id,
                command.name,
                _state(command),
                moment(command.create_time),
                moment(command.deliver_time) if command.HasField("deliver_time") else "",
                moment(command.acknowledge_time) if command.HasField("acknowledge_time") else "",
                command.detail or command.acknowledgement[:_SHOWN_BYTES].decode("utf-8", "replace"),
            )
            for command in found
        ],
        empty="no commands: send one with `dataflow device send DEVICE NAME`",
    )


@device.command()
@click.argument("device_id")
@click.argument("config")
@click.option("--request-id", default="", help="The same one makes one change.  [default: a new one]")
@json_option
@connection_options
def configure(access: Access, device_id: str, config: str, request_id: str, as_json: bool) -> None:
    """Set the whole configuration of DEVICE_ID to CONFIG (a JSON object), as its next version."""
    with access.client("bridge") as client:
        made = client.devices.set_config(device_id, _object(config, "CONFIG"), request_id=request_id)
    if as_json:
        print_json(as_document(made))
        return
    print_fields(
        {
            "device": made.device_id,
            "version": made.version,
            "delivered": made.delivered_version,
            "set": moment(made.set_time),
        }
    )


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"is no JSON: {error}", param_hint=f"'{name}'") from error
    if not isinstance(value, dict):
        raise click.BadParameter("is no JSON object", param_hint=f"'{name}'")
    return value


def _state(command: device_command_pb2.DeviceCommand) -> str:
    return word(device_command_pb2.CommandState.DESCRIPTOR, command.state, "COMMAND_STATE_")


for _command in (delete_data, export_data, audit):
    device.add_command(_command)
