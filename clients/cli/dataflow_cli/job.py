"""`dataflow job`: long work."""

import json
from typing import Final, get_args

import click
from dataflow_client.jobs import JobKind, JobState, has_ended

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.contract_test import show_test
from dataflow_cli.device_data import show_deletion, show_device_export
from dataflow_cli.job_progress import (
    check_job,
    finish_job,
    follow_job,
    job_kind,
    job_state,
    show_job,
    wait_option,
)
from dataflow_cli.output import as_document, moment, print_json, print_json_line, print_table

_KINDS: Final = get_args(JobKind)
_STATES: Final = get_args(JobState)
_RESULTS: Final = {"contract_test": show_test, "device_deletion": show_deletion, "device_export": show_device_export}
"""How the result of a kind is shown to people."""


@click.group()
def job() -> None:
    """Show, follow, end and take up long work."""


@job.command("list")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(_KINDS), help="Any of these.  [default: all]")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Any of these.  [default: all]")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many, the newest.")
@json_option
@connection_options
def list_jobs(
    access: Access, kinds: tuple[JobKind, ...], states: tuple[JobState, ...], limit: int, as_json: bool
) -> None:
    """Show jobs, the newest first."""
    with access.client("validator") as client:
        found = [
            entry
            for _, entry in zip(
                range(limit), client.jobs.list(kinds=kinds, states=states, page_size=min(limit, 1_000)), strict=False
            )
        ]
    if as_json:
        print_json([as_document(entry) for entry in found])
        return
    print_table(
        ("job", "kind", "state", "done", "total", "created", "by", "error"),
        [
            (
                entry.job_id,
                job_kind(entry) + (" (dry)" if entry.dry_run else ""),
                job_state(entry),
                entry.progress.done,
                entry.progress.total if entry.progress.HasField("total") else None,
                moment(entry.create_time),
                entry.created_by,
                entry.error.reason,
            )
            for entry in found
        ],
        empty="no jobs",
    )


@job.command()
@click.argument("job_id", type=click.UUID)
@json_option
@connection_options
def show(access: Access, job_id: object, as_json: bool) -> None:
    """Show the job JOB_ID, what was asked for, and what came of it."""
    with access.client("validator") as client:
        found = client.jobs.get(str(job_id))
    show_job(found, as_json=as_json, result=_RESULTS.get(found.WhichOneof("result") or ""))
    if not as_json:
        click.echo(f"\nasked for\n{json.dumps(as_document(found)['request'], ensure_ascii=False, indent=2)}")


@job.command()
@click.argument("job_id", type=click.UUID)
@json_option
@connection_options
def watch(access: Access, job_id: object, as_json: bool) -> None:
    """Follow the job JOB_ID to its end: a line of progress; with --json one document for each change."""
    with access.client("validator") as client:
        if as_json:
            for state in client.jobs.watch(str(job_id)):
                print_json_line(as_document(state))
                if has_ended(state):
                    check_job(state)
            return
        found = follow_job(client.jobs.watch(str(job_id)), client.jobs.get(str(job_id)))
    show_job(found, as_json=False, result=_RESULTS.get(found.WhichOneof("result") or ""))
    check_job(found)


@job.command()
@click.argument("job_id", type=click.UUID)
@wait_option
@json_option
@connection_options
def cancel(access: Access, job_id: object, wait: bool, as_json: bool) -> None:
    """End the job JOB_ID at its next step; what it has done stays done."""
    with access.client("validator") as client:
        found = finish_job(client, client.jobs.cancel(str(job_id)), wait=wait)
    show_job(found, as_json=as_json, result=_RESULTS.get(found.WhichOneof("result") or ""))


@job.command()
@click.argument("job_id", type=click.UUID)
@wait_option
@json_option
@connection_options
def resume(access: Access, job_id: object, wait: bool, as_json: bool) -> None:
    """Go on with the job JOB_ID, which failed or was cancelled, where it stood."""
    with access.client("validator") as client:
        found = finish_job(client, client.jobs.resume(str(job_id)), wait=wait)
    show_job(found, as_json=as_json, result=_RESULTS.get(found.WhichOneof("result") or ""))
    check_job(found)
