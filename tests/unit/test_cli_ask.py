"""`dataflow ask`: the text as it comes, the evidence, and one JSON object."""

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
    assert document["bindings"] == [{"text": "24", "row": 0, "column": 1, "rounded_to_digits": 0}]
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
