"""`dataflow ask`: a question in plain language, and the evidence for its answer."""

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC

import click
from dataflow.insight.v1 import ask_service_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.output import as_document, print_json, print_table, text, word


@dataclass(slots=True)
class Answer:
    """The events of an answer, put together."""

    question: str
    """As it was asked."""
    ask_id: str = ""
    """Names the answer in insight's log."""
    engine: str = ""
    """Which engine answered."""
    pieces: list[str] = field(default_factory=list)
    """The text, as it came."""
    bindings: list[ask_service_pb2.Binding] = field(default_factory=list)
    """Which piece of the text stands on which cell."""
    plan: ask_service_pb2.Planned | None = None
    """What the question was taken for."""
    result: ask_service_pb2.Result | None = None
    """What the database returned."""
    finished: ask_service_pb2.Finished | None = None
    """The end."""

    def take(self, event: ask_service_pb2.AskResponse) -> str:
        """Takes an event; returns the piece of text in it, if any."""
        kind = event.WhichOneof("event")
        if kind == "started":
            self.ask_id, self.engine = event.started.ask_id, event.started.engine
        elif kind == "plan":
            self.plan = event.plan
        elif kind == "result":
            self.result = event.result
        elif kind == "text":
            self.pieces.append(event.text.text)
            self.bindings.extend(event.text.bindings)
            return event.text.text
        elif kind == "finished":
            self.finished, self.engine = event.finished, event.finished.engine or self.engine
        return ""

    def decline(self) -> str | None:
        """Returns why there is no answer; None where there is one."""
        if self.finished is None or not self.finished.decline:
            return None
        return word(ask_service_pb2.Decline.DESCRIPTOR, self.finished.decline, "DECLINE_")

    def document(self) -> dict[str, object]:
        """Returns all of it as one JSON object."""
        result = self.result
        return {
            "question": self.question,
            "answer": "".join(self.pieces),
            "plan": as_document(self.plan.plan) if self.plan is not None else None,
            "result": {
                "columns": list(result.columns),
                "rows": [[cell_value(cell) for cell in row.cells] for row in result.rows],
                "truncated": result.truncated,
            }
            if result is not None
            else None,
            "sql": result.sql if result is not None else None,
            "parameters": list(result.parameters) if result is not None else None,
            "bindings": [_binding(binding) for binding in self.bindings],
            "decline": self.decline(),
            "engine": self.engine,
            "verified": self.finished.verified if self.finished is not None else False,
            "verified_count": self.finished.verified_count if self.finished is not None else 0,
            "duration_seconds": self.finished.duration.ToTimedelta().total_seconds()
            if self.finished is not None
            else None,
            "ask_id": self.ask_id,
        }


@click.command()
@click.argument("question")
@click.option("--contract", default="", metavar="NAME", help="Only this contract.  [default: the one that fits]")
@click.option("--plan", "with_plan", is_flag=True, help="Also show what the question was taken for.")
@click.option("--sql", "with_sql", is_flag=True, help="Also show the SQL that ran.")
@json_option
@connection_options
def ask(access: Access, question: str, contract: str, with_plan: bool, with_sql: bool, as_json: bool) -> None:
    """Answer QUESTION from the stored readings; every number comes from a cell of the table below the answer."""
    answer = Answer(question)
    with access.client("insight") as client, closing(client.ask(question, contract=contract)) as events:
        for event in events:
            piece = answer.take(event)
            if piece and not as_json:
                click.echo("\n".join(text(line) for line in piece.split("\n")), nl=False)
    if as_json:
        print_json(answer.document())
        return
    if answer.pieces:
        click.echo()
    _evidence(answer, with_plan=with_plan, with_sql=with_sql)


def _evidence(answer: Answer, *, with_plan: bool, with_sql: bool) -> None:
    if answer.plan is not None:
        for assumption in answer.plan.plan.assumptions:
            click.echo(f"Taken: {text(assumption)}")
        if with_plan:
            click.echo()
            print_json(as_document(answer.plan.plan))
    if answer.result is not None:
        click.echo()
        rows = [[cell_value(cell) for cell in row.cells] for row in answer.result.rows]
        print_table(list(answer.result.columns), rows, empty="(no row)")
        if answer.result.truncated:
            click.echo("The row limit cut this table.")
        if with_sql:
            click.echo(f"\n{answer.result.sql}")
            for position, parameter in enumerate(answer.result.parameters, start=1):
                click.echo(f"  ${position} = {text(parameter)}")
    if answer.finished is not None:
        why = answer.decline()
        seconds = answer.finished.duration.ToTimedelta().total_seconds()
        if why:
            outcome = f"declined: {why.lower().replace('_', ' ')}"
        else:
            outcome = (
                f"{'verified' if answer.finished.verified else 'not verified'}, {answer.finished.verified_count} bound"
            )
        click.echo(f"\n[{answer.engine}, {outcome}, {seconds:.2f} s]", err=True)


def cell_value(cell: ask_service_pb2.Cell) -> object:
    """Returns a cell as JSON can hold it; times as datetimes in UTC, absent as None."""
    kind = cell.WhichOneof("value")
    if kind is None:
        return None
    if kind == "time":
        return cell.time.ToDatetime(UTC)
    found: object = getattr(cell, kind)
    return found


def _binding(binding: ask_service_pb2.Binding) -> dict[str, object]:
    digits = binding.rounded_to_digits if binding.HasField("rounded_to_digits") else None
    return {"text": binding.text, "row": binding.row, "column": binding.column, "rounded_to_digits": digits}
