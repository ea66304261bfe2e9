"""`dataflow readings`: what was stored."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

import click
from dataflow.validator.v1 import reading_pb2
from dataflow_client import reading_filter

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.output import print_json, print_table
from dataflow_cli.reading_aggregate import aggregate
from dataflow_cli.reading_output import document, which
from dataflow_cli.reading_streams import export, watch

_NONE = "no such reading"


@click.group()
def readings() -> None:
    """Show what was stored."""


@readings.command("list")
@which
@click.option("--newest-first", is_flag=True, help="The newest event time first.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="At most so many; 0 for all.")
@json_option
@connection_options
def list_readings(
    access: Access,
    contract: str,
    device_ids: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    newest_first: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Show the readings of CONTRACT by event time."""
    wanted = reading_filter(contract, device_ids=device_ids, start_time=since, end_time=until)
    with access.client("validator") as client:
        pages = client.readings.list(wanted, newest_first=newest_first, page_size=min(limit, 1000))
        found = list(islice(pages, limit or None))
    _print_readings(found, as_json=as_json)
    if limit and len(found) == limit and not as_json:
        click.echo(f"The first {limit}; --limit shows more.", err=True)


@readings.command()
@which
@json_option
@connection_options
def latest(
    access: Access,
    contract: str,
    device_ids: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Show the newest reading of each device of CONTRACT."""
    wanted = reading_filter(contract, device_ids=device_ids, start_time=since, end_time=until)
    with access.client("validator") as client:
        _print_readings(list(client.readings.latest(wanted)), as_json=as_json)


readings.add_command(aggregate)
readings.add_command(watch)
readings.add_command(export)


def _print_readings(found: Iterable[reading_pb2.Reading], *, as_json: bool) -> None:
    rows = [document(reading) for reading in found]
    if as_json:
        print_json(rows)
        return
    # In the order of first appearance: a revision may have added a field meanwhile.
    names = list(dict.fromkeys(name for row in rows for name in row["fields"]))
    duplicates = any(row["maybe_duplicate"] for row in rows)
    extras = any(row["extra"] for row in rows)
    print_table(
        ("device", "event time", *names, *(["extra"] if extras else []), *(["maybe twice"] if duplicates else [])),
        [
            (
                row["device_id"],
                row["event_time"],
                *(row["fields"].get(name) for name in names),
                *([row["extra"]] if extras else []),
                *([row["maybe_duplicate"]] if duplicates else []),
            )
            for row in rows
        ],
        empty=_NONE,
    )
