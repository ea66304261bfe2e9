"""`dataflow parked`: batches that were set aside whole."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import click
from dataflow.validator.v1 import parked_pb2
from dataflow_client import Client

from dataflow_cli.context import Access, FailedCheckError, connection_options, json_option
from dataflow_cli.output import as_document, moment, print_json, print_table, size, word

_AT_ONCE = 20
"""Batches of one call: a batch that takes long does not hold up the answer about all others."""


@click.group()
def parked() -> None:
    """Show, retry and export batches that were set aside whole."""


@parked.command("list")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="At most so many; 0 for all.")
@json_option
@connection_options
def list_batches(access: Access, limit: int, as_json: bool) -> None:
    """Show batches, those that were made first come first."""
    with access.client("validator") as client:
        found = list(islice(client.parked.list(page_size=min(limit, 1000)), limit or None))
    if as_json:
        print_json([as_document(batch) for batch in found])
        return
    print_table(
        ("id", "parked", "node", "bridge", "sequence", "messages", "size", "retries", "reason"),
        [
            (
                batch.batch_id,
                moment(batch.park_time),
                batch.node,
                batch.bridge_id,
                batch.sequence or "",
                batch.message_count if batch.HasField("message_count") else "unreadable",
                size(batch.size_bytes),
                batch.retries,
                batch.reason,
            )
            for batch in found
        ],
        empty="nothing is parked",
    )
    if limit and len(found) == limit:
        click.echo(f"The first {limit}; --limit shows more.", err=True)


@parked.command()
@click.argument("batch_ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All that are parked now.")
@json_option
@connection_options
def retry(access: Access, batch_ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Judge and store batches as if they came from the ring now.

    Exit code 1 when one of them stays parked. What was stored before is not stored twice; for batches that are older
    than their ids are remembered, that rests with the ids of their items (docs/message-ids.md).
    """
    if bool(batch_ids) is everything:
        raise click.UsageError("name batches, or --all")
    with access.client("validator") as client:
        wanted = [batch.batch_id for batch in client.parked.list(page_size=1000)] if everything else [*batch_ids]
        done = list(_retried(client, wanted))
    if as_json:
        print_json([as_document(batch) for batch in done])
    else:
        print_table(
            ("id", "outcome", "stored", "duplicate", "conflict", "quarantined", "reason"),
            [
                (
                    batch.batch_id,
                    word(parked_pb2.RetryOutcome.DESCRIPTOR, batch.outcome, "RETRY_OUTCOME_"),
                    batch.stored,
                    batch.duplicate,
                    batch.conflict,
                    batch.quarantined,
                    batch.reason,
                )
                for batch in done
            ],
            empty="nothing is parked",
        )
    left = sum(batch.outcome == parked_pb2.RETRY_OUTCOME_STILL_PARKED for batch in done)
    if left:
        raise FailedCheckError(f"{left} of {len(done)} batches are still parked")


@parked.command()
@click.argument("batch_ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["messages", "bytes"]),
    default="messages",
    show_default=True,
    help="JSON lines for `dataflow replay`, or the zstd frames of the ring.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="This file instead of standard output.")
@connection_options
def export(access: Access, batch_ids: tuple[str, ...], form: str, output: Path | None) -> None:
    """Write batches out: those named, or all. They stay parked.

    Exit code 1 when the messages of one cannot be read; its bytes can be exported.
    """
    batches = unreadable = 0
    with ExitStack() as stack:
        client = stack.enter_context(access.client("validator"))
        file = sys.stdout.buffer if output is None else stack.enter_context(output.open("wb"))
        for part in client.parked.export(batch_ids, messages=form == "messages"):
            file.write(part.data)
            batches += part.last
            if part.problem:
                unreadable += 1
                click.echo(f"{part.batch.batch_id}: {part.problem}", err=True)
        file.flush()
    click.echo(f"{batches} batches", err=True)
    if unreadable:
        raise FailedCheckError(f"{unreadable} of {batches} batches cannot be read; --format bytes exports them")


def _retried(client: Client, batch_ids: list[str]) -> Iterator[parked_pb2.RetriedBatch]:
    for start in range(0, len(batch_ids), _AT_ONCE):
        yield from client.parked.retry(batch_ids[start : start + _AT_ONCE])
