"""`dataflow contract`: the rules that items are judged by."""

from pathlib import Path

import click
from dataflow.validator.v1 import contract_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.contract_compatibility import add_comparison_commands
from dataflow_cli.contract_language import add_language_commands
from dataflow_cli.contract_output import show_contract
from dataflow_cli.contract_revisions import add_revision_commands, contract_options_of, option_options
from dataflow_cli.contract_rules import COERCIONS, CONFLICT_POLICIES, FILE, UNKNOWN_FIELDS, read_rules
from dataflow_cli.contract_test import contract_test
from dataflow_cli.field_list import TIME_UNITS
from dataflow_cli.output import as_document, moment, print_json, print_table
from dataflow_cli.rejudge import backfill


@click.group()
def contract() -> None:
    """Make, show, revise, activate, change, watch and delete contracts."""


@contract.command()
@click.argument("name")
@click.option("--json-schema", "schema_file", type=FILE, help="JSON Schema 2020-12, or a contract file with one.")
@click.option("--fields", "fields_file", type=FILE, help="Field list, or a contract file with one.")
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
@option_options
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
    compatibility: str | None,
    redrive: str | None,
    readings_days: int | None,
    rollup_days: int | None,
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
    read_rules(spec, fields_file, schema_file)
    options = contract_options_of(compatibility, redrive, readings_days, rollup_days)
    with access.client("validator") as client:
        made = client.contracts.create(name, spec, activate=activate, options=options)
    show_contract(made, as_json=as_json)


@contract.command()
@click.argument("name")
@json_option
@connection_options
def get(access: Access, name: str, as_json: bool) -> None:
    """Show the contract NAME."""
    with access.client("validator") as client:
        show_contract(client.contracts.get(name), as_json=as_json)


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


def _names(joined: str) -> list[str]:
    names = [name.strip() for name in joined.split(",")] if joined else []
    if not all(names):
        raise click.BadParameter(f"{joined!r} has an empty name", param_hint="'--identity'")
    return names


add_language_commands(contract)
add_revision_commands(contract)
add_comparison_commands(contract)
contract.add_command(contract_test)
contract.add_command(backfill)
