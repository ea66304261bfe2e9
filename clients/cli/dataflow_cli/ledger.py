"""`dataflow ledger`: what was accounted for, and whether anything was not."""

from datetime import datetime
from itertools import islice

import click
from dataflow.validator.v1 import ledger_pb2, ledger_service_pb2

from dataflow_cli.context import Access, FailedCheckError, connection_options, json_option
from dataflow_cli.moments import Moment
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, word


@click.group()
def ledger() -> None:
    """Show what was accounted for, and check that nothing is missing."""


@ledger.command("list")
@click.option("--minutes", is_flag=True, help="One line for each minute, bridge, contract and device.")
@click.option("--bridge-id", default="", metavar="ID", help="Only batches of this bridge.")
@click.option("--boot-id", default="", metavar="UUID", help="Only batches of this life of a bridge.")
@click.option("--contract", default="", metavar="NAME", help="Count only this contract's items.")
@click.option("--device", default="", metavar="ID", help="Count only this device's items.")
@click.option(
    "--since", type=Moment(), help="Committed from this time on: 2014-01-16, RFC 3339, or 1h for an hour ago."
)
@click.option("--until", type=Moment(), help="Committed before this time.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="At most so many; 0 for all.")
@json_option
@connection_options
def list_entries(
    access: Access,
    minutes: bool,
    bridge_id: str,
    boot_id: str,
    contract: str,
    device: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show batches or minutes, newest first."""
    wanted = ledger_pb2.LedgerFilter(bridge_id=bridge_id, boot_id=boot_id, contract=contract, device_id=device)
    if since is not None:
        wanted.start_time.FromDatetime(since)
    if until is not None:
        wanted.end_time.FromDatetime(until)
    with access.client("validator") as client:
        entries = client.ledger.list(wanted, by_minute=minutes, page_size=min(limit, 1000))
        found = list(islice(entries, limit or None))
    if as_json:
        print_json([as_document(entry) for entry in found])
        return
    place = ("contract", "device") if minutes else ("boot", "sequence", "node")
    print_table(
        ("time", "bridge", *place, "stored", "duplicate", "conflict", "quarantined", "parked"),
        [
            (
                moment(entry.commit_time),
                entry.bridge_id,
                *((entry.contract, entry.device_id) if minutes else (entry.boot_id[:8], entry.sequence, entry.node)),
                entry.counts.stored,
                entry.counts.duplicate,
                entry.counts.conflict,
                entry.counts.quarantined,
                entry.counts.parked,
            )
            for entry in found
        ],
        empty="the ledger has no such entry",
    )
    if limit and len(found) == limit:
        click.echo(f"The newest {limit}; --limit shows more.", err=True)


@ledger.command()
@click.option("--bridge-id", default="", metavar="ID", help="Only this bridge.")
@click.option("--boot-id", default="", metavar="UUID", help="Only this life of a bridge.")
@click.option("--recount", is_flag=True, help="Also count rows, and compare with what the ledger says.")
@click.option("--since", type=Moment(), help="Recount from this time on; default: 10m.")
@click.option("--until", type=Moment(), help="Recount before this time.")
@json_option
@connection_options
def check(
    access: Access,
    bridge_id: str,
    boot_id: str,
    recount: bool,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Look for every acknowledged batch that is not in the ledger.

    Exit code 1 when one is missing, when it cannot be known (a node does not answer), or when a recount differs.
    """
    with access.client("validator") as client:
        found = client.ledger.check(
            bridge_id=bridge_id,
            boot_id=boot_id,
            recount=recount,
            recount_start_time=since,
            recount_end_time=until,
        )
    if as_json:
        print_json(as_document(found))
    else:
        _print(found)
    if not found.complete:
        raise FailedCheckError(_problem(found))


def _print(found: ledger_service_pb2.CheckLedgerResponse) -> None:
    print_fields(
        {
            "complete": "yes" if found.complete else "no",
            "missing": found.missing,
            "unreachable": found.unreachable,
            "in ring": found.in_ring,
            "not examined": found.unexamined or None,
            "silent nodes": ", ".join(found.unreachable_nodes),
        }
    )
    click.echo()
    print_table(
        ("bridge", "boot", "acknowledged", "committed", "in ring", "unreachable", "missing", "parked", "where"),
        [
            (
                boot.bridge_id,
                boot.boot_id[:8],
                boot.acknowledged_through,
                boot.committed_through,
                boot.in_ring,
                boot.unreachable,
                boot.missing,
                boot.parked_batches,
                _ranges(boot),
            )
            for boot in found.boots
        ],
        empty="no bridge has made a batch yet",
    )
    if found.HasField("recount"):
        click.echo()
        print_fields(
            {
                "recounted": f"{moment(found.recount.start_time)} to {moment(found.recount.end_time)}",
                "stored": f"{found.recount.ledger_stored} in the ledger, {found.recount.found_stored} rows",
                "quarantined": f"{found.recount.ledger_quarantined} in the ledger, "
                f"{found.recount.found_quarantined} items",
                "differing": ", ".join(found.recount.differing_contracts),
            }
        )


def _ranges(boot: ledger_pb2.BootCheck) -> str:
    shown = [
        f"{word(ledger_pb2.SequenceState.DESCRIPTOR, part.state, 'SEQUENCE_STATE_')} {part.first}"
        + (f"-{part.last}" if part.last != part.first else "")
        for part in boot.ranges[:3]
    ]
    return ", ".join([*shown, "…"] if len(boot.ranges) > len(shown) else shown)


def _problem(found: ledger_service_pb2.CheckLedgerResponse) -> str:
    if found.missing:
        return f"{found.missing} acknowledged batches are missing"
    if found.unreachable or found.unexamined:
        where = f" (no answer from {', '.join(found.unreachable_nodes)})" if found.unreachable_nodes else ""
        return f"{found.unreachable + found.unexamined} acknowledged batches could not be looked for everywhere{where}"
    return "the rows are not what the ledger says"
