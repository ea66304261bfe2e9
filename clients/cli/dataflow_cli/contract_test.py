"""`dataflow contract test`: what a contract would say of what was logged."""

from datetime import UTC, datetime
from pathlib import Path

import click
from dataflow.validator.v1 import contract_pb2, contract_service_pb2, contract_test_pb2, job_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.contract_rules import COERCIONS, FILE, UNKNOWN_FIELDS, read_rules
from dataflow_cli.job_progress import check_job, finish_job, show_job, wait_option
from dataflow_cli.moments import point_in_time
from dataflow_cli.output import json_text, print_fields, print_table, word

_OUTCOME = contract_test_pb2.ContractTestOutcome.DESCRIPTOR
_MOST_PAYLOAD = 120


@click.command("test")
@click.argument("name")
@click.option("--json-schema", "schema_file", type=FILE, help="JSON Schema 2020-12 that nobody has saved.")
@click.option("--fields", "fields_file", type=FILE, help="Field list that nobody has saved.")
@click.option("--revision", type=click.IntRange(1), help="A revision.  [default: the newest]")
@click.option("--unknown", type=click.Choice(list(UNKNOWN_FIELDS)), help="Other than now: members that no field names.")
@click.option("--coerce", "coercion", type=click.Choice(list(COERCIONS)), help="Other than now: spellings of values.")
@click.option("--start", metavar="TIME", help="Received from this time on: RFC 3339, a date, or how long ago (1d).")
@click.option("--end", metavar="TIME", help="Received before this time.")
@click.option("--device", "devices", multiple=True, metavar="ID", help="Any of these devices.  [default: all]")
@click.option("--route", metavar="FILTER", help="As if this route led unrouted messages to it, too.")
@click.option("--route-device", metavar="RULE", default="", help="How that route finds the device.")
@click.option("--samples", type=click.IntRange(0, 100), default=10, show_default=True, help="Items shown of each kind.")
@click.option(
    "--rate", type=click.FloatRange(min=0), default=0.0, help="Items per second at most.  [default: no limit]"
)
@wait_option
@json_option
@connection_options
def contract_test(
    access: Access,
    name: str,
    schema_file: Path | None,
    fields_file: Path | None,
    revision: int | None,
    unknown: str | None,
    coercion: str | None,
    start: str | None,
    end: str | None,
    devices: tuple[str, ...],
    route: str | None,
    route_device: str,
    samples: int,
    rate: float,
    wait: bool,
    as_json: bool,
) -> None:
    """Judge what was logged, and what is in quarantine, by a revision of NAME or by rules from a file.

    Says exactly what would be accepted and refused, by clause and field, and what activating, replaying and backfilling
    would change; changes nothing. Rules from a file replace the contract's fields; what is not given stays as it is now.
    """
    if sum(given is not None for given in (schema_file, fields_file, revision)) > 1:
        raise click.UsageError("give one of --json-schema FILE, --fields FILE and --revision N")
    if (unknown or coercion) and revision is not None:
        raise click.UsageError("a revision's --unknown and --coerce are what they are")
    now = datetime.now(UTC)
    with access.client("validator") as client:
        candidate: contract_pb2.ContractSpec | int = revision or 0
        if schema_file is not None or fields_file is not None or unknown or coercion:
            spec = client.contracts.get(name).spec
            if schema_file is not None or fields_file is not None:
                del spec.fields[:]
                spec.json_schema = ""
                read_rules(spec, fields_file, schema_file)
            if unknown:
                spec.unknown_fields = UNKNOWN_FIELDS[unknown]
            if coercion:
                spec.coercion = COERCIONS[coercion]
            candidate = spec
        job = client.contracts.test(
            name,
            candidate,
            start=_point(start, now, "--start"),
            end=_point(end, now, "--end"),
            device_ids=devices,
            route=contract_service_pb2.CandidateRoute(filter=route, device=route_device) if route else None,
            max_samples=samples,
            rate=rate,
        )
        job = finish_job(client, job, wait=wait)
    show_job(job, as_json=as_json, result=show_test)
    check_job(job)


def _point(written: str | None, now: datetime, option: str) -> datetime | None:
    if written is None:
        return None
    try:
        return point_in_time(written, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def show_test(job: job_pb2.Job) -> None:
    """Prints the result of a test for people."""
    result = job.contract_test
    print_fields(
        {
            "items": f"{result.items:,} of {result.contract!r}, in {result.messages:,} logged messages",
            "accepted": f"{result.accepted:,}",
            "refused": f"{result.refused:,}",
            "unparsable": f"{result.unparsable:,}" if result.unparsable else "",
            "unstorable": f"{result.unstorable:,}" if result.unstorable else "",
        }
    )
    click.echo()
    print_table(
        ("what would be", "items"),
        [
            ("rows that stay as they are", result.rows_unchanged),
            ("rows with other values", result.rows_changed),
            ("rows that are refused", result.rows_refused),
            ("quarantined items that are accepted", result.quarantined_accepted),
            ("quarantined items that stay", result.quarantined_refused),
            ("quarantined items that are rows already", result.quarantined_duplicate),
            ("quarantined items in conflict with a row", result.quarantined_conflict),
        ],
    )
    if result.clauses:
        click.echo()
        print_table(
            ("refused at", "by", "items"), [(c.path or "(whole item)", c.rule, c.items) for c in result.clauses]
        )
    if result.samples:
        click.echo()
        print_table(
            ("sample", "device", "topic", "why", "payload"),
            [
                (
                    word(_OUTCOME, s.outcome, "CONTRACT_TEST_OUTCOME_").lower(),
                    s.device_id,
                    s.topic,
                    s.reasons[0].message if s.reasons else _changes(s),
                    s.payload[:_MOST_PAYLOAD].decode("utf-8", "replace"),
                )
                for s in result.samples
            ],
        )
    if result.approximate:
        click.echo(f"\napproximate: {result.approximate_reason}")


def _changes(sample: contract_test_pb2.ContractTestSample) -> str:
    return ", ".join(
        f"{name}: {json_text(change.before)} -> {json_text(change.after)}"
        for name, change in sorted(sample.changes.items())
    )
