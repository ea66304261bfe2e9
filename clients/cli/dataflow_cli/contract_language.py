"""`dataflow contract import|export|judge`: documents of others in and out, and one payload judged."""

import json
import sys
from pathlib import Path
from typing import Any

import click
from dataflow.validator.v1 import contract_language_pb2, contract_pb2, quarantine_pb2
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.exits import FailedCheckError
from dataflow_cli.output import moment, print_fields, print_json, print_table, text, word
from dataflow_cli.reading_output import plain

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


def add_language_commands(contract: click.Group) -> None:
    """Adds import, export and judge to `dataflow contract`."""
    for command in (import_document, export_document, judge):
        contract.add_command(command)


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--create", "name", metavar="NAME", default="", help="Make a contract of it.")
@click.option("--activate", is_flag=True, help="With --create: judge from now on.")
@json_option
@connection_options
def import_document(access: Access, file: Path, name: str, activate: bool, as_json: bool) -> None:
    """Read FILE, a JSON Schema 2020-12, as the rules of a contract, and say what its author may not expect.

    Takes what `model_json_schema()` of a Pydantic model writes, data models in one document, and what `contract export`
    wrote. With --json the rules can be given to `contract judge --spec`.
    """
    if activate and not name:
        raise click.UsageError("--activate needs --create NAME")
    with access.client("validator") as client:
        found = client.contracts.import_json_schema(_read(file))
        made = client.contracts.create(name, found.spec, activate=activate) if name else None
    for warning in found.warnings:
        click.echo(f"{warning.path or 'the document'}: {text(warning.message)}", err=True)
    if as_json:
        print_json(_rules(found.spec))
        return
    if made is not None:
        state = "active" if made.active_revision else f"not active: `dataflow contract activate {made.name}`"
        click.echo(f"contract {made.name} made, {state}")
    print_table(
        ("field", "type", "required", "column"),
        [
            (
                field.name,
                word(contract_pb2.FieldType.DESCRIPTOR, field.type, "FIELD_TYPE_").lower(),
                field.required,
                f"{field.column_name} {field.column_type}",
            )
            for field in found.spec.fields
        ],
        empty="no columns",
    )
    click.echo(f"judged by {'the JSON Schema as it is' if found.spec.json_schema else 'these fields'}")


@click.command("export")
@click.argument("name")
@click.option("--revision", type=click.IntRange(0, 2**31 - 1), default=0, help="Which one.  [default: the active one]")
@json_option
@connection_options
def export_document(access: Access, name: str, revision: int, as_json: bool) -> None:
    """Write the contract NAME as a JSON Schema document; `contract import` makes an equal one of it.

    The document is JSON either way; --json writes it on one line.
    """
    with access.client("validator") as client:
        document = client.contracts.export_json_schema(name, revision)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    print_json(document)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[NAME] PAYLOAD")
@click.option(
    "--spec", "spec_file", type=_FILE, help="Rules that nobody has saved, as `contract import --json` prints."
)
@click.option("--revision", type=click.IntRange(0, 2**31 - 1), default=0, help="Which one.  [default: the active one]")
@click.option("--topic", default="", help="Where it would be published: a route may say where the device is.")
@click.option("--device", "device_id", default="", help="Who would send it.")
@json_option
@connection_options
def judge(
    access: Access,
    words: tuple[str, ...],
    spec_file: Path | None,
    revision: int,
    topic: str,
    device_id: str,
    as_json: bool,
) -> None:
    """Judge the file PAYLOAD (- for standard input) by the contract NAME; ends with 1 if an item would not be stored."""
    if len(words) != (2 if spec_file is None else 1):
        raise click.UsageError("give a contract's NAME and the file PAYLOAD, or --spec FILE and the file PAYLOAD")
    rules = words[0] if spec_file is None else _spec(spec_file)
    payload = _bytes(Path(words[-1]))
    with access.client("validator") as client:
        judged = client.contracts.judge(rules, payload, revision=revision, topic=topic, device_id=device_id)
    if as_json:
        print_json(
            {"revision": judged.revision, "item_count": judged.item_count, "items": [*map(_document, judged.items)]}
        )
    else:
        for item in judged.items:
            _show(item, many=judged.item_count > 1)
        if judged.item_count > len(judged.items):
            click.echo(f"The first {len(judged.items)} of {judged.item_count} items.", err=True)
    if judged.accepted_count < judged.item_count:
        count = judged.item_count - judged.accepted_count
        raise FailedCheckError(f"{count} of {judged.item_count} items would go to quarantine")


def _show(item: contract_language_pb2.JudgedItem, *, many: bool) -> None:
    verdict = "accepted" if item.accepted else _kind(item)
    click.echo(f"item {item.element}: {verdict}" if many else verdict)
    if item.accepted:
        zone = " (no zone given: taken as UTC)" if item.zone_assumed else ""
        print_fields(
            {
                "device": item.device_id,
                "event time": f"{moment(item.event_time)}{zone}",
                "message id": item.message_id,
                **{name: _shown(plain(item.fields[name])) for name in sorted(item.fields)},
                "extra": _shown(MessageToDict(item.extra)) if item.HasField("extra") else None,
            }
        )
        return
    print_table(
        ("path", "rule", "expected", "actual"),
        [(why.path or "(item)", why.rule, why.expected, why.actual) for why in item.reasons],
    )


def _shown(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _document(item: contract_language_pb2.JudgedItem) -> dict[str, Any]:
    return {
        "element": item.element,
        "accepted": item.accepted,
        "kind": None if item.accepted else _kind(item),
        "device_id": item.device_id,
        "event_time": moment(item.event_time) or None,
        "zone_assumed": item.zone_assumed,
        "message_id": item.message_id,
        "fields": {name: plain(item.fields[name]) for name in sorted(item.fields)},
        "extra": MessageToDict(item.extra) if item.HasField("extra") else None,
        "reasons": [MessageToDict(why, always_print_fields_with_no_presence=True) for why in item.reasons],
    }


def _kind(item: contract_language_pb2.JudgedItem) -> str:
    return word(quarantine_pb2.QuarantineKind.DESCRIPTOR, item.kind, "QUARANTINE_KIND_")


def _rules(spec: contract_pb2.ContractSpec) -> dict[str, Any]:
    rules: dict[str, Any] = MessageToDict(spec, preserving_proto_field_name=True)
    return rules


def _spec(path: Path) -> contract_pb2.ContractSpec:
    try:
        return ParseDict(json.loads(_read(path)), contract_pb2.ContractSpec())
    except (ParseError, ValueError, RecursionError) as error:
        raise click.BadParameter(f"{str(path)!r} holds no rules: {error}", param_hint="'--spec'") from error


def _read(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"cannot read {str(path)!r}: {error}") from error


def _bytes(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"cannot read {str(path)!r}: {error}") from error
