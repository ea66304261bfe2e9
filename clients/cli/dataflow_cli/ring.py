"""`dataflow ring`: the nodes that buffer batches between bridges and validators."""

import json
from collections.abc import Iterable

import click
from dataflow.bridge.v1 import node_pb2, ring_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.output import age, as_document, moment, print_fields, print_json, print_table, size, word

_STALE = "Postgres is away: this is the bridge's last-known membership."


@click.group()
def ring() -> None:
    """Show, watch, admit, drain and remove ring nodes."""


@ring.command("list")
@json_option
@connection_options
def list_nodes(access: Access, as_json: bool) -> None:
    """Show all nodes by name."""
    with access.client("bridge") as client:
        pages = list(client.ring.node_pages())
    nodes = [node for page in pages for node in page.nodes]
    stale = any(page.stale for page in pages)
    status = pages[-1].status if pages else ring_pb2.RingStatus()
    if as_json:
        print_json({"nodes": [as_document(node) for node in nodes], "stale": stale, "status": as_document(status)})
        return
    _print_nodes(nodes)
    _print_status(status)
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
@click.argument("name")
@json_option
@connection_options
def drain(access: Access, name: str, as_json: bool) -> None:
    """Let the node NAME take no new batches; it is DRAINED when validators have emptied it."""
    with access.client("bridge") as client:
        _show(client.ring.drain_node(name), as_json=as_json)


@ring.command("cancel-drain")
@click.argument("name")
@json_option
@connection_options
def cancel_drain(access: Access, name: str, as_json: bool) -> None:
    """Let the draining or drained node NAME take batches again."""
    with access.client("bridge") as client:
        _show(client.ring.cancel_drain(name), as_json=as_json)


@ring.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also if it is not DRAINED, or does not answer; says what is abandoned.")
@json_option
@connection_options
def remove(access: Access, name: str, force: bool, as_json: bool) -> None:
    """End the membership of the node NAME, once it is DRAINED."""
    with access.client("bridge") as client:
        removed = client.ring.remove_node(name, force=force)
    if as_json:
        print_json(as_document(removed))
        return
    click.echo(f"{name} is no longer a member.")
    if not removed.reached:
        click.echo("It did not answer; the counts are what was last seen.", err=True)
    if removed.abandoned_batches or removed.abandoned_copies:
        click.echo(
            f"Abandoned on its server: {removed.abandoned_batches} batches, {removed.abandoned_copies} copies. Batches with a "
            "copy on another node are judged all the same; the rest comes back, to be parked, when the node is added again.",
            err=True,
        )


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
                    _print_status(state.status)
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


def _print_status(status: ring_pb2.RingStatus) -> None:
    missing = str(status.under_replicated) if status.HasField("under_replicated") else "not compared yet"
    left = age(status.buffer_left) if status.HasField("buffer_left") else "not limited, or nothing arrives"
    click.echo()
    print_fields(
        {
            "leader": f"{status.leader or 'none'} (epoch {status.leader_epoch})",
            "under-replicated": missing,
            "buffer left": left,
            "free": size(status.free_bytes) if status.free_bytes else "",
            "appended": f"{size(round(status.append_bytes_per_second))}/s",
        }
    )
    for warning in status.warnings:
        click.echo(f"warning: {warning}", err=True)


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
            "disk": size(node.disk_used_bytes) if node.disk_used_bytes else "",
            "away since": moment(node.down_since) if node.HasField("down_since") else "",
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
