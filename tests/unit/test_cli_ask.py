"""`dataflow ask`: the text as it comes, the evidence, one JSON object, and one question after the other."""

import json
from collections.abc import Iterator

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.insight.v1 import ask_service_pb2 as pb
from dataflow.insight.v1 import plan_pb2
from dataflow_cli.root import dataflow
from dataflow_client.testing import Failure, Part, Script, serving


def event(**parts: object) -> pb.AskResponse:
    return pb.AskResponse(**parts)  # type: ignore[arg-type]  # one of the oneof's members


def answer() -> list[Part]:
    row = pb.Row(cells=[pb.Cell(text="Tiantan"), pb.Cell(integer=24), pb.Cell()])
    row.cells[2].time.FromSeconds(1389830400)
    result = pb.Result(columns=["device_id", "count", "first"], rows=[row], sql="select $1", parameters=["Tiantan"])
    plan = plan_pb2.QueryPlan(contract="station", measure=plan_pb2.MEASURE_COUNT, assumptions=["station: device"])
    binding = pb.Binding(text="24", row=0, column=1, rounded_to_digits=0)
    return [
        event(started=pb.Started(ask_id="1", engine="local")),
        event(plan=pb.Planned(plan=plan)),
        event(result=result),
        event(text=pb.TextDelta(text="Tiantan sent ")),
        event(text=pb.TextDelta(text="24 readings\x1b[2J.\nThat is all.", bindings=[binding])),
        event(finished=pb.Finished(engine="local", verified_count=1, verified=True)),
    ]


class Asker:
    """The command with its server."""

    def __init__(self, script: Script, target: str) -> None:
        self.script, self._target = script, target

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(dataflow, ["ask", "how many?", "--insight", self._target, *arguments])

    def talk(self, lines: str, *arguments: str) -> Result:
        """Runs it without a question, with these lines as its input."""
        return CliRunner().invoke(dataflow, ["ask", "--insight", self._target, *arguments], input=lines)


@pytest.fixture
def asker() -> Iterator[Asker]:
    script = Script()
    script.on("Ask", answer())
    with serving(script) as target:
        yield Asker(script, target)


def test_ask_shows_text_and_evidence(asker: Asker) -> None:
    """The answer comes first, its table below, and a hostile cell cannot touch the terminal."""
    result = asker.run()
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Tiantan sent 24 readings\\x1b[2J.\nThat is all.\n")
    assert "Taken: station: device" in result.stdout
    assert "Tiantan       24  2014-01-16T00:00:00Z" in result.stdout
    assert "[local, verified, 1 bound" in result.stderr
    assert "select" not in result.stdout


def test_ask_shows_plan_and_sql_when_asked_to(asker: Asker) -> None:
    """Whoever wants to check sees what ran, with its parameters."""
    result = asker.run("--plan", "--sql", "--contract", "station")
    assert '"measure": "MEASURE_COUNT"' in result.stdout
    assert "select $1\n  $1 = Tiantan" in result.stdout
    assert asker.script.requests("Ask")[0].contract == "station"


def test_ask_json_is_one_object_with_all_events(asker: Asker) -> None:
    """Programs get the question, the answer and everything behind it."""
    document = json.loads(asker.run("--json").stdout)
    assert document["question"] == "how many?"
    assert document["answer"] == "Tiantan sent 24 readings\x1b[2J.\nThat is all."
    assert document["plan"]["contract"] == "station"
    assert document["result"]["columns"] == ["device_id", "count", "first"]
    assert document["result"]["rows"] == [["Tiantan", 24, "2014-01-16T00:00:00Z"]]
    assert document["sql"] == "select $1"
    assert document["bindings"] == [{"text": "24", "result": 0, "row": 0, "column": 1, "rounded_to_digits": 0}]
    assert (document["decline"], document["engine"], document["verified"]) == (None, "local", True)


def test_declined_question_is_an_answer(asker: Asker) -> None:
    """An honest refusal is no failure: the text says why, and the object names the kind."""
    asker.script.on(
        "Ask",
        [
            event(started=pb.Started(ask_id="1")),
            event(text=pb.TextDelta(text="Noise is not measured.")),
            event(finished=pb.Finished(engine="local", decline=pb.DECLINE_UNKNOWN_FIELD)),
        ],
    )
    shown = asker.run()
    assert shown.exit_code == 0
    assert "declined: unknown field" in shown.stderr
    document = json.loads(asker.run("--json").stdout)
    assert (document["decline"], document["result"]) == ("UNKNOWN_FIELD", None)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much", "QUERY_TOO_EXPENSIVE"), 1),
        (Failure(grpc.StatusCode.UNAVAILABLE, "down", "POSTGRES_UNAVAILABLE"), 3),
        (Failure(grpc.StatusCode.PERMISSION_DENIED, "no", "ROLE_MISSING"), 4),
    ],
)
def test_failed_question_exits_with_its_code(asker: Asker, failure: Failure, code: int) -> None:
    """What cannot be computed, reached or allowed are told apart."""
    asker.script.on("Ask", failure)
    assert asker.run().exit_code == code


def replaced_answer() -> list[Part]:
    """Gives an answer whose first engine broke off."""
    first, second = answer()[1:3]
    return [
        event(started=pb.Started(ask_id="1", engine="gemini")),
        first,
        second,
        event(text=pb.TextDelta(text="There are 7777 readings.", bindings=[pb.Binding(text="7777")])),
        event(replaced=pb.Replaced(reason="gemini failed: too many requests")),
        event(plan=pb.Planned(index=1)),
        event(result=pb.Result(index=1, columns=["readings"], rows=[pb.Row(cells=[pb.Cell(integer=24)])])),
        event(text=pb.TextDelta(text="24 readings.", bindings=[pb.Binding(text="24", result=1)])),
        event(
            finished=pb.Finished(
                engine="local",
                verified=True,
                verified_count=1,
                fallback=pb.FALLBACK_RATE_LIMITED,
                fallback_detail="too many requests",
            )
        ),
    ]


def test_replaced_text_is_not_shown_to_a_program(asker: Asker) -> None:
    """What is void goes into no pipe and no object, and the object says who answered and why."""
    asker.script.on("Ask", replaced_answer())
    shown = asker.run()
    assert shown.stdout.startswith("24 readings.\n")
    assert "7777" not in shown.stdout
    assert "[local, instead of another engine: rate limited, verified, 1 bound" in shown.stderr
    document = json.loads(asker.run("--json").stdout)
    assert document["answer"] == "24 readings."
    assert [item["result"]["rows"] for item in document["evidence"]] == [[[24]]]
    assert document["bindings"] == [{"text": "24", "result": 1, "row": 0, "column": 0, "rounded_to_digits": None}]
    assert (document["engine"], document["fallback"], document["fallback_detail"]) == (
        "local",
        "RATE_LIMITED",
        "too many requests",
    )


def test_ask_sends_the_zone_of_the_machine(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yesterday is that of whoever asks, unless another zone is named."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    asker.run()
    asker.run("--time-zone", "Europe/Berlin", "--engine", "local")
    first, second = asker.script.requests("Ask")
    assert (first.time_zone, first.engine) == ("Asia/Shanghai", "")
    assert (second.time_zone, second.engine) == ("Europe/Berlin", "local")


def test_a_lone_question_begins_no_conversation(asker: Asker) -> None:
    """Nothing is kept unless somebody asks for it."""
    asker.run()
    asker.run("--new-conversation")
    asker.run("--conversation", "5b0c1f6a-0000-4000-8000-000000000001")
    alone, begins, goes_on = asker.script.requests("Ask")
    assert alone.WhichOneof("conversation") is None
    assert begins.new_conversation
    assert goes_on.conversation_id == "5b0c1f6a-0000-4000-8000-000000000001"
    assert asker.run("--conversation", "x", "--new-conversation").exit_code == 2


def kept_answer(conversation_id: str) -> list[Part]:
    return [
        event(started=pb.Started(ask_id="1", engine="local", conversation_id=conversation_id)),
        event(text=pb.TextDelta(text="24 readings.")),
        event(finished=pb.Finished(engine="local", verified=True, kept=True)),
    ]


def test_lines_are_asked_in_one_conversation(asker: Asker) -> None:
    """Without a question, each line is one, and each but the first goes on with what the first began."""
    asker.script.on("Ask", kept_answer("5b0c1f6a-0000-4000-8000-000000000001"))
    result = asker.talk("how many?\n\nand then?\n")
    assert result.exit_code == 0, result.output
    first, second = asker.script.requests("Ask")
    assert (first.question, first.new_conversation) == ("how many?", True)
    assert (second.question, second.conversation_id) == ("and then?", "5b0c1f6a-0000-4000-8000-000000000001")
    assert result.stdout.count("24 readings.") == 2
    assert "go on with --conversation 5b0c1f6a" in result.stderr


def test_lines_as_json_are_one_object_each(asker: Asker) -> None:
    """Programs that talk get one line for each answer."""
    asker.script.on("Ask", kept_answer("5b0c1f6a-0000-4000-8000-000000000001"))
    lines = asker.talk("how many?\nand then?\n", "--json").stdout.splitlines()
    assert [json.loads(line)["question"] for line in lines] == ["how many?", "and then?"]
    assert json.loads(lines[0])["kept"] is True


def test_a_failed_line_ends_a_dialogue_that_nobody_types(asker: Asker) -> None:
    """A script must not take a question for answered that was not."""
    asker.script.on("Ask", Failure(grpc.StatusCode.UNAVAILABLE, "down", "POSTGRES_UNAVAILABLE"))
    assert asker.talk("how many?\n").exit_code == 3


def test_an_answer_that_was_not_kept_says_so(asker: Asker) -> None:
    """The asker learns that the next question cannot lean on this one."""
    parts = answer()
    parts[-1] = event(finished=pb.Finished(engine="local", not_kept_detail="nothing can be written at present"))
    asker.script.on("Ask", parts)
    assert "Not kept: nothing can be written at present." in asker.run("--new-conversation").stderr
