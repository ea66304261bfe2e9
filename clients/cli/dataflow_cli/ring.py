"""`dataflow ring`: the nodes that buffer batches between bridges and validators."""

import json
from collections.abc import Iterable

import click
from dataflow.bridge.v1 import node_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.output import age, as_document, moment, print_fields, print_json, print_table, size, word

_STALE = "Postgres is away: this is the bridge's last-known membership."


@click.group()
def ring() -> None:
    """Show, watch and admit ring nodes."""


@ring.command("list")
@json_option
@connection_options
def list_nodes(access: Access, as_json: bool) -> None:
    """Show all nodes by name."""
    with access.client("bridge") as client:
        pages = list(client.ring.node_pages())
    nodes = [node for page in pages for node in page.nodes]
    stale = any(page.stale for page in pages)
    if as_json:
        print_json({"nodes": [as_document(node) for node in nodes], "stale": stale})
        return
    _print_nodes(nodes)
    if stale:
        click.echo(_STALE, err=True)


@ring.command()
@click.argument("name")
@json_option
@connection_options
def get(access: Access, name: str, as_json: bool) -> None:
    """Show the node NAME and what every process observes of it."""
    with access.client("bridge") as client:
        _show(client.ring.get_node(name), as_json=as_json)


@ring.command()
@click.argument("name")
@click.argument("url")
@click.option("--zone", default="", help="Where it stands; two copies are never in one zone where there are two.")
@json_option
@connection_options
def add(access: Access, name: str, url: str, zone: str, as_json: bool) -> None:
    """Admit the Redis server at URL (redis://host:port) as node NAME, after checking that it may join."""
    if not url.startswith(("redis://", "rediss://")):
        raise click.BadParameter("begins with neither redis:// nor rediss://", param_hint="'URL'")
    with access.client("bridge") as client:
        _show(client.ring.add_node(name, url, zone=zone), as_json=as_json)


@ring.command()
@click.option("--count", type=click.IntRange(min=1), help="End after so many states.  [default: never]")
@json_option
@connection_options
def watch(access: Access, count: int | None, as_json: bool) -> None:
    """Show the ring now and after each change, until interrupted; with --json one document on each line."""
    with access.client("bridge") as client:
        try:
            for seen, state in enumerate(client.watch_ring(), start=1):
                if as_json:
                    click.echo(json.dumps(as_document(state), ensure_ascii=False))
                else:
                    click.echo(f"{moment(state.observe_time)}{'  ' + _STALE if state.stale else ''}")
                    _print_nodes(state.nodes)
                    click.echo()
                if seen == count:
                    return
        except KeyboardInterrupt:
            return  # how a watch ends


def _print_nodes(nodes: Iterable[node_pb2.Node]) -> None:
    print_table(
        ("node", "state", "health", "durability", "zone", "batches", "oldest", "memory", "share", "url"),
        [
            (
                node.name,
                _state(node),
                _health(node),
                _durability(node),
                node.zone,
                node.depth,
                age(node.oldest_age) if node.HasField("oldest_age") else "",
                _memory(node),
                f"{node.share:.0%}",
                node.url,
            )
            for node in nodes
        ],
        empty="the ring has no node: `dataflow ring add NAME redis://host:port`",
    )


def _show(node: node_pb2.Node, *, as_json: bool) -> None:
    if as_json:
        print_json(as_document(node))
        return
    print_fields(
        {
            "node": node.name,
            "url": node.url,
            "state": _state(node),
            "zone": node.zone,
            "durability": _durability(node),
            "incarnation": node.incarnation,
            "admitted": moment(node.admit_time),
            "batches": node.depth,
            "oldest": age(node.oldest_age) if node.HasField("oldest_age") else "",
            "memory": _memory(node),
        }
    )
    if node.observations:
        click.echo()
        print_table(
            ("observer", "health", "latency", "observed", "detail"),
            [
                (
                    seen.observer,
                    word(node_pb2.NodeHealth.DESCRIPTOR, seen.health, "NODE_HEALTH_"),
                    age(seen.latency) if seen.HasField("latency") else "",
                    moment(seen.observe_time),
                    seen.detail,
                )
                for seen in node.observations
            ],
        )


def _state(node: node_pb2.Node) -> str:
    return word(node_pb2.NodeState.DESCRIPTOR, node.state, "NODE_STATE_")


def _durability(node: node_pb2.Node) -> str:
    return word(node_pb2.Durability.DESCRIPTOR, node.durability, "DURABILITY_")


def _health(node: node_pb2.Node) -> str:
    """Returns the answering bridge's view, and how many others see something else."""
    if not node.observations:
        return ""
    own = node.observations[0].health
    others = sum(1 for seen in node.observations if seen.health != own)
    return word(node_pb2.NodeHealth.DESCRIPTOR, own, "NODE_HEALTH_") + (f" ({others} disagree)" if others else "")


def _memory(node: node_pb2.Node) -> str:
    used = size(node.memory_used_bytes)
    return f"{used} of {size(node.memory_limit_bytes)}" if node.memory_limit_bytes else used
