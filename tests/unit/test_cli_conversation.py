"""`dataflow conversation`: what is kept, shown and deleted."""

import json
from collections.abc import Iterator

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.insight.v1 import ask_service_pb2 as pb
from dataflow.insight.v1 import conversation_pb2
from dataflow_cli.root import dataflow
from dataflow_client.testing import Failure, Script, serving

ID = "5b0c1f6a-0000-4000-8000-000000000001"


class Command:
    """The command with its server."""

    def __init__(self, script: Script, target: str) -> None:
        self.script, self._target = script, target

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(dataflow, ["conversation", *arguments, "--insight", self._target])


@pytest.fixture
def command() -> Iterator[Command]:
    script = Script()
    found = conversation_pb2.Conversation(conversation_id=ID, title="How many?\x1b[2J", turn_count=2)
    found.update_time.FromSeconds(1389830400)
    turns = [
        pb.ConversationTurn(number=1, question="How many?", answer="24 readings.\nThat is all.", engine="local"),
        pb.ConversationTurn(number=2, question="And noise?", answer="No.", decline=pb.DECLINE_UNKNOWN_FIELD),
    ]
    script.on("ListConversations", pb.ListConversationsResponse(conversations=[found]))
    script.on("GetConversation", pb.GetConversationResponse(conversation=found, turns=turns))
    script.on("DeleteConversation", pb.DeleteConversationResponse())
    with serving(script) as target:
        yield Command(script, target)


def test_list_shows_conversations(command: Command) -> None:
    """Each has its id, its size and its first words, which cannot touch the terminal."""
    shown = command.run("list").stdout
    assert f"{ID}      2  2014-01-16T00:00:00Z" in shown
    assert "How many?\\x1b[2J" in shown
    assert json.loads(command.run("list", "--json").stdout)[0]["conversation_id"] == ID


def test_get_shows_questions_and_answers(command: Command) -> None:
    """The turns come in order, a refusal with its kind."""
    shown = command.run("get", ID).stdout
    assert "1. How many?\n   24 readings.\n   That is all.\n" in shown
    assert "declined: unknown field" in shown
    document = json.loads(command.run("get", ID, "--json").stdout)
    assert [turn["question"] for turn in document["turns"]] == ["How many?", "And noise?"]


def test_delete_names_what_it_deleted(command: Command) -> None:
    """The id goes to the server as it was given."""
    assert command.run("delete", ID).stdout == f"deleted {ID}\n"
    assert command.script.requests("DeleteConversation")[0].conversation_id == ID


def test_an_unknown_conversation_is_a_failed_check(command: Command) -> None:
    """Somebody else's conversation looks like none."""
    command.script.on("GetConversation", Failure(grpc.StatusCode.NOT_FOUND, "none", "CONVERSATION_NOT_FOUND"))
    assert command.run("get", ID).exit_code == 1
