"""`dataflow summarize` and `dataflow summary`: what the readings of some time amount to."""

from datetime import datetime
from itertools import islice
from typing import Final

import click
from dataflow.insight.v1 import summary_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.moments import Moment
from dataflow_cli.output import as_document, moment, print_json, print_table, text, word
from dataflow_cli.time_zone import machine_zone

_PERIODS: Final = {
    "hour": summary_pb2.SUMMARY_PERIOD_HOUR,
    "day": summary_pb2.SUMMARY_PERIOD_DAY,
    "week": summary_pb2.SUMMARY_PERIOD_WEEK,
    "month": summary_pb2.SUMMARY_PERIOD_MONTH,
    "all": summary_pb2.SUMMARY_PERIOD_ALL,
}


@click.command()
@click.argument("contract")
@click.option("--device", "device_ids", multiple=True, metavar="ID", help="Only this device; may be repeated.")
@click.option("--since", type=Moment(), help="From this event time on: 2014-01-16, RFC 3339, or 1h ago as 1h.")
@click.option("--until", type=Moment(), help="Before this event time.")
@click.option(
    "--last",
    type=click.Choice(list(_PERIODS)),
    help="The last stretch of the calendar that the data cover whole, or all of them.  [default: day]",
)
@click.option(
    "--time-zone",
    default="",
    metavar="ZONE",
    help="Days of this zone, such as Europe/Berlin.  [default: this machine's, else UTC]",
)
@click.option(
    "--field", "fields", multiple=True, metavar="NAME", help="Only this field; may be repeated.  [default: the fullest]"
)
@json_option
@connection_options
def summarize(
    access: Access,
    contract: str,
    device_ids: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    last: str | None,
    time_zone: str,
    fields: tuple[str, ...],
    as_json: bool,
) -> None:
    """Summarise the readings of CONTRACT: level, range, trend, course of the day, gaps, refusals."""
    if last is not None and (since is not None or until is not None):
        raise click.UsageError("--last is instead of --since and --until")
    with access.client("insight") as client:
        summary = client.summaries.summarize(
            contract,
            device_ids=device_ids,
            period=_PERIODS.get(last or "", summary_pb2.SUMMARY_PERIOD_UNSPECIFIED),
            start_time=since,
            end_time=until,
            time_zone=time_zone or machine_zone(),
            fields=fields,
        )
    _print(summary, as_json=as_json)


@click.group()
def summary() -> None:
    """Show and remove summaries that were made."""


@summary.command("list")
@click.option("--contract", default="", metavar="NAME", help="Only of this contract.")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="At most so many; 0 for all.")
@json_option
@connection_options
def list_summaries(access: Access, contract: str, limit: int, as_json: bool) -> None:
    """Show summaries, newest first."""
    with access.client("insight") as client:
        found = list(islice(client.summaries.list(contract, page_size=min(limit, 100)), limit or None))
    if as_json:
        print_json([as_document(item) for item in found])
        return
    print_table(
        ("id", "made", "by", "contract", "devices", "from", "to", "readings"),
        [
            (
                item.summary_id,
                moment(item.create_time),
                item.creator,
                item.contract,
                ", ".join(item.device_ids) or "all",
                moment(item.start_time),
                moment(item.end_time),
                item.reading_count,
            )
            for item in found
        ],
        empty="no summary",
    )
    if limit and len(found) == limit:
        click.echo(f"The newest {limit}; --limit shows more.", err=True)


@summary.command()
@click.argument("summary_id", metavar="ID")
@json_option
@connection_options
def get(access: Access, summary_id: str, as_json: bool) -> None:
    """Show the summary ID as it was made."""
    with access.client("insight") as client:
        found = client.summaries.get(summary_id)
    _print(found, as_json=as_json)


@summary.command()
@click.argument("summary_id", metavar="ID")
@connection_options
def delete(access: Access, summary_id: str) -> None:
    """Remove the summary ID: its maker may, and operators."""
    with access.client("insight") as client:
        client.summaries.delete(summary_id)
    click.echo(f"Removed {text(summary_id)}.")


def _print(found: summary_pb2.Summary, *, as_json: bool) -> None:
    if as_json:
        print_json(as_document(found))
        return
    click.echo("\n".join(text(line) for line in found.text.split("\n")))
    if found.numbers:
        click.echo()
        print_table(
            ("field", "unit", "values", "mean", "5 %", "median", "95 %", "lowest", "highest", "trend", "before"),
            [_row(item) for item in found.numbers],
        )
    if found.summary_id:
        click.echo(f"\n[{found.summary_id}]", err=True)


def _row(item: summary_pb2.NumberSummary) -> tuple[object, ...]:
    return (
        item.field,
        item.unit,
        item.value_count,
        *(
            _short(value)
            for value in (
                item.mean,
                item.percentile_5,
                item.median,
                item.percentile_95,
                item.lowest.value,
                item.highest.value,
            )
        ),
        _movement(item.trend.movement) if item.HasField("trend") else "",
        _short(item.change.mean_before) if item.HasField("change") else None,
    )


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _movement(movement: summary_pb2.Movement.ValueType) -> str:
    found = word(summary_pb2.Movement.DESCRIPTOR, movement, "MOVEMENT_")
    return "" if found == "UNSPECIFIED" else found.lower().replace("_", " ")
