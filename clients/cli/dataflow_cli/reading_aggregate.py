"""`dataflow readings aggregate`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, TypedDict, Unpack

import click
from dataflow.validator.v1 import reading_service_pb2
from dataflow_client import reading_filter
from dataflow_client.reading_aggregates import AggregateOptions

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.moments import Length
from dataflow_cli.output import moment, print_json, print_table
from dataflow_cli.reading_output import plain, which

AGGREGATES: Final = {
    name.removeprefix("AGGREGATE_").lower(): number
    for name, number in reading_service_pb2.Aggregate.items()
    if number != reading_service_pb2.AGGREGATE_UNSPECIFIED
}
_DEFAULT: Final = ("count", "min", "max", "avg", "sum")
_VALUES: Final = frozenset({"first", "last", "mode"})
_ORIGINS: Final = {
    reading_service_pb2.AGGREGATE_SOURCE_ROLLUPS: "From rollups.",
    reading_service_pb2.AGGREGATE_SOURCE_MIXED: "From rollups, and from readings where those are newer or hours are not whole.",
    reading_service_pb2.AGGREGATE_SOURCE_ROWS: "From readings.",
}


class _Selection(TypedDict):
    contract: str
    device_ids: tuple[str, ...]
    since: datetime | None
    until: datetime | None


@click.command()
@which
@click.option(
    "--field", "fields", multiple=True, required=True, metavar="NAME", help="What to aggregate; may be repeated."
)
@click.option(
    "--aggregate",
    "functions",
    multiple=True,
    type=click.Choice(list(AGGREGATES)),
    help=f"What to compute; may be repeated.  [default: {', '.join(_DEFAULT)}]",
)
@click.option(
    "--percentile",
    "percentiles",
    multiple=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Also a percentile, such as 0.95; may be repeated.",
)
@click.option("--window", type=Length(), help="Length of a window, such as 1h.  [default: one over everything]")
@click.option("--step", type=Length(), help="From one window's start to the next, for windows that overlap.")
@click.option("--offset", type=Length(), help="Moves all windows.")
@click.option(
    "--time-zone", default="", metavar="ZONE", help="Days of this zone, such as Europe/Berlin.  [default: UTC]"
)
@click.option("--by-device", is_flag=True, help="A line for each device.")
@click.option("--group-by", default="", metavar="FIELD", help="A line for each value of this field.")
@click.option("--from-rows", is_flag=True, help="Read the readings also where there are rollups.")
@json_option
@connection_options
def aggregate(
    access: Access,
    fields: tuple[str, ...],
    functions: tuple[str, ...],
    percentiles: tuple[float, ...],
    window: timedelta | None,
    step: timedelta | None,
    offset: timedelta | None,
    time_zone: str,
    by_device: bool,
    group_by: str,
    from_rows: bool,
    as_json: bool,
    **selected: Unpack[_Selection],
) -> None:
    """Show aggregates of fields of CONTRACT: by window, by device, by the value of a field."""
    wanted = reading_filter(
        selected["contract"],
        device_ids=selected["device_ids"],
        start_time=selected["since"],
        end_time=selected["until"],
    )
    options = AggregateOptions(
        window=window,
        step=step,
        offset=offset,
        time_zone=time_zone,
        by_device=by_device,
        group_by=group_by,
        percentiles=list(dict.fromkeys(percentiles)),
        from_rows=from_rows,
    )
    names = list(dict.fromkeys(fields))
    chosen = list(dict.fromkeys(functions or (() if percentiles else _DEFAULT)))
    with access.client("validator") as client:
        pages = list(client.readings.aggregate_pages(wanted, names, [AGGREGATES[word] for word in chosen], **options))
    buckets = [bucket for page in pages for bucket in page.buckets]
    words = [*chosen, *(f"p{100 * share:g}" for share in options["percentiles"])]
    if as_json:
        print_json([_document(bucket, chosen, words, grouped=bool(group_by)) for bucket in buckets])
        return
    _print(buckets, names, chosen, words, options)
    if (origin := _ORIGINS.get(pages[0].origin.source)) is not None:
        click.echo(origin, err=True)


def _print(
    buckets: Sequence[reading_service_pb2.AggregateBucket],
    names: Sequence[str],
    chosen: Sequence[str],
    words: Sequence[str],
    options: AggregateOptions,
) -> None:
    window, by_device, group_by = options["window"], options["by_device"], options["group_by"]
    heads = [*(["from"] if window else []), *(["device"] if by_device else []), *([group_by] if group_by else [])]
    print_table(
        (*heads, "readings", *(f"{word}({name})" for name in names for word in words)),
        [
            (
                *([moment(bucket.start_time)] if window else []),
                *([bucket.device_id] if by_device else []),
                *([_group(bucket)] if group_by else []),
                bucket.reading_count,
                *(cell for name in names for cell in _cells(bucket, name, chosen, len(words) - len(chosen))),
            )
            for bucket in buckets
        ],
        empty="no such reading",
    )


def _cells(
    bucket: reading_service_pb2.AggregateBucket, name: str, chosen: Sequence[str], percentiles: int
) -> list[object]:
    if name not in bucket.fields:
        return [None] * (len(chosen) + percentiles)
    found = bucket.fields[name]
    # An absent aggregate (no value, or not asked for) is not listed; a zero is.
    present = {descriptor.name: value for descriptor, value in found.ListFields()}
    cells: list[object] = [
        plain(getattr(found, word)) if word in _VALUES and word in present else present.get(word) for word in chosen
    ]
    cells += found.percentiles or [None] * percentiles
    return cells


def _group(bucket: reading_service_pb2.AggregateBucket) -> object:
    return plain(bucket.group) if bucket.HasField("group") else None


def _document(
    bucket: reading_service_pb2.AggregateBucket, chosen: Sequence[str], words: Sequence[str], *, grouped: bool
) -> dict[str, object]:
    return {
        "device_id": bucket.device_id,
        "start_time": moment(bucket.start_time) or None,
        **({"group": _group(bucket)} if grouped else {}),
        "reading_count": bucket.reading_count,
        "fields": {
            name: dict(zip(words, _cells(bucket, name, chosen, len(words) - len(chosen)), strict=True))
            for name in sorted(bucket.fields)
        },
    }
