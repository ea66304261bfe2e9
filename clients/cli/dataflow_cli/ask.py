"""`dataflow ask`: a question in plain language, and the evidence for its answer."""

from contextlib import closing

import click
from dataflow_client import Answer
from dataflow_client.conversations import Conversation

from dataflow_cli.ask_dialogue import Dialogue
from dataflow_cli.ask_output import Screen, document
from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.output import print_json
from dataflow_cli.time_zone import machine_zone


@click.command()
@click.argument("question", required=False)
@click.option("--contract", default="", metavar="NAME", help="Only this contract.  [default: the one that fits]")
@click.option(
    "--time-zone",
    metavar="ZONE",
    help='IANA name of the zone of "yesterday" and "18:00".  [default: this machine\'s, else UTC]',
)
@click.option("--engine", default="", metavar="NAME", help='"local" to ask no model.  [default: the server\'s choice]')
@click.option("--conversation", "conversation_id", default="", metavar="ID", help="Go on with a conversation.")
@click.option("--new-conversation", is_flag=True, help="Begin a conversation, and name it at the end.")
@click.option("--plan", "with_plan", is_flag=True, help="Also show what the question was taken for.")
@click.option("--sql", "with_sql", is_flag=True, help="Also show the SQL that ran.")
@json_option
@connection_options
def ask(
    access: Access,
    question: str | None,
    contract: str,
    time_zone: str | None,
    engine: str,
    conversation_id: str,
    new_conversation: bool,
    with_plan: bool,
    with_sql: bool,
    as_json: bool,
) -> None:
    """Answer QUESTION from the stored readings; every number comes from a cell of the tables below the answer.

    Without QUESTION, asks for one after the other, each of which may lean on those before: Ctrl-C cancels an answer,
    Ctrl-D ends.
    """
    if conversation_id and new_conversation:
        raise click.UsageError("--conversation goes on with one, --new-conversation begins one: give one of them")
    with access.client("insight") as client:
        conversation = Conversation(
            client.asking, conversation_id, contract=contract, time_zone=time_zone or machine_zone(), engine=engine
        )
        if question is None:
            Dialogue(conversation, with_plan=with_plan, with_sql=with_sql, as_json=as_json).run()
            return
        answer = Answer(question)
        screen = Screen(answer, with_plan=with_plan, with_sql=with_sql)
        events = conversation.ask(question, alone=not (conversation_id or new_conversation))
        with closing(events):
            for event in events:
                answer.take(event) if as_json else screen.take(event)
    if as_json:
        print_json(document(answer))
        return
    screen.close()
    if new_conversation and answer.kept:
        click.echo(
            f"Conversation {answer.conversation_id}; go on with --conversation {answer.conversation_id}", err=True
        )
