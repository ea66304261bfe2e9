"""`dataflow quarantine replay`, `quarantine purge` and `contract backfill`: history that is judged again."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
from dataflow.validator.v1 import job_pb2, quarantine_pb2, rejudge_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.job_progress import check_job, finish_job, show_job, wait_option
from dataflow_cli.moments import Moment
from dataflow_cli.output import print_fields, print_table
from dataflow_cli.quarantine_filter import filter_options

_COUNTS = ("stored", "updated", "duplicate", "conflict", "refused", "withdrawn", "absent")

_dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing; count what would be done.")
_request_id_option = click.option("--request-id", default="", help="The same one is the same job.")


def _rate_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "--rate",
        type=click.FloatRange(min=0),
        default=0.0,
        metavar="N",
        help=f"{what} per second at most; 0 for as fast as live data allows.",
    )


@click.command()
@filter_options
@_dry_run_option
@_rate_option("Items")
@_request_id_option
@wait_option
@json_option
@connection_options
def replay(
    access: Access,
    wanted: quarantine_pb2.QuarantineFilter,
    dry_run: bool,
    rate: float,
    request_id: str,
    wait: bool,
    as_json: bool,
) -> None:
    """Judge items again by what their topics lead to now.

    What is good becomes a row, as if it had been so from the start; what is not gets the reasons of now.
    """
    with access.client("validator") as client:
        job = client.quarantine.replay(wanted, dry_run=dry_run, rate=rate, request_id=request_id)
        job = finish_job(client, job, wait=wait)
    show_job(job, as_json=as_json, result=lambda ended: _show(ended.replay))
    check_job(job)


@click.command()
@filter_options
@click.option("--all", "everything", is_flag=True, help="Delete all of them; needed where nothing narrows.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_dry_run_option
@_rate_option("Items")
@_request_id_option
@wait_option
@json_option
@connection_options
def purge(
    access: Access,
    wanted: quarantine_pb2.QuarantineFilter,
    everything: bool,
    yes: bool,
    dry_run: bool,
    rate: float,
    request_id: str,
    wait: bool,
    as_json: bool,
) -> None:
    """Delete items for good; noted in the audit."""
    if wanted == quarantine_pb2.QuarantineFilter() and not everything:
        raise click.UsageError("nothing narrows what is deleted: give a filter, or --all")
    if not dry_run and not yes:
        what = "the whole quarantine" if wanted == quarantine_pb2.QuarantineFilter() else "what the filter chooses"
        click.confirm(f"Delete {what} for good?", abort=True, err=True)
    with access.client("validator") as client:
        job = client.quarantine.purge(wanted, everything=everything, dry_run=dry_run, rate=rate, request_id=request_id)
        job = finish_job(client, job, wait=wait)
    show_job(job, as_json=as_json, result=_show_purge)
    check_job(job)


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--revision", type=click.IntRange(1, 2**31 - 1), help="Judges; else what the routes say now.")
@click.option("--since", type=Moment(), help="Messages received from this time on: 2014-01-16, RFC 3339, or 1h.")
@click.option("--until", type=Moment(), help="Messages received before this time.")
@click.option("--device", "device_ids", multiple=True, metavar="ID", help="Only this device; may be repeated.")
@_dry_run_option
@_rate_option("Messages")
@_request_id_option
@wait_option
@json_option
@connection_options
def backfill(
    access: Access,
    name: str,
    revision: int | None,
    since: datetime | None,
    until: datetime | None,
    device_ids: tuple[str, ...],
    dry_run: bool,
    rate: float,
    request_id: str,
    wait: bool,
    as_json: bool,
) -> None:
    """Judge the raw log again: rows and quarantine of the contract NAME become as if it had always been so."""
    with access.client("validator") as client:
        job = client.quarantine.backfill(
            name,
            revision=revision or 0,
            start_time=since,
            end_time=until,
            device_ids=device_ids,
            dry_run=dry_run,
            rate=rate,
            request_id=request_id,
        )
        job = finish_job(client, job, wait=wait)
    show_job(job, as_json=as_json, result=lambda ended: _show(ended.backfill))
    check_job(job)


def _show(result: rejudge_pb2.RejudgeResult) -> None:
    used = [name for name in _COUNTS if any(getattr(counts, name) for counts in result.contracts)]
    print_table(
        ("contract", *used),
        [(counts.contract, *(f"{getattr(counts, name):,}" for name in used)) for counts in result.contracts],
        empty="nothing to judge",
    )
    print_fields(
        {
            "left as they are (no route)": f"{result.left:,}" if result.left else "",
            "took their key back": f"{result.swapped:,}" if result.swapped else "",
            "batches that cannot be read": f"{result.unreadable:,}" if result.unreadable else "",
            "rows older than the raw log": f"{result.older_rows:,}" if result.older_rows else "",
        }
    )
    if result.older_rows or result.older_rows_unknown:
        click.echo("Approximate: rows older than the raw log stay as they are.", err=True)


def _show_purge(job: job_pb2.Job) -> None:
    print_fields({"would be deleted" if job.dry_run else "deleted": f"{job.purge.purged:,}"})
