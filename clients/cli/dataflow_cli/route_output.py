"""Routes as people read and write them."""

import re
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import click
from dataflow.validator.v1 import route_pb2

from dataflow_cli.output import as_document, moment, print_fields, print_json

P = ParamSpec("P")
R = TypeVar("R")

_DEVICE_RULE: Final = re.compile(r"topic:[1-9][0-9]*|payload:(/.*)?|identity", re.DOTALL)


def _device_rule(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and not _DEVICE_RULE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is none of topic:N (level N from 1), payload:/pointer, identity")
    return value


def device_rule_option(command: Callable[P, R]) -> Callable[P, R]:
    """Adds `--device RULE`; the function gets `device_rule: str`, empty where it was not given."""
    return click.option(
        "--device",
        "device_rule",
        metavar="RULE",
        default="",
        callback=_device_rule,
        help="Where the device id is: topic:N (level N from 1), payload:/pointer, or identity (who authenticated).  "
        "[default: the contract's field device_id, else the filter's first +, else identity]",
    )(command)


def show_route(entry: route_pb2.Route, *, as_json: bool) -> None:
    """Prints a route."""
    if as_json:
        print_json(as_document(entry))
        return
    print_fields(
        {
            "route": entry.route_id,
            "filter": entry.filter,
            "contract": entry.contract,
            "revision": f"{entry.pinned_revision}, pinned" if entry.pinned_revision else "the active one",
            "device": entry.device_rule,
            "created": moment(entry.create_time),
            "etag": entry.etag,
        }
    )
