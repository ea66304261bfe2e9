"""`dataflow route`: which messages a contract judges, and how their device is found."""

import click

from dataflow_cli.context import Access, FailedCheckError, connection_options, json_option
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, text
from dataflow_cli.route_output import device_rule_option, show_route
from dataflow_cli.route_this import route_this

_SAMPLE_BYTES = 60


@click.group()
def route() -> None:
    """Make, show, change and remove routes."""


@route.command()
@click.argument("topic_filter", metavar="FILTER")
@click.option("--contract", required=True, metavar="NAME", help="The contract that judges.")
@device_rule_option
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
    show_route(made, as_json=as_json)


@route.command()
@click.argument("route_id", metavar="ID")
@json_option
@connection_options
def get(access: Access, route_id: str, as_json: bool) -> None:
    """Show the route ID."""
    with access.client("validator") as client:
        show_route(client.routes.get(route_id), as_json=as_json)


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
        ("filter", "contract", "pinned", "device", "created", "id"),
        [
            (
                entry.filter,
                entry.contract,
                entry.pinned_revision or None,
                entry.device_rule,
                moment(entry.create_time),
                entry.route_id,
            )
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
@click.argument("route_id", metavar="ID")
@click.option("--contract", metavar="NAME", help="The contract that judges; a new one unpins the revision.")
@device_rule_option
@click.option("--revision", "pinned_revision", type=click.IntRange(1, 2**31 - 1), help="Pin this revision.")
@click.option("--unpin", is_flag=True, help="Judge by the active revision.")
@click.option("--etag", default="", help="As it was read.  [default: whatever it is]")
@json_option
@connection_options
def update(
    access: Access,
    route_id: str,
    contract: str | None,
    device_rule: str,
    pinned_revision: int | None,
    unpin: bool,
    etag: str,
    as_json: bool,
) -> None:
    """Change what the route ID leads to; what is not given stays."""
    if unpin and pinned_revision:
        raise click.UsageError("give either --revision or --unpin")
    if not (contract or device_rule or pinned_revision or unpin):
        raise click.UsageError("nothing to change: give --contract, --device, --revision or --unpin")
    with access.client("validator") as client:
        made = client.routes.update(
            route_id,
            contract=contract,
            device_rule=device_rule or None,
            pinned_revision=0 if unpin else pinned_revision,
            etag=etag,
        )
    show_route(made, as_json=as_json)


@route.command()
@click.argument("topic")
@json_option
@connection_options
def resolve(access: Access, topic: str, as_json: bool) -> None:
    """Show which route takes TOPIC, which others match, and why this one; exit code 1 where none does."""
    with access.client("validator") as client:
        answer = client.routes.explain(topic)
    found = answer.route if answer.HasField("route") else None
    if as_json:
        print_json({"topic": topic, "route": None, **as_document(answer)})
    if found is None:
        raise FailedCheckError(
            f"no route takes {topic!r}: make one with `dataflow route create FILTER --contract NAME`"
        )
    if as_json:
        return
    show_route(found, as_json=False)
    print_fields({"judged by": f"{found.contract} revision {answer.revision}" if answer.revision else "nobody yet"})
    if not answer.revision:
        click.echo(f"note: {found.contract} has no active revision: messages are quarantined as unrouted", err=True)
    click.echo()
    print_table(
        ("filter", "contract", "why"),
        [(match.route.filter, match.route.contract, match.why) for match in answer.matches],
    )


@route.command()
@click.argument("topic_filter", metavar="[FILTER]", default="")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many topics.")
@json_option
@connection_options
def unrouted(access: Access, topic_filter: str, limit: int, as_json: bool) -> None:
    """Show the topics that no route took, most messages first; of those that FILTER matches."""
    with access.client("validator") as client:
        topics = client.routes.unrouted(topic_filter, page_size=min(limit, 1000))
        found = [entry for entry, _ in zip(topics, range(limit), strict=False)]
    if as_json:
        print_json([as_document(entry) for entry in found])
        return
    print_table(
        ("topic", "messages", "first received", "last received", "sample"),
        [
            (
                entry.topic,
                entry.message_count,
                moment(entry.first_receive_time),
                moment(entry.last_receive_time),
                entry.sample[:_SAMPLE_BYTES].decode("utf-8", "replace"),
            )
            for entry in found
        ],
        empty="every message had a route",
    )
    if found:
        click.echo(
            f"`dataflow route this '{text(found[0].topic)}' --infer` makes contract and route for one.", err=True
        )


route.add_command(route_this)
