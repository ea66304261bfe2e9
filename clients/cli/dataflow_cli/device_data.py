"""`dataflow device delete-data`, `export-data` and `audit`: everything of one device."""

import click
from dataflow.validator.v1 import job_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.job_progress import check_job, finish_job, show_job, wait_option
from dataflow_cli.output import as_document, json_text, moment, print_fields, print_json, print_table, size


@click.command("delete-data")
@click.argument("device_id")
@click.option("--dry-run", is_flag=True, help="Only count what there is.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--request-id", default="", help="The same one is the same job.  [default: a new one]")
@wait_option
@json_option
@connection_options
def delete_data(
    access: Access, device_id: str, dry_run: bool, yes: bool, request_id: str, wait: bool, as_json: bool
) -> None:
    """Delete everything of DEVICE_ID: rows, quarantine, raw log, parked batches, rollups, its name in counts.

    Revoke the device first: what it sends after the job began stays.
    """
    if not dry_run and not yes:
        click.confirm(f"Delete everything of {device_id!r} for good?", abort=True, err=True)
    with access.client("validator") as client:
        job = finish_job(
            client, client.device_data.delete(device_id, dry_run=dry_run, request_id=request_id), wait=wait
        )
    show_job(job, as_json=as_json, result=show_deletion)
    if wait:
        check_job(job)


@click.command("export-data")
@click.argument("device_id")
@click.option("--dry-run", is_flag=True, help="Only count what there is.")
@click.option("--request-id", default="", help="The same one is the same job.  [default: a new one]")
@wait_option
@json_option
@connection_options
def export_data(access: Access, device_id: str, dry_run: bool, request_id: str, wait: bool, as_json: bool) -> None:
    """Write everything of DEVICE_ID to files of JSON lines in the validator's export directory."""
    with access.client("validator") as client:
        job = finish_job(
            client, client.device_data.export(device_id, dry_run=dry_run, request_id=request_id), wait=wait
        )
    show_job(job, as_json=as_json, result=show_device_export)
    if wait:
        check_job(job)


@click.command()
@click.argument("target", default="")
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many, the newest."
)
@json_option
@connection_options
def audit(access: Access, target: str, limit: int, as_json: bool) -> None:
    """Show who destroyed or took out what; only of TARGET, such as device:pump-7."""
    with access.client("validator") as client:
        events = client.device_data.audit_events(target, page_size=min(limit, 1000))
        found = [event for event, _ in zip(events, range(limit), strict=False)]
    if as_json:
        print_json([as_document(event) for event in found])
        return
    print_table(
        ("when", "who", "what", "target", "detail"),
        [
            (
                moment(event.event_time),
                event.actor,
                event.action,
                event.target,
                json_text(event.detail),
            )
            for event in found
        ],
        empty="nothing was destroyed or taken out",
    )


def show_deletion(job: job_pb2.Job) -> None:
    """Prints what a deletion removed, or a dry run found."""
    result = job.device_deletion
    click.echo()
    print_fields(
        {
            "device": result.device_id,
            "rows": _by_contract(result.rows),
            "quarantined": result.quarantined,
            "raw log": f"{result.messages:,} items in {result.batches:,} batches",
            "parked": result.parked_messages,
            "rollups": _by_contract(result.rollups),
            "ids remembered": _by_contract(result.seen),
            "counts": f"{result.ledger_batches:,} batches, {result.ledger_minutes:,} minutes",
        }
    )
    if result.unreadable_batches:
        click.echo(f"note: {result.unreadable_batches} batches cannot be read; what is in them stays", err=True)
    if result.unfound_items:
        click.echo(f"note: {result.unfound_items} items were counted once and are named by no message", err=True)


def show_device_export(job: job_pb2.Job) -> None:
    """Prints what an export wrote."""
    result = job.device_export
    click.echo()
    print_fields(
        {
            "device": result.device_id,
            "rows": _by_contract(result.rows),
            "quarantined": result.quarantined,
            "messages": result.messages,
            "parked": result.parked_messages,
            "directory": result.directory,
        }
    )
    if result.files:
        click.echo()
        print_table(
            ("file", "lines", "size", "sha256"),
            [(file.name, file.rows, size(file.size_bytes), file.sha256) for file in result.files],
        )


def _by_contract(counts: object) -> str:
    return ", ".join(f"{contract} {items:,}" for contract, items in sorted(dict(counts).items())) or "0"  # type: ignore[call-overload]
