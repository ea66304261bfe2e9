"""`dataflow contract check|diff`: whether rules may follow, and how two revisions differ."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import click
from dataflow.validator.v1 import compatibility_pb2, contract_pb2
from dataflow_client.contract_revisions import Compatibility

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.contract_rules import COERCIONS, FILE, UNKNOWN_FIELDS, read_rules
from dataflow_cli.exits import FailedCheckError
from dataflow_cli.output import as_document, print_json, text, word

MODES = ("none", "backward", "forward", "full", "backward_transitive", "forward_transitive", "full_transitive")

_REVISION = click.IntRange(1, 2**31 - 1)
_SIGNS = {
    compatibility_pb2.REVISION_CHANGE_KIND_ADDED: "+",
    compatibility_pb2.REVISION_CHANGE_KIND_REMOVED: "-",
    compatibility_pb2.REVISION_CHANGE_KIND_CHANGED: "~",
}


def add_comparison_commands(contract: click.Group) -> None:
    """Adds the commands of this module to `dataflow contract`."""
    for command in (check, diff):
        contract.add_command(command)


@click.command()
@click.argument("name")
@click.option("--json-schema", "schema_file", type=FILE, help="JSON Schema 2020-12, or a contract file with one.")
@click.option("--fields", "fields_file", type=FILE, help="Field list, or a contract file with one.")
@click.option("--unknown", type=click.Choice(list(UNKNOWN_FIELDS)), help="Members that no field names.")
@click.option("--coerce", "coercion", type=click.Choice(list(COERCIONS)), help="Other spellings of values.")
@click.option("--mode", type=click.Choice(MODES), help="What to hold them to.  [default: the contract's mode]")
@click.option("--revision", type=_REVISION, default=None, help="Compare with this one only.")
@json_option
@connection_options
def check(
    access: Access,
    name: str,
    schema_file: Path | None,
    fields_file: Path | None,
    unknown: str | None,
    coercion: str | None,
    mode: str | None,
    revision: int | None,
    as_json: bool,
) -> None:
    """Say whether rules may be the next revision of the contract NAME; ends with 1 if not. Nothing is made.

    What no option names is as in the newest revision. Each incompatibility comes with a message that one revision accepts
    and the other refuses; where none was found, it is only not proven that there is none.
    """
    with access.client("validator") as client:
        spec = contract_pb2.ContractSpec()
        spec.CopyFrom(client.contracts.revision(name).spec)
        if fields_file is not None or schema_file is not None:
            del spec.fields[:]
            spec.fields_from_schema = False
            if schema_file is not None:
                spec.json_schema = ""
            read_rules(spec, fields_file, None)
            read_rules(spec, None, schema_file)
        if unknown:
            spec.unknown_fields = UNKNOWN_FIELDS[unknown]
        if coercion:
            spec.coercion = COERCIONS[coercion]
        found = client.contracts.check_compatibility(
            name, spec, mode=cast("Compatibility | None", mode), revision=revision or 0
        )
    if as_json:
        print_json(as_document(found))
    else:
        _show(found)
    if not found.compatible:
        count = len(found.incompatibilities) + len(found.problems)
        raise FailedCheckError(f"these rules may not be the next revision of {name!r}: {count} findings")


@click.command()
@click.argument("name")
@click.argument("from_revision", metavar="[A]", type=_REVISION, required=False)
@click.argument("to_revision", metavar="[B]", type=_REVISION, required=False)
@json_option
@connection_options
def diff(access: Access, name: str, from_revision: int | None, to_revision: int | None, as_json: bool) -> None:
    """Show how revision B of the contract NAME differs from revision A: without them, the newest from the one before."""
    with access.client("validator") as client:
        found = list(client.contracts.diff(name, from_revision or 0, to_revision or 0))
    if as_json:
        print_json([as_document(change) for change in found])
        return
    for change in found:
        click.echo(f"{_SIGNS.get(change.kind, ' ')} {text(change.sentence)}")
    if not found:
        click.echo("no difference")


def _show(found: compatibility_pb2.CheckCompatibilityResponse) -> None:
    mode = word(contract_pb2.CompatibilityMode.DESCRIPTOR, found.mode, "COMPATIBILITY_MODE_")
    against = ", ".join(map(str, found.compared_revisions)) or "nothing"
    click.echo(f"{'compatible' if found.compatible else 'incompatible'} by {mode}, compared with revision {against}")
    for problem in found.problems:
        click.echo(f"\n{text(problem.path)}\n  {text(problem.message)}")
    for one in found.incompatibilities:
        direction = word(compatibility_pb2.CompatibilityDirection.DESCRIPTOR, one.direction, "COMPATIBILITY_DIRECTION_")
        click.echo(f"\n{text(one.path or 'the item')}: {one.clause} ({direction}, revision {one.revision})")
        click.echo(f"  was {text(one.old_rule)}, is {text(one.new_rule)}")
        if one.HasField("counter_example"):
            accepts, refuses = _sides(one.direction)
            click.echo(f"  {accepts} accepts and {refuses} refuses: {text(one.counter_example.payload)}")
            _reasons(one.counter_example.reasons)
        else:
            click.echo("  no counter-example was found: it is only not proven compatible")
    for exempt in found.exemptions:
        click.echo(f"\nallowed: {text(exempt.message)}")
        if exempt.HasField("example"):
            click.echo(f"  such as {text(exempt.example.payload)}")


def _sides(direction: compatibility_pb2.CompatibilityDirection.ValueType) -> tuple[str, str]:
    old, new = "the old revision", "the new one"
    return (old, new) if direction == compatibility_pb2.COMPATIBILITY_DIRECTION_BACKWARD else (new, old)


def _reasons(reasons: Iterable[str]) -> None:
    for why in reasons:
        click.echo(f"    {text(why)}")
