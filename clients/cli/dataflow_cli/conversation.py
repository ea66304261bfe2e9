"""`dataflow conversation`: questions and answers that insight keeps for their caller."""

from itertools import islice

import click
from dataflow.insight.v1 import ask_service_pb2

from dataflow_cli.context import Access, connection_options, json_option
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, text, word


@click.group()
def conversation() -> None:
    """Show and delete your conversations; nobody sees those of another caller."""


@conversation.command("list")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="At most so many; 0 for all.")
@json_option
@connection_options
def list_conversations(access: Access, limit: int, as_json: bool) -> None:
    """Show conversations, the one with the latest answer first."""
    with access.client("insight") as client:
        found = list(islice(client.conversations.list(page_size=min(limit, 1000)), limit or None))
    if as_json:
        print_json([as_document(item) for item in found])
        return
    print_table(
        ("conversation", "turns", "latest answer", "deleted after", "begins with"),
        [
            (item.conversation_id, item.turn_count, moment(item.update_time), moment(item.expire_time), item.title)
            for item in found
        ],
        empty="you have no conversation",
    )
    if limit and len(found) == limit:
        click.echo(f"The latest {limit}; --limit shows more.", err=True)


@conversation.command("get")
@click.argument("conversation_id", metavar="ID")
@json_option
@connection_options
def get_conversation(access: Access, conversation_id: str, as_json: bool) -> None:
    """Show the questions and answers of a conversation, the oldest first."""
    with access.client("insight") as client:
        found = client.conversations.get(conversation_id)
        turns = list(client.conversations.turns(conversation_id))
    if as_json:
        print_json({**as_document(found), "turns": [as_document(turn) for turn in turns]})
        return
    print_fields(
        {
            "conversation": found.conversation_id,
            "begun": moment(found.create_time),
            "latest answer": moment(found.update_time),
            "deleted after": moment(found.expire_time),
        }
    )
    for turn in turns:
        why = word(ask_service_pb2.Decline.DESCRIPTOR, turn.decline, "DECLINE_").lower().replace("_", " ")
        click.echo(f"\n{turn.number}. {text(turn.question)}")
        for line in turn.answer.split("\n"):
            click.echo(f"   {text(line)}")
        click.echo(f"   [{turn.engine}{', declined: ' + why if why else ''}, {moment(turn.ask_time)}]")


@conversation.command("delete")
@click.argument("conversation_id", metavar="ID")
@json_option
@connection_options
def delete_conversation(access: Access, conversation_id: str, as_json: bool) -> None:
    """Delete a conversation with all its questions and answers."""
    with access.client("insight") as client:
        client.conversations.delete(conversation_id)
    if as_json:
        print_json({"conversation_id": conversation_id, "deleted": True})
        return
    click.echo(f"deleted {conversation_id}")
