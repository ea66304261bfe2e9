"""The options by which commands choose quarantined items: the same for all of them.

@filter_options
def command(wanted: quarantine_pb2.QuarantineFilter) -> None: ...
"""

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import click
from dataflow.validator.v1 import quarantine_pb2

from dataflow_cli.moments import Moment

KINDS: Final = {
    "refused": quarantine_pb2.QUARANTINE_KIND_REFUSED,
    "unparsable": quarantine_pb2.QUARANTINE_KIND_UNPARSABLE,
    "unrouted": quarantine_pb2.QUARANTINE_KIND_UNROUTED,
    "unstorable": quarantine_pb2.QUARANTINE_KIND_UNSTORABLE,
    "conflict": quarantine_pb2.QUARANTINE_KIND_CONFLICT,
}
"""Kinds by their words."""

_OPTIONS: Final = (
    click.option("--contract", default="", metavar="NAME", help="Only this contract's."),
    click.option(
        "--kind",
        "kinds",
        multiple=True,
        type=click.Choice(list(KINDS), case_sensitive=False),
        help="Only this kind; may be repeated.",
    ),
    click.option("--device", "device_ids", multiple=True, metavar="ID", help="Only this device; may be repeated."),
    click.option(
        "--path", default="", metavar="POINTER", help="With a reason at this JSON pointer, such as /temperature."
    ),
    click.option("--rule", default="", help="With a reason of this clause, such as minimum."),
    click.option("--revision", type=click.IntRange(1, 2**32 - 1), help="Judged by this revision."),
    click.option(
        "--topic", "topic_filter", default="", metavar="FILTER", help="Of topics that this MQTT filter matches."
    ),
    click.option(
        "--since", type=Moment(), help="Received from this time on: 2014-01-16, RFC 3339, or 1h for an hour ago."
    ),
    click.option("--until", type=Moment(), help="Received before this time."),
)


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options; the function gets `wanted`, a `QuarantineFilter`."""

    @functools.wraps(command)
    def read(
        *arguments: Any,
        contract: str,
        kinds: tuple[str, ...],
        device_ids: tuple[str, ...],
        path: str,
        rule: str,
        revision: int | None,
        topic_filter: str,
        since: datetime | None,
        until: datetime | None,
        **others: Any,
    ) -> None:
        wanted = quarantine_pb2.QuarantineFilter(
            contract=contract,
            kinds=[KINDS[kind.lower()] for kind in kinds],
            device_ids=device_ids,
            path=path,
            rule=rule,
            revision=revision or 0,
            topic_filter=topic_filter,
        )
        if since is not None:
            wanted.start_time.FromDatetime(since)
        if until is not None:
            wanted.end_time.FromDatetime(until)
        command(*arguments, wanted=wanted, **others)

    for option in reversed(_OPTIONS):
        read = option(read)
    return read
