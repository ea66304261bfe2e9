"""Showing an answer: its text as it comes, its evidence below, or all of it as one object."""

import sys

import click
from dataflow.insight.v1 import ask_service_pb2
from dataflow_client import Answer, Evidence

from dataflow_cli.output import as_document, print_json, print_table, text


class Screen:
    """Shows an answer for people.

    Where a person reads along, text appears as it comes; into a file or pipe goes only what was valid in the end.

    Args:
        answer: Takes the events.
        with_plan: Also show what the question was taken for.
        with_sql: Also show the SQL that ran.
    """

    def __init__(self, answer: Answer, *, with_plan: bool = False, with_sql: bool = False) -> None:
        self._answer = answer
        self._with_plan = with_plan
        self._with_sql = with_sql
        self._live = sys.stdout.isatty()
        self._shown = ""

    def take(self, event: ask_service_pb2.AskResponse) -> None:
        """Takes the next event."""
        piece = self._answer.take(event)
        if not self._live:
            return
        if event.WhichOneof("event") == "replaced" and self._shown:
            click.echo(f"\n\n(Void: {text(event.replaced.reason)}. The answer starts anew.)\n")
            self._shown = ""
        if piece:
            click.echo(_lines(piece), nl=False)
            self._shown += piece

    def close(self) -> None:
        """Shows what is left when the answer has ended."""
        answer = self._answer
        if not self._live:
            click.echo(_lines(answer.text), nl=False)
        if answer.text:
            click.echo()
        for assumption in answer.assumptions:
            click.echo(f"Taken: {text(assumption)}")
        for item in answer.evidence:
            self._evidence(item)
        click.echo(f"\n[{closing_line(answer)}]", err=True)
        if answer.finished is not None and answer.finished.not_kept_detail:
            click.echo(f"Not kept: {text(answer.finished.not_kept_detail)}.", err=True)

    def _evidence(self, item: Evidence) -> None:
        if self._with_plan:
            click.echo()
            print_json(as_document(item.plan))
        if item.result is None:
            return
        click.echo()
        print_table(item.columns, item.rows, empty="(no row)")
        if item.truncated:
            click.echo("The row limit cut this table.")
        if self._with_sql:
            click.echo(f"\n{item.result.sql}")
            for position, parameter in enumerate(item.result.parameters, start=1):
                click.echo(f"  ${position} = {text(parameter)}")


def closing_line(answer: Answer) -> str:
    """Returns who answered, how it ended, and how long it took."""
    parts = [answer.engine]
    if answer.finished is None:
        return f"{answer.engine}, broken off"
    if answer.fallback:
        parts.append(f"instead of another engine: {_words(answer.fallback)}")
    if answer.decline:
        parts.append(f"declined: {_words(answer.decline)}")
    else:
        verified = "verified" if answer.verified else f"{answer.finished.removed_count} removed"
        parts.append(f"{verified}, {answer.finished.verified_count} bound")
    return ", ".join([*parts, f"{answer.seconds or 0.0:.2f} s"])


def document(answer: Answer) -> dict[str, object]:
    """Returns all of an answer as one JSON object.

    `plan`, `result`, `sql` and `parameters` are those of the first query, `evidence` has all of them.
    """
    evidence = [_evidence_document(item) for item in answer.evidence]
    first = evidence[0] if evidence else dict.fromkeys(("plan", "result", "sql", "parameters"))
    finished = answer.finished or ask_service_pb2.Finished()
    return {
        "question": answer.question,
        "answer": answer.text,
        **{name: first[name] for name in ("plan", "result", "sql", "parameters")},
        "evidence": evidence,
        "bindings": [_binding(binding) for binding in answer.bindings],
        "decline": answer.decline or None,
        "engine": answer.engine,
        "fallback": answer.fallback or None,
        "fallback_detail": finished.fallback_detail or None,
        "verified": answer.verified,
        "verified_count": finished.verified_count,
        "removed_count": finished.removed_count,
        "duration_seconds": answer.seconds,
        "usage": as_document(finished.usage),
        "ask_id": answer.ask_id,
        "conversation_id": answer.conversation_id or None,
        "kept": answer.kept,
        "not_kept_detail": finished.not_kept_detail or None,
    }


def _evidence_document(item: Evidence) -> dict[str, object]:
    result = item.result
    return {
        "plan": as_document(item.plan),
        "result": {"columns": item.columns, "rows": item.rows, "truncated": item.truncated} if result else None,
        "sql": result.sql if result else None,
        "parameters": list(result.parameters) if result else None,
    }


def _binding(binding: ask_service_pb2.Binding) -> dict[str, object]:
    digits = binding.rounded_to_digits if binding.HasField("rounded_to_digits") else None
    return {
        "text": binding.text,
        "result": binding.result,
        "row": binding.row,
        "column": binding.column,
        "rounded_to_digits": digits,
    }


def _lines(shown: str) -> str:
    """Returns a text whose only control characters are its line ends."""
    return "\n".join(text(line) for line in shown.split("\n"))


def _words(name: str) -> str:
    return name.lower().replace("_", " ")
