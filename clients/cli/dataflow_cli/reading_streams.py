"""`dataflow readings watch` and `dataflow readings export`: readings as they are stored, and as a file."""

import os
import sys
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, cast

import click
from dataflow.validator.v1 import reading_pb2, reading_stream_pb2
from dataflow_client import reading_filter
from dataflow_client.reading_streams import Format

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.exported_files import show_files
from dataflow_cli.job_progress import check_job, finish_job, show_job, wait_option
from dataflow_cli.moments import Moment
from dataflow_cli.output import print_json_line, text
from dataflow_cli.reading_output import document, which


@click.command()
@which
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Only this field; may be repeated.")
@click.option(
    "--from-beginning", is_flag=True, help="Begin with the oldest reading instead of what is stored from now on."
)
@click.option("--stored-since", type=Moment(), help="Begin with what was stored since: RFC 3339, or 1h ago as 1h.")
@click.option("--cursor", default="", help="Go on behind this cursor of an earlier watch.")
@click.option(
    "--cursor-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Go on behind the cursor in this file, and keep it there: nothing is missed between two runs.",
)
@click.option("--limit", type=click.IntRange(min=0), default=0, help="End after so many readings.  [default: never]")
@json_option
@connection_options
def watch(
    access: Access,
    contract: str,
    device_ids: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    fields: tuple[str, ...],
    from_beginning: bool,
    stored_since: datetime | None,
    cursor: str,
    cursor_file: Path | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the readings of CONTRACT as they are stored, until Ctrl-C.

    With --json each line is one reading. When the validator goes away the watch goes on at another one.
    """
    kept = cursor_file.read_text().strip() if cursor_file is not None and cursor_file.exists() else ""
    if cursor and kept:
        raise click.UsageError(f"{cursor_file} has a cursor already: leave --cursor away, or remove the file")
    cursor = cursor or kept
    if bool(cursor) + from_beginning + (stored_since is not None) > 1:
        if not kept:
            raise click.UsageError("a watch begins at a cursor, at the beginning, or at a time: give one of them")
        from_beginning, stored_since = False, None
    wanted = reading_filter(contract, device_ids=device_ids, start_time=since, end_time=until)
    shown = 0
    with access.client("validator") as client:
        responses = client.readings.watch(
            wanted,
            cursor=cursor,
            from_beginning=from_beginning,
            stored_since=stored_since,
            fields=fields,
            # One by one, so that the limit is reached at a cursor: what was shown is not shown again.
            max_readings=1 if limit and cursor_file is not None else 0,
        )
        with closing(responses):
            for response in responses:
                for reading in response.readings:
                    if limit and shown == limit:
                        return
                    _print_reading(reading, as_json=as_json)
                    shown += 1
                if cursor_file is not None:
                    _keep(cursor_file, response.cursor)
                if limit and shown == limit:
                    return


@click.command()
@which
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Only this field; may be repeated.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@click.option(
    "--hourly", is_flag=True, help="A row for each hour and device: count, min, max, sum, average of each field."
)
@click.option("--escape-formulas", is_flag=True, help="CSV that is safe to open in a spreadsheet.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="This file instead of standard output; it appears when it is whole.",
)
@wait_option
@click.option(
    "--to-file", is_flag=True, help="Files in the validators' export_dir, written by a job that outlives this command."
)
@json_option
@connection_options
def export(
    access: Access,
    contract: str,
    device_ids: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    fields: tuple[str, ...],
    form: str,
    hourly: bool,
    escape_formulas: bool,
    output: Path | None,
    to_file: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Write the readings of CONTRACT, as they are stored now, to a CSV or Parquet file.

    With --json rows, bytes and SHA-256 are printed; to standard error where the file goes to standard output.
    """
    wanted = reading_filter(contract, device_ids=device_ids, start_time=since, end_time=until)
    if to_file:
        if output is not None:
            raise click.UsageError("--to-file writes into the validators' export_dir: leave --output away")
        with access.client("validator") as client:
            job = client.readings.export_to_file(
                wanted, cast("Format", form), hourly=hourly, fields=fields, escape_formulas=escape_formulas
            )
            job = finish_job(client, job, wait=wait)
        show_job(job, as_json=as_json, result=show_files)
        check_job(job)
        return
    part = None if output is None else output.with_name(f".{output.name}.part")
    with ExitStack() as stack:
        client = stack.enter_context(access.client("validator"))
        file: BinaryIO = sys.stdout.buffer if part is None else stack.enter_context(part.open("wb"))
        if part is not None:
            stack.callback(part.unlink, missing_ok=True)
        done = client.readings.export(
            wanted, file, cast("Format", form), hourly=hourly, fields=fields, escape_formulas=escape_formulas
        )
        file.flush()
        if part is not None and output is not None:
            os.fsync(file.fileno())
            part.replace(output)
    _print_done(done, as_json=as_json, err=output is None)


def _print_done(done: reading_stream_pb2.ExportTrailer, *, as_json: bool, err: bool) -> None:
    if as_json:
        print_json_line({"rows": done.rows, "bytes": done.bytes, "sha256": done.sha256}, err=err)
    else:
        click.echo(f"{done.rows} rows, {done.bytes} bytes", err=True)


def _keep(cursor_file: Path, cursor: str) -> None:
    part = cursor_file.with_name(f".{cursor_file.name}.part")
    part.write_text(cursor + "\n")
    part.replace(cursor_file)


def _print_reading(reading: reading_pb2.Reading, *, as_json: bool) -> None:
    found = document(reading)
    if as_json:
        print_json_line(found)
        return
    cells = [f"{name}={text(value)}" for name, value in found["fields"].items()]
    click.echo("  ".join([text(found["event_time"]), text(found["device_id"]), *cells]))
