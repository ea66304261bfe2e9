"""`dataflow route this`: from unrouted messages to rows with one command."""

import re
from typing import Any, Final

import click
from dataflow.validator.v1 import contract_pb2, inference_pb2, job_pb2, quarantine_pb2, route_pb2
from dataflow_client import Client

from dataflow_cli.context import Access, FailedCheckError, connection_options, json_option
from dataflow_cli.job_progress import check_job, finish_job, progress_line, wait_option
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, word
from dataflow_cli.route_output import device_rule_option, show_route

_TYPE: Final = contract_pb2.FieldType.DESCRIPTOR
_SHOWN_TOPICS: Final = 5


@click.command("this")
@click.argument("topic_filter", metavar="TOPIC|FILTER")
@click.option("--contract", metavar="NAME", help="The contract that judges.")
@click.option(
    "--infer",
    "inferred_name",
    metavar="[NAME]",
    is_flag=False,
    flag_value="",
    help="Propose a contract from what was seen, show it, and make it.  [default: a name made of the filter]",
)
@device_rule_option
@click.option("--sample", type=click.IntRange(1, 10_000), default=2_000, show_default=True, help="Messages to look at.")
@click.option("--replay/--no-replay", default=True, help="Judge the messages that wait in quarantine.  [default: ask]")
@click.option("--yes", is_flag=True, help="Ask nothing: make contract and route, judge what waits.")
@wait_option
@json_option
@connection_options
def route_this(
    access: Access,
    topic_filter: str,
    contract: str | None,
    inferred_name: str | None,
    device_rule: str,
    sample: int,
    replay: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Route TOPIC|FILTER to a contract that is there, or to one that is inferred, and judge what waited for it.

    Nothing is made before you say yes; with --json and without --yes only the proposal is printed.
    """
    if (contract is None) == (inferred_name is None):
        raise click.UsageError("give either --contract NAME or --infer [NAME]")
    with access.client("validator") as client:
        document: dict[str, Any] = {}
        if inferred_name is not None:
            contract = inferred_name or name_of(topic_filter)
            found = client.routes.infer(topic_filter, name=contract, sample_size=sample)
            waiting = found.waiting
            device_rule = device_rule or found.device_rule
            document["inference"] = as_document(found)
            if not as_json:
                _show_inference(found, contract, device_rule)
            if not found.HasField("spec"):
                if as_json:
                    print_json(document)
                raise FailedCheckError(f"nothing to propose a contract from on {topic_filter!r}")
        else:
            waiting = sum(entry.message_count for entry in client.routes.unrouted(topic_filter, page_size=1000))
        assert contract is not None, "one of the two was given"
        if as_json and not yes:
            print_json({**document, "waiting": waiting})
            return
        if not yes and not click.confirm(
            f"\nMake {'contract and ' if inferred_name is not None else ''}route?", err=True
        ):
            raise click.Abort
        if inferred_name is not None:
            client.contracts.create(contract, found.spec, activate=True)
        made = client.routes.create(topic_filter, contract, device_rule=device_rule)
        document["route"] = as_document(made)
        if not as_json:
            show_route(made, as_json=False)
        job = _replay(client, made, waiting, ask=not yes, wait=wait) if replay else None
        if as_json:
            print_json(document | ({"job": as_document(job)} if job is not None else {}))
        elif job is not None:
            click.echo(f"\n{progress_line(job)}  (`dataflow job show {job.job_id}`)")
        if job is not None and wait:
            check_job(job)


def name_of(topic_filter: str) -> str:
    """Makes a contract's name of a topic filter: of its last literal level.

    Raises:
        click.UsageError: No level says anything.
    """
    for level in reversed(topic_filter.split("/")):
        name = re.sub(r"[^a-z0-9]+", "_", level.lower()).strip("_")[:48]
        if level not in {"+", "#"} and re.match(r"[a-z]", name):
            return name
    raise click.UsageError("no level of the filter can be a contract's name: write --infer NAME")


def _replay(client: Client, route: route_pb2.Route, waiting: int, *, ask: bool, wait: bool) -> job_pb2.Job | None:
    if not waiting:
        return None
    if ask and not click.confirm(f"\nJudge the {waiting:,} messages that wait for it in quarantine?", err=True):
        click.echo(
            f"They stay there: `dataflow quarantine replay --kind unrouted --topic '{route.filter}'` judges them.",
            err=True,
        )
        return None
    wanted = quarantine_pb2.QuarantineFilter(kinds=[quarantine_pb2.QUARANTINE_KIND_UNROUTED], topic_filter=route.filter)
    return finish_job(client, client.quarantine.replay(wanted), wait=wait)


def _show_inference(found: inference_pb2.Inference, contract: str, device_rule: str) -> None:
    source = word(inference_pb2.SampleSource.DESCRIPTOR, found.source, "SAMPLE_SOURCE_").lower().replace("_", " ")
    topics = [f"{seen.topic} ({seen.messages})" for seen in found.topics[:_SHOWN_TOPICS]]
    more = len(found.topics) - len(topics)
    print_fields(
        {
            "looked at": f"{found.messages:,} messages, {found.items:,} items, {source}",
            "received": f"{moment(found.first_receive_time)} to {moment(found.last_receive_time)}"
            if found.messages
            else "",
            "topics": ", ".join(topics) + (f" and {more} more" if more > 0 else ""),
            "waiting": f"{found.waiting:,} unrouted messages",
        }
    )
    click.echo()
    print_table(
        ("field", "type", "present", "share", "seen", "least", "greatest", "distinct", "examples", "note"),
        [_field_row(seen) for seen in found.fields],
        empty="no members",
    )
    click.echo()
    print_fields(
        {
            "contract": contract,
            "event time": found.spec.event_time_field or "receive time",
            "device": f"{device_rule} ({found.device_note})" if device_rule == found.device_rule else device_rule,
        }
    )
    for warning in found.warnings:
        click.echo(f"note: {warning}", err=True)


def _field_row(seen: inference_pb2.SeenField) -> tuple[object, ...]:
    kind = word(_TYPE, seen.field.type, "FIELD_TYPE_").lower() if seen.HasField("field") else "in extra"
    optional = seen.HasField("field") and seen.field.HasField("required") and not seen.field.required
    marks = f"{kind}{'?' if optional else ''}{' or null' if seen.field.nullable else ''}"
    return (
        seen.name,
        marks,
        seen.present,
        f"{seen.share:.1%}",
        ", ".join(f"{name} {count}" for name, count in sorted(seen.types.items())),
        f"{seen.least:g}" if seen.HasField("least") else "",
        f"{seen.greatest:g}" if seen.HasField("greatest") else "",
        f"{seen.distinct}{'+' if seen.distinct_capped else ''}",
        ", ".join(seen.examples[:3]),
        "; ".join(filter(None, (seen.note, seen.field.description))),
    )
