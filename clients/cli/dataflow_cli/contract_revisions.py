"""`dataflow contract revise|revisions|show|activate|update|delete|watch`: contracts over time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from dataflow.validator.v1 import contract_pb2, contract_service_pb2
from dataflow_client.contract_revisions import Compatibility, Redrive, contract_options

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.contract_output import print_rules, show_contract
from dataflow_cli.contract_rules import COERCIONS, CONFLICT_POLICIES, FILE, UNKNOWN_FIELDS, read_rules
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, word

MODES = ("none", "backward", "forward", "full", "backward_transitive", "forward_transitive", "full_transitive")
REDRIVES = ("off", "ask", "on")

_REVISION = click.IntRange(0, 2**31 - 1)
_DAYS = click.IntRange(0, 100_000)

F = TypeVar("F", bound=Callable[..., Any])
"""A command."""


def add_revision_commands(contract: click.Group) -> None:
    """Adds the commands of this module to `dataflow contract`."""
    for command in (revise, revisions, show, activate, update, delete, watch):
        contract.add_command(command)


def option_options(command: F) -> F:
    """Adds the options that a contract has beside its rules."""
    for option in (
        click.option("--rollup-days", type=_DAYS, help="Days that rollups are kept; 0: for ever."),
        click.option("--readings-days", type=_DAYS, help="Days that readings are kept; 0: for ever."),
        click.option(
            "--redrive", type=click.Choice(REDRIVES), help="What an activation does about quarantine.  [default: ask]"
        ),
        click.option(
            "--compatibility",
            type=click.Choice(MODES),
            help="What a new revision must be to those before it.  [default: backward]",
        ),
    ):
        command = option(command)
    return command


def contract_options_of(
    compatibility: str | None, redrive: str | None, readings_days: int | None, rollup_days: int | None
) -> contract_pb2.ContractOptions:
    """Makes the options of a new contract of what `option_options` read."""
    return contract_options(
        compatibility=cast("Compatibility | None", compatibility),
        redrive=cast("Redrive | None", redrive),
        readings_days=readings_days or None,
        rollup_days=rollup_days or None,
    )


@click.command()
@click.argument("name")
@click.option("--json-schema", "schema_file", type=FILE, help="JSON Schema 2020-12, or a contract file with one.")
@click.option("--fields", "fields_file", type=FILE, help="Field list, or a contract file with one.")
@click.option("--unknown", type=click.Choice(list(UNKNOWN_FIELDS)), help="Members that no field names.")
@click.option("--coerce", "coercion", type=click.Choice(list(COERCIONS)), help="Other spellings of values.")
@click.option("--conflict", type=click.Choice(list(CONFLICT_POLICIES)), help="Same key, other content.")
@click.option("--description", help="What it is about.")
@click.option("--activate", "now", is_flag=True, help="Judge by it from now on.")
@click.option("--etag", default="", help="Only if the contract has not changed since it was read.")
@json_option
@connection_options
def revise(
    access: Access,
    name: str,
    schema_file: Path | None,
    fields_file: Path | None,
    unknown: str | None,
    coercion: str | None,
    conflict: str | None,
    description: str | None,
    now: bool,
    etag: str,
    as_json: bool,
) -> None:
    """Make the next revision of the contract NAME. What no option names stays as the newest revision has it.

    The contract's compatibility mode decides what it may change; `dataflow contract update --compatibility` changes that.
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
        if conflict:
            spec.conflict_policy = CONFLICT_POLICIES[conflict]
        if description is not None:
            spec.description = description
        made = client.contracts.revise(name, spec, activate=now, etag=etag)
    if as_json:
        print_json(as_document(made))
        return
    number = made.revision.revision
    click.echo(f"revision {number} of contract {name!r} {'made' if made.created else 'is the newest one already'}")
    if made.added_columns:
        click.echo(f"new columns: {', '.join(made.added_columns)}")
    if made.contract.active_revision != number:
        click.echo(f"it does not judge yet: `dataflow contract activate {name}`")
    _print_advice(made.redrive)


@click.command()
@click.argument("name")
@json_option
@connection_options
def revisions(access: Access, name: str, as_json: bool) -> None:
    """Show the revisions of the contract NAME, the newest first."""
    with access.client("validator") as client:
        found = list(client.contracts.revisions(name))
    if as_json:
        print_json([as_document(entry) for entry in found])
        return
    print_table(
        ("revision", "judges", "fields", "made", "by", "description"),
        [
            (
                entry.revision,
                ", ".join([*(["active"] if entry.active else []), *entry.pinned_by]),
                len(entry.spec.fields),
                moment(entry.create_time),
                entry.created_by,
                entry.spec.description,
            )
            for entry in found
        ],
    )


@click.command()
@click.argument("name")
@click.option("--revision", type=_REVISION, default=0, help="Which one.  [default: the newest]")
@json_option
@connection_options
def show(access: Access, name: str, revision: int, as_json: bool) -> None:
    """Show the rules of one revision of the contract NAME."""
    with access.client("validator") as client:
        entry = client.contracts.revision(name, revision)
    if as_json:
        print_json(as_document(entry))
        return
    print_fields(
        {
            "contract": entry.contract,
            "revision": f"{entry.revision}{', active' if entry.active else ''}",
            "pinned by": ", ".join(entry.pinned_by),
            "made": moment(entry.create_time),
            "by": entry.created_by,
            "description": entry.spec.description,
        }
    )
    print_rules(entry.spec)


@click.command()
@click.argument("name")
@click.option("--revision", type=_REVISION, default=0, help="Which one.  [default: the newest]")
@click.option("--etag", default="", help="Only if the contract has not changed since it was read.")
@json_option
@connection_options
def activate(access: Access, name: str, revision: int, etag: str, as_json: bool) -> None:
    """Let a revision of the contract NAME judge from now on."""
    with access.client("validator") as client:
        answer = client.contracts.activate(name, revision, etag=etag)
    if as_json:
        print_json(as_document(answer.contract) | {"redrive": as_document(answer.redrive)})
        return
    show_contract(answer.contract, as_json=False)
    _print_advice(answer.redrive)


@click.command()
@click.argument("name")
@option_options
@click.option("--description", help="What it is about.")
@click.option("--etag", default="", help="Only if the contract has not changed since it was read.")
@json_option
@connection_options
def update(
    access: Access,
    name: str,
    compatibility: str | None,
    redrive: str | None,
    readings_days: int | None,
    rollup_days: int | None,
    description: str | None,
    etag: str,
    as_json: bool,
) -> None:
    """Change options of the contract NAME; what no option names stays as it is."""
    with access.client("validator") as client:
        changed = client.contracts.update(
            name,
            etag=etag,
            compatibility=cast("Compatibility | None", compatibility),
            redrive=cast("Redrive | None", redrive),
            readings_days=readings_days,
            rollup_days=rollup_days,
            description=description,
        )
    show_contract(changed, as_json=as_json)


@click.command()
@click.argument("name")
@click.option("--etag", default="", help="Only if the contract has not changed since it was read.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@connection_options
def delete(access: Access, name: str, etag: str, yes: bool, as_json: bool) -> None:
    """Delete the contract NAME. Its table with all rows, its quarantine and its revisions stay."""
    if not yes:
        click.confirm(f"Delete contract {name!r}? Its rows stay", abort=True)
    with access.client("validator") as client:
        gone = client.contracts.delete(name, etag=etag)
    if as_json:
        print_json(as_document(gone))
    else:
        click.echo(gone.message)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--after", "after_sequence", type=click.IntRange(0), help="Only changes after this sequence.")
@json_option
@connection_options
def watch(access: Access, names: tuple[str, ...], after_sequence: int | None, as_json: bool) -> None:
    """Follow changes of all contracts, or of NAMES, until interrupted: what there is first, then each change."""
    with access.client("validator") as client:
        for change in client.contracts.watch(*names, after_sequence=after_sequence):
            if as_json:
                print_json(as_document(change))
                continue
            kind = word(contract_pb2.ContractChangeKind.DESCRIPTOR, change.kind, "CONTRACT_CHANGE_KIND_").lower()
            by = f" by {change.actor}" if change.actor else ""
            click.echo(f"{change.sequence}  {moment(change.change_time)}  {change.name}  {kind} {change.revision}{by}")


def _print_advice(advice: contract_service_pb2.RedriveAdvice) -> None:
    count = f"{'more than ' if advice.more else ''}{advice.quarantined}"
    if advice.job_id:
        click.echo(f"{count} items in quarantine are judged again: `dataflow job watch {advice.job_id}`")
    elif advice.command:
        click.echo(f"{count} items in quarantine might be accepted now: `{advice.command}`")
