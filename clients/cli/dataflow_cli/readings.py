"""`dataflow readings`: what was stored."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice

import click
from dataflow.validator.v1 import reading_pb2, reading_service_pb2
from dataflow_client import reading_filter

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.moments import Length
from dataflow_cli.output import moment, print_json, print_table
from dataflow_cli.reading_output import document, which
from dataflow_cli.reading_streams import export, watch

AGGREGATES = {
    "count": reading_service_pb2.AGGREGATE_COUNT,
    "min": reading_service_pb2.AGGREGATE_MIN,
    "max": reading_service_pb2.AGGREGATE_MAX,
    "avg": reading_service_pb2.AGGREGATE_AVG,
    "sum": reading_service_pb2.AGGREGATE_SUM,
}

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


@readings.command()
@which
@click.option(
    "--field", "fields", multiple=True, required=True, metavar="NAME", help="What to aggregate; may be repeated."
)
@click.option(
    "--aggregate",
    "functions",
    multiple=True,
    type=click.Choice(list(AGGREGATES)),
    help="What to compute; may be repeated.  [default: all]",
)
@click.option("--window", type=Length(), help="Length of a window, such as 1h.  [default: one over everything]")
@click.option("--by-device", is_flag=True, help="A line for each device.")
@json_option
@connection_options
def aggregate(
    access: Access,
    contract: str,
    device_ids: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    fields: tuple[str, ...],
    functions: tuple[str, ...],
    window: timedelta | None,
    by_device: bool,
    as_json: bool,
) -> None:
    """Show count, minimum, maximum, average and sum of fields of CONTRACT."""
    wanted = reading_filter(contract, device_ids=device_ids, start_time=since, end_time=until)
    names, chosen = list(dict.fromkeys(fields)), list(dict.fromkeys(functions or AGGREGATES))
    with access.client("validator") as client:
        buckets = list(
            client.readings.aggregate(
                wanted, names, [AGGREGATES[word] for word in chosen], window=window, by_device=by_device
            )
        )
    if as_json:
        print_json([_bucket(bucket, chosen) for bucket in buckets])
        return
    heads = [*(["from"] if window else []), *(["device"] if by_device else []), "readings"]
    print_table(
        (*heads, *(f"{word}({name})" for name in names for word in chosen)),
        [
            (
                *([moment(bucket.start_time)] if window else []),
                *([bucket.device_id] if by_device else []),
                bucket.reading_count,
                *(_aggregate(bucket, name, word) for name in names for word in chosen),
            )
            for bucket in buckets
        ],
        empty=_NONE,
    )


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


def _aggregate(bucket: reading_service_pb2.AggregateBucket, name: str, word: str) -> object:
    if name not in bucket.fields:
        return None
    # An absent aggregate (no value, or not asked for) is not listed; a zero is.
    present = {descriptor.name: value for descriptor, value in bucket.fields[name].ListFields()}
    return present.get(word)


def _bucket(bucket: reading_service_pb2.AggregateBucket, words: Iterable[str]) -> Mapping[str, object]:
    return {
        "device_id": bucket.device_id,
        "start_time": moment(bucket.start_time) or None,
        "reading_count": bucket.reading_count,
        "fields": {name: {word: _aggregate(bucket, name, word) for word in words} for name in sorted(bucket.fields)},
    }
