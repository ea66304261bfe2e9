"""`dataflow quarantine`: what was not stored, and why."""

import sys
from itertools import islice
from typing import IO, Any

import click
from dataflow.validator.v1 import quarantine_overview_pb2, quarantine_pb2
from dataflow_client import DataflowError

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.exported_files import show_files
from dataflow_cli.job_progress import check_job, finish_job, show_job, wait_option
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, size, word
from dataflow_cli.quarantine_filter import filter_options
from dataflow_cli.rejudge import purge, replay


@click.group()
def quarantine() -> None:
    """Show what was not stored, and why; judge it again, or delete it."""


quarantine.add_command(replay)
quarantine.add_command(purge)


@quarantine.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="At most so many; 0 for all.")
@json_option
@connection_options
def list_items(access: Access, wanted: quarantine_pb2.QuarantineFilter, limit: int, as_json: bool) -> None:
    """Show items, newest first, each with its first reason."""
    with access.client("validator") as client:
        found = list(islice(client.quarantine.list(wanted, page_size=min(limit, 1000)), limit or None))
    if as_json:
        print_json([_document(item) for item in found])
        return
    print_table(
        ("id", "kind", "contract", "device", "topic", "received", "reason"),
        [
            (
                item.quarantine_id,
                _kind(item),
                f"{item.contract} r{item.revision}" if item.contract else "",
                item.device_id,
                item.topic,
                moment(item.receive_time),
                _first_reason(item),
            )
            for item in found
        ],
        empty="nothing of that kind is in quarantine",
    )
    if limit and len(found) == limit:
        click.echo(f"The newest {limit}; --limit shows more.", err=True)


@quarantine.command()
@filter_options
@json_option
@connection_options
def summary(access: Access, wanted: quarantine_pb2.QuarantineFilter, as_json: bool) -> None:
    """Show how many items there are of each root cause, and what the limits removed."""
    with access.client("validator") as client:
        found = client.quarantine.summarize(wanted)
    if as_json:
        print_json(as_document(found))
        return
    print_table(
        ("contract", "kind", "rule", "path", "items", "devices", "first received", "last received", "newest"),
        [
            (
                f"{group.contract} r{group.revision}" if group.contract else "",
                word(quarantine_pb2.QuarantineKind.DESCRIPTOR, group.kind, "QUARANTINE_KIND_"),
                group.rule,
                group.path,
                group.items,
                group.devices,
                moment(group.first_receive_time),
                moment(group.last_receive_time),
                group.newest_quarantine_id,
            )
            for group in found.groups
        ],
        empty="nothing of that kind is in quarantine",
    )
    if not found.complete and found.groups:
        click.echo(f"Of the newest {found.summarized:,}; a narrower filter shows more.", err=True)
    click.echo(f"\n{found.total_items:,} items in quarantine, about {size(found.total_bytes)}")
    if found.removed:
        click.echo()
        print_table(
            ("device", "removed for", "items", "size", "since", "last"),
            [
                (
                    removed.device_id or "(none)",
                    word(quarantine_overview_pb2.RemovalCause.DESCRIPTOR, removed.cause, "REMOVAL_CAUSE_").lower(),
                    removed.items,
                    size(removed.size_bytes),
                    moment(removed.first_time),
                    moment(removed.last_time),
                )
                for removed in found.removed
            ],
        )


@quarantine.command()
@filter_options
@click.option("--output", type=click.File("wb"), default="-", help="Where to write.  [default: standard output]")
@click.option("--after", "after_id", default="", metavar="ID", help="Go on behind this item.")
@click.option(
    "--to-file", is_flag=True, help="Files in the validators' export_dir, written by a job that outlives this command."
)
@wait_option
@click.option("--json", "as_json", is_flag=True, help="With --to-file: machine-readable output.")
@connection_options
def export(
    access: Access,
    wanted: quarantine_pb2.QuarantineFilter,
    output: IO[bytes],
    after_id: str,
    to_file: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Write items as lines of JSON with their original bytes, which `dataflow replay` reads; the oldest first."""
    if to_file:
        with access.client("validator") as client:
            job = finish_job(client, client.quarantine.export_to_file(wanted), wait=wait)
        show_job(job, as_json=as_json, result=show_files)
        check_job(job)
        return
    items = 0
    with access.client("validator") as client:
        try:
            for chunk in client.quarantine.export(wanted, after_quarantine_id=after_id):
                output.write(chunk.data)
                items, after_id = items + chunk.items, chunk.last_quarantine_id
        except DataflowError:
            click.echo(f"broke after {items:,} items; `--after {after_id or 0}` goes on", err=True)
            raise
    click.echo(f"{items:,} items", err=True)


@quarantine.command()
@click.argument("quarantine_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Only the message's original bytes.")
@json_option
@connection_options
def get(access: Access, quarantine_id: str, raw: bool, as_json: bool) -> None:
    """Show the item ID with all its reasons and its original bytes."""
    with access.client("validator") as client:
        item = client.quarantine.get(quarantine_id)
    if raw:
        sys.stdout.buffer.write(item.payload)
        return
    if as_json:
        print_json(_document(item))
        return
    print_fields(
        {
            "item": item.quarantine_id,
            "kind": _kind(item),
            "contract": f"{item.contract} revision {item.revision}" if item.contract else "",
            "device": item.device_id,
            "topic": item.topic,
            "element": item.element or None,
            "received": moment(item.receive_time),
            "event time": moment(item.event_time),
            "message id": item.message_id,
            "quarantined": moment(item.quarantine_time),
            "payload": _payload(item.payload),
        }
    )
    click.echo()
    print_table(
        ("path", "rule", "expected", "actual", "message"),
        [(reason.path, reason.rule, reason.expected, reason.actual, reason.message) for reason in item.reasons],
        empty="no reason was recorded",
    )


def _kind(item: quarantine_pb2.QuarantinedItem) -> str:
    return word(quarantine_pb2.QuarantineKind.DESCRIPTOR, item.kind, "QUARANTINE_KIND_")


def _first_reason(item: quarantine_pb2.QuarantinedItem) -> str:
    if not item.reasons:
        return ""
    first = item.reasons[0]
    more = f" (+{len(item.reasons) - 1})" if len(item.reasons) > 1 else ""
    return f"{first.path}: {first.message}{more}" if first.path else f"{first.message}{more}"


def _payload(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        return f"{payload[:512].hex(' ')}{' …' if len(payload) > 512 else ''} ({len(payload)} bytes, not UTF-8)"


def _document(item: quarantine_pb2.QuarantinedItem) -> dict[str, Any]:
    """Returns the item as JSON; beside the base64 of `payload` the text, where it is text."""
    document = as_document(item)
    try:
        document["payload_text"] = item.payload.decode("utf-8")
    except UnicodeDecodeError:
        document["payload_text"] = None
    return document
