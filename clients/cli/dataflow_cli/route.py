"""`dataflow route`: which messages a contract judges, and how their device is found."""

import re

import click
from dataflow.validator.v1 import route_pb2

from dataflow_cli.context import Access, FailedCheckError, connection_options, json_option
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table

_DEVICE_RULE = re.compile(r"topic:[1-9][0-9]*|payload:(/.*)?|identity", re.DOTALL)


def _device_rule(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and not _DEVICE_RULE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is none of topic:N (level N from 1), payload:/pointer, identity")
    return value


@click.group()
def route() -> None:
    """Make, show and remove routes."""


@route.command()
@click.argument("topic_filter", metavar="FILTER")
@click.option("--contract", required=True, metavar="NAME", help="The contract that judges.")
@click.option(
    "--device",
    "device_rule",
    metavar="RULE",
    default="",
    callback=_device_rule,
    help="Where the device id is: topic:N (level N from 1), payload:/pointer, or identity (who authenticated).  "
    "[default: the contract's field device_id, else the filter's first +, else identity]",
)
@click.option(
    "--revision",
    "pinned_revision",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    help="Judge by this revision, whichever is active.  [default: the active one]",
)
@json_option
@connection_options
def create(
    access: Access, topic_filter: str, contract: str, device_rule: str, pinned_revision: int, as_json: bool
) -> None:
    """Let a contract judge the messages whose topic the MQTT FILTER matches; the most specific filter wins."""
    with access.client("validator") as client:
        made = client.routes.create(topic_filter, contract, device_rule=device_rule, pinned_revision=pinned_revision)
    _show(made, as_json=as_json)


@route.command()
@click.argument("route_id", metavar="ID")
@json_option
@connection_options
def get(access: Access, route_id: str, as_json: bool) -> None:
    """Show the route ID."""
    with access.client("validator") as client:
        _show(client.routes.get(route_id), as_json=as_json)


@route.command("list")
@json_option
@connection_options
def list_routes(access: Access, as_json: bool) -> None:
    """Show all routes by filter."""
    with access.client("validator") as client:
        found = list(client.routes.list())
    if as_json:
        print_json([as_document(entry) for entry in found])
        return
    print_table(
        ("filter", "contract", "device", "created", "id"),
        [
            (entry.filter, entry.contract, entry.device_rule, moment(entry.create_time), entry.route_id)
            for entry in found
        ],
        empty="no routes yet: make one with `dataflow route create FILTER --contract NAME`",
    )


@route.command()
@click.argument("route_id", metavar="ID")
@json_option
@connection_options
def delete(access: Access, route_id: str, as_json: bool) -> None:
    """Remove the route ID; what it took before stays where it is."""
    with access.client("validator") as client:
        client.routes.delete(route_id)
    if as_json:
        print_json({"deleted": route_id})
    else:
        click.echo(f"route {route_id!r} is removed")


@route.command()
@click.argument("topic")
@json_option
@connection_options
def resolve(access: Access, topic: str, as_json: bool) -> None:
    """Show which route takes TOPIC; exit code 1 where none does."""
    with access.client("validator") as client:
        found = client.routes.resolve(topic)
    if as_json:
        print_json({"topic": topic, "route": as_document(found) if found is not None else None})
    if found is None:
        raise FailedCheckError(
            f"no route takes {topic!r}: make one with `dataflow route create FILTER --contract NAME`"
        )
    if not as_json:
        _show(found, as_json=False)


@route.command()
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many topics.")
@json_option
@connection_options
def unrouted(access: Access, limit: int, as_json: bool) -> None:
    """Show the topics that no route took, most messages first."""
    with access.client("validator") as client:
        found = [entry for entry, _ in zip(client.routes.unrouted(), range(limit), strict=False)]
    if as_json:
        print_json([as_document(entry) for entry in found])
        return
    print_table(
        ("topic", "messages", "last received"),
        [(entry.topic, entry.message_count, moment(entry.last_receive_time)) for entry in found],
        empty="every message had a route",
    )


def _show(entry: route_pb2.Route, *, as_json: bool) -> None:
    if as_json:
        print_json(as_document(entry))
        return
    print_fields(
        {
            "route": entry.route_id,
            "filter": entry.filter,
            "contract": entry.contract,
            "revision": f"{entry.pinned_revision}, pinned" if entry.pinned_revision else "the active one",
            "device": entry.device_rule,
            "created": moment(entry.create_time),
        }
    )
