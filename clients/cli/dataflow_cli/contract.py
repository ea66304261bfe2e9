"""`dataflow contract`: the rules that items are judged by."""

import sys
from collections.abc import Mapping
from pathlib import Path

import click
from dataflow.validator.v1 import contract_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.contract_language import add_language_commands
from dataflow_cli.field_list import TIME_UNITS, FieldListError, fields_of, schema_of
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, word

UNKNOWN_FIELDS = {
    "ignore": contract_pb2.UNKNOWN_FIELDS_IGNORE,
    "keep": contract_pb2.UNKNOWN_FIELDS_KEEP,
    "reject": contract_pb2.UNKNOWN_FIELDS_REJECT,
}
COERCIONS = {"strict": contract_pb2.COERCION_STRICT, "lossless": contract_pb2.COERCION_LOSSLESS}
CONFLICT_POLICIES = {"first": contract_pb2.CONFLICT_POLICY_FIRST, "both": contract_pb2.CONFLICT_POLICY_BOTH}

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.group()
def contract() -> None:
    """Make, show and activate contracts."""


@contract.command()
@click.argument("name")
@click.option("--json-schema", "schema_file", type=_FILE, help="JSON Schema 2020-12, or a contract file with one.")
@click.option("--fields", "fields_file", type=_FILE, help="Field list, or a contract file with one.")
@click.option(
    "--event-time", "event_time_field", metavar="FIELD", default="", help="Field with the time of the reading."
)
@click.option(
    "--event-time-unit",
    type=click.Choice(TIME_UNITS),
    help="How it is written.  [default: ISO 8601, or numbers by magnitude]",
)
@click.option("--identity", metavar="F,F", default="", help="Fields that make an item recognisable when sent again.")
@click.option(
    "--unknown", type=click.Choice(list(UNKNOWN_FIELDS)), help="Members that no field names.  [default: ignore]"
)
@click.option(
    "--coerce", "coercion", type=click.Choice(list(COERCIONS)), help="Other spellings of values.  [default: strict]"
)
@click.option(
    "--conflict", type=click.Choice(list(CONFLICT_POLICIES)), help="Same key, other content.  [default: first]"
)
@click.option("--description", default="", help="What it is about, for people and for `dataflow ask`.")
@click.option("--activate", is_flag=True, help="Judge from now on.")
@json_option
@connection_options
def create(
    access: Access,
    name: str,
    schema_file: Path | None,
    fields_file: Path | None,
    event_time_field: str,
    event_time_unit: str | None,
    identity: str,
    unknown: str | None,
    coercion: str | None,
    conflict: str | None,
    description: str,
    activate: bool,
    as_json: bool,
) -> None:
    """Make the contract NAME with revision 1 and its table, from one of --fields and --json-schema.

    A field list is a JSON list of objects with name (or JSON pointer) and type (string, number, integer, boolean,
    timestamp, object, array, binary, json), and optionally required (default true), nullable, default, min, max,
    exclusive_min, exclusive_max, multiple_of, enum, pattern, min_length, max_length, time_unit, encoding, items,
    members, unit, description. See docs/contracts.md.
    """
    if (schema_file is None) == (fields_file is None):
        raise click.UsageError("give one of --json-schema FILE and --fields FILE")
    spec = contract_pb2.ContractSpec(
        event_time_field=event_time_field,
        event_time_unit=event_time_unit or "",
        identity=_names(identity),
        description=description,
        unknown_fields=UNKNOWN_FIELDS[unknown] if unknown else contract_pb2.UNKNOWN_FIELDS_UNSPECIFIED,
        coercion=COERCIONS[coercion] if coercion else contract_pb2.COERCION_UNSPECIFIED,
        conflict_policy=CONFLICT_POLICIES[conflict] if conflict else contract_pb2.CONFLICT_POLICY_UNSPECIFIED,
    )
    try:
        if fields_file is not None:
            spec.fields.extend(fields_of(_text(fields_file)))
        elif schema_file is not None:
            spec.json_schema = schema_of(_text(schema_file))
    except FieldListError as error:
        raise click.BadParameter("\n  ".join([f"{str(fields_file or schema_file)!r}:", *error.problems])) from error
    with access.client("validator") as client:
        made = client.contracts.create(name, spec, activate=activate)
    _show(made, as_json=as_json)


@contract.command()
@click.argument("name")
@json_option
@connection_options
def get(access: Access, name: str, as_json: bool) -> None:
    """Show the contract NAME."""
    with access.client("validator") as client:
        _show(client.contracts.get(name), as_json=as_json)


@contract.command("list")
@json_option
@connection_options
def list_contracts(access: Access, as_json: bool) -> None:
    """Show all contracts."""
    with access.client("validator") as client:
        found = list(client.contracts.list())
    if as_json:
        print_json([as_document(entry) for entry in found])
        return
    print_table(
        ("name", "active", "latest", "fields", "identity", "event time", "created"),
        [
            (
                entry.name,
                entry.active_revision or None,
                entry.latest_revision,
                len(entry.spec.fields),
                ",".join(entry.spec.identity),
                entry.spec.event_time_field,
                moment(entry.create_time),
            )
            for entry in found
        ],
        empty="no contracts yet: make one with `dataflow contract create`",
    )


@contract.command()
@click.argument("name")
@click.option("--revision", type=click.IntRange(0, 2**32 - 1), default=0, help="Which one.  [default: the newest]")
@json_option
@connection_options
def activate(access: Access, name: str, revision: int, as_json: bool) -> None:
    """Let a revision of the contract NAME judge from now on."""
    with access.client("validator") as client:
        _show(client.contracts.activate(name, revision), as_json=as_json)


def _names(joined: str) -> list[str]:
    names = [name.strip() for name in joined.split(",")] if joined else []
    if not all(names):
        raise click.BadParameter(f"{joined!r} has an empty name", param_hint="'--identity'")
    return names


def _text(path: Path) -> str:
    """Reads a file as JSON wants it; `-` is standard input."""
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"cannot read {str(path)!r}: {error}") from error


def _show(entry: contract_pb2.Contract, *, as_json: bool) -> None:
    if as_json:
        print_json(as_document(entry))
        return
    spec = entry.spec
    print_fields(
        {
            "contract": entry.name,
            "revision": f"{entry.active_revision} active, {entry.latest_revision} latest"
            if entry.active_revision
            else f"none active, {entry.latest_revision} latest: `dataflow contract activate {entry.name}`",
            "identity": ", ".join(spec.identity),
            "event time": spec.event_time_field or "receive time",
            "unknown fields": _word_of(UNKNOWN_FIELDS, spec.unknown_fields, "ignore"),
            "coercion": _word_of(COERCIONS, spec.coercion, "strict"),
            "conflict": _word_of(CONFLICT_POLICIES, spec.conflict_policy, "first"),
            "created": moment(entry.create_time),
            "description": spec.description,
            "JSON Schema": f"{len(spec.json_schema.encode())} bytes (--json shows it)" if spec.json_schema else "",
        }
    )
    if spec.fields:
        click.echo()
        print_table(
            ("field", "type", "required", "rules", "unit", "column"), [_field_row(field) for field in spec.fields]
        )


def _word_of(words: Mapping[str, int], value: int, otherwise: str) -> str:
    return next((name for name, meaning in words.items() if meaning == value), otherwise)


def _field_row(field: contract_pb2.Field) -> tuple[object, ...]:
    rules: list[str] = []
    if field.time_unit:
        rules.append(f"as {field.time_unit}")
    if field.encoding == contract_pb2.BINARY_ENCODING_HEX:
        rules.append("as hex")
    if field.HasField("exclusive_min"):
        rules.append(f"> {field.exclusive_min:.10g}")
    if field.HasField("exclusive_max"):
        rules.append(f"< {field.exclusive_max:.10g}")
    if field.HasField("multiple_of"):
        rules.append(f"multiple of {field.multiple_of:.10g}")
    if field.HasField("items"):
        rules.append(f"of {word(contract_pb2.FieldType.DESCRIPTOR, field.items.type, 'FIELD_TYPE_').lower()}")
    if field.members:
        rules.append(f"{len(field.members)} members")
    if field.HasField("min"):
        rules.append(f">= {field.min:.10g}")
    if field.HasField("max"):
        rules.append(f"<= {field.max:.10g}")
    if field.enum:
        rules.append(f"one of {len(field.enum)}")
    if field.pattern:
        rules.append(f"like {field.pattern}")
    if field.HasField("min_length") or field.HasField("max_length"):
        longest = str(field.max_length) if field.HasField("max_length") else ""
        rules.append(f"{field.min_length}..{longest} characters")
    if field.nullable:
        rules.append("or null")
    required = field.required if field.HasField("required") else True
    kind = word(contract_pb2.FieldType.DESCRIPTOR, field.type, "FIELD_TYPE_").lower()
    column = f"{field.column_name} {field.column_type}".strip()
    return (field.name, kind, required, ", ".join(rules), field.unit, column)


add_language_commands(contract)
