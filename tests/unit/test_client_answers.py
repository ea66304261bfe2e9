"""The SDK's answers and conversations: events folded, ids remembered."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from dataflow.insight.v1 import ask_service_pb2 as pb
from dataflow.insight.v1 import plan_pb2
from dataflow_client import Answer, AsyncClient, Client, Connection, Targets
from dataflow_client.answers import cell_value
from dataflow_client.testing import Part, Script, serving

ID = "5b0c1f6a-0000-4000-8000-000000000001"


def parts(*, conversation_id: str = "", kept: bool = False) -> list[Part]:
    first = plan_pb2.QueryPlan(contract="air", assumptions=["station: device"])
    return [
        pb.AskResponse(started=pb.Started(ask_id="1", engine="gemini", conversation_id=conversation_id)),
        pb.AskResponse(plan=pb.Planned(plan=first)),
        pb.AskResponse(text=pb.TextDelta(text="There are 7777.", bindings=[pb.Binding(text="7777")])),
        pb.AskResponse(replaced=pb.Replaced(reason="broken off")),
        pb.AskResponse(plan=pb.Planned(plan=first, index=1)),
        pb.AskResponse(plan=pb.Planned(plan=first, index=2)),
        pb.AskResponse(result=pb.Result(index=2, columns=["avg"], rows=[pb.Row(cells=[pb.Cell(number=2.5)])])),
        pb.AskResponse(result=pb.Result(index=1, columns=["n"], rows=[pb.Row(cells=[pb.Cell(integer=24)])])),
        pb.AskResponse(text=pb.TextDelta(text="There are ")),
        pb.AskResponse(text=pb.TextDelta(text="24.", bindings=[pb.Binding(text="24", result=1)])),
        pb.AskResponse(
            finished=pb.Finished(
                engine="local", verified=True, verified_count=1, fallback=pb.FALLBACK_UNAVAILABLE, kept=kept
            )
        ),
    ]


@pytest.fixture
def script() -> Script:
    script = Script()
    script.on("Ask", parts(conversation_id=ID, kept=True))
    return script


@pytest.fixture
def target(script: Script) -> Iterator[str]:
    with serving(script) as where:
        yield where


def test_events_are_folded_and_what_was_replaced_is_gone() -> None:
    """Text, bindings and queries are those of the engine that answered in the end."""
    answer = Answer("How many?")
    for event in parts():
        assert isinstance(event, pb.AskResponse)
        answer.take(event)
    assert answer.text == "There are 24."
    assert [item.index for item in answer.evidence] == [1, 2]
    assert (answer.evidence[0].columns, answer.evidence[0].rows) == (["n"], [[24]])
    assert answer.value_of(answer.bindings[0]) == 24
    assert answer.assumptions == ["station: device"]
    assert (answer.engine, answer.fallback, answer.decline) == ("local", "UNAVAILABLE", "")
    assert answer.replaced == ["broken off"]
    with pytest.raises(LookupError):
        answer.value_of(pb.Binding(result=9))


def test_an_answer_that_broke_off_is_not_verified() -> None:
    """Without the last event nobody has vouched for it."""
    answer = Answer("How many?")
    assert (answer.verified, answer.seconds, answer.decline) == (False, None, "")


def test_cells_have_the_types_of_python() -> None:
    """Times are aware, nulls are None."""
    moment = pb.Cell()
    moment.time.FromSeconds(1389830400)
    assert cell_value(moment) == datetime(2014, 1, 16, tzinfo=UTC)
    assert cell_value(pb.Cell()) is None
    assert cell_value(pb.Cell(boolean=False)) is False


def test_a_conversation_goes_on_with_what_its_first_answer_began(script: Script, target: str) -> None:
    """The second question names the conversation that the first one began."""
    with Client(Connection(targets=Targets(insight=target))) as client:
        conversation = client.conversation(time_zone="Asia/Shanghai")
        assert conversation.answer("How many?").text == "There are 24."
        assert conversation.conversation_id == ID
        conversation.answer("And then?")
    first, second = script.requests("Ask")
    assert (first.new_conversation, first.time_zone) == (True, "Asia/Shanghai")
    assert second.conversation_id == ID


def test_a_conversation_that_was_not_kept_begins_anew(script: Script, target: str) -> None:
    """An id that the server has not kept is not used."""
    script.on("Ask", parts(conversation_id=ID, kept=False))
    with Client(Connection(targets=Targets(insight=target))) as client:
        conversation = client.conversation()
        conversation.answer("How many?")
        conversation.answer("And then?")
    assert [request.new_conversation for request in script.requests("Ask")] == [True, True]


async def test_the_asyncio_client_has_the_same(script: Script, target: str) -> None:
    """Answers and conversations work alike."""
    async with AsyncClient(Connection(targets=Targets(insight=target))) as client:
        assert (await client.answer("How many?")).text == "There are 24."
        conversation = client.conversation()
        await conversation.answer("How many?")
        await conversation.answer("And then?")
        assert await client.ask_text("How many?") == "There are 24."
    assert script.requests("Ask")[2].conversation_id == ID
