"""One question after the other at a terminal, each leaning on those before."""

import contextlib
import sys
from contextlib import closing

import click
from dataflow_client import Answer, DataflowError
from dataflow_client.conversations import Conversation

from dataflow_cli.ask_output import Screen, document
from dataflow_cli.exits import translated
from dataflow_cli.output import print_json_line

_PROMPT = "? "


class Dialogue:
    """Reads questions line by line and shows their answers.

    Args:
        conversation: Asks, and remembers which conversation it is.
        with_plan: Also show what a question was taken for.
        with_sql: Also show the SQL that ran.
        as_json: Show each answer as one line of JSON instead.
    """

    def __init__(
        self, conversation: Conversation, *, with_plan: bool = False, with_sql: bool = False, as_json: bool = False
    ) -> None:
        self._conversation = conversation
        self._with_plan = with_plan
        self._with_sql = with_sql
        self._as_json = as_json
        self._typed = sys.stdin.isatty()

    def run(self) -> None:
        """Answers until there is no more question.

        A question that fails ends a dialogue that nobody types: a script must not take it for answered.
        """
        if self._typed:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401, PLC0415 - lines can then be edited and repeated
            click.echo("Ask about the stored readings. Ctrl-C cancels an answer, Ctrl-D ends.", err=True)
        while (question := self._next()) is not None:
            if not question:
                continue
            try:
                self._answer(question)
            except KeyboardInterrupt:
                click.echo("\n(cancelled)", err=True)
            except DataflowError as error:
                if not self._typed:
                    raise
                translated(error).show()
        if self._conversation.conversation_id:
            name = self._conversation.conversation_id
            click.echo(f"Conversation {name}; go on with --conversation {name}", err=True)

    def _next(self) -> str | None:
        """Returns the next question, empty where the line was given up; None where there is no more."""
        try:
            return input(_PROMPT if self._typed else "").strip()
        except KeyboardInterrupt:
            click.echo(err=True)
            return ""
        except EOFError:
            if self._typed:
                click.echo(err=True)
            return None

    def _answer(self, question: str) -> None:
        answer = Answer(question)
        screen = Screen(answer, with_plan=self._with_plan, with_sql=self._with_sql)
        # Closed whatever happens: leaving a running answer cancels it.
        with closing(self._conversation.ask(question)) as events:
            for event in events:
                answer.take(event) if self._as_json else screen.take(event)
        if self._as_json:
            print_json_line(document(answer))
        else:
            screen.close()
            click.echo()
