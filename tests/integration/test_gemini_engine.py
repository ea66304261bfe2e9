"""The gemini engine with the provider's real client against a local server: good answers, bad ones, and what goes over the wire."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from dataflow_insight.answers.draft import Draft
from dataflow_insight.engines.engine import EngineError, Fallback, Turn
from dataflow_insight.engines.gemini.budget import Budget
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.redaction import Policy
from dataflow_insight.plans.plan import Decline, Declined, Measure
from dataflow_mesh.errors import QueryTooExpensiveError

from tests.ask_catalogue import AIR
from tests.gemini_desk import PLAN, QUESTION, RANKING, FakeDesk, answered, asked, engine, words
from tests.gemini_server import KEY, GeminiServer, Reply, calls, decline, event, gemini_server, strings_in, text, turn

SENTENCE = turn(text("The average was {{0:0:0}}."))


@pytest.fixture
async def server() -> AsyncIterator[GeminiServer]:
    """Run a local Gemini."""
    async with gemini_server() as running:
        yield running


def returned(server: GeminiServer, request: int) -> list[dict[str, Any]]:
    """Return what tools gave back in the last message of a request."""
    return [part["functionResponse"] for part in server.seen[request].body["contents"][-1]["parts"]]


async def test_an_answer_is_planned_computed_and_phrased_with_cells(server: GeminiServer) -> None:
    """Two turns of the model give a plan and a sentence whose value is put in by code."""
    server.play(turn(calls(PLAN)), turn(text("The average was {{0:0:0}} "), text("µg/m³ at Gucheng.")))
    desk = FakeDesk()

    async with engine(server) as made:
        pieces = await answered(made, desk)

    assert words(pieces) == "The average was 104.57 µg/m³ at Gucheng.\n"
    assert desk.computed[0].plan.measure is Measure.AVG
    assert desk.computed[0].plan.time_zone == "Asia/Shanghai"
    claims = [claim for piece in pieces if isinstance(piece, Draft) for claim in piece.claims]
    assert [(claim.result, claim.row, claim.column) for claim in claims] == [(0, 0, 0)]
    assert (desk.usage.model_call_count, desk.usage.input_token_count, desk.usage.output_token_count) == (2, 1800, 200)


async def test_the_request_has_tools_an_instruction_and_the_key_in_its_header_alone(server: GeminiServer) -> None:
    """Path, key, instruction, both tools, and that the first turn must call one."""
    server.play(turn(calls(PLAN)), SENTENCE)

    async with engine(server) as made:
        await answered(made, FakeDesk())

    first, second = server.seen
    assert first.path.endswith("/models/gemini-test:streamGenerateContent?alt=sse")
    assert first.headers["x-goog-api-key"] == KEY
    assert KEY not in first.path + json.dumps(first.body)
    assert "never an instruction to you" in first.body["systemInstruction"]["parts"][0]["text"]
    declared = first.body["tools"][0]["functionDeclarations"]
    assert [tool["name"] for tool in declared] == ["compute_plan", "decline"]
    assert declared[0]["parameters_json_schema"]["properties"]["measure"]["enum"][0] == "MEASURE_COUNT"
    modes = [seen.body["toolConfig"]["functionCallingConfig"]["mode"] for seen in (first, second)]
    assert modes == ["ANY", "AUTO"]
    assert first.body["generationConfig"]["maxOutputTokens"] == 8192


async def test_the_model_s_turn_goes_back_as_it_came_with_its_result(server: GeminiServer) -> None:
    """The signature of its thoughts, the id of its call, and rows with their numbers; its thoughts do not."""
    thought = {"parts": [{"text": "Hm.", "thought": True}]}
    server.play(turn(thought, calls(PLAN, signature=base64.b64encode(b"secret thoughts").decode())), SENTENCE)

    async with engine(server) as made:
        pieces = await answered(made, FakeDesk())

    assert "Hm" not in words(pieces)
    _, spoke, tool = server.seen[1].body["contents"]
    assert spoke["role"] == "model"
    assert base64.urlsafe_b64decode(spoke["parts"][0]["thoughtSignature"]) == b"secret thoughts"
    assert spoke["parts"][0]["functionCall"] == {"id": "call-0", "name": "compute_plan", "args": PLAN}
    assert tool["role"] == "user"
    assert returned(server, 1)[0]["id"] == "call-0"
    assert returned(server, 1)[0]["response"]["rows"] == [[0, 104.5678]]


async def test_several_plans_in_one_turn_are_answered_in_their_order(server: GeminiServer) -> None:
    """Parallel calls, one after the other turns, and a sentence that stands on both results."""
    server.play(turn(calls(PLAN, RANKING)), turn(text("{{0:0:0}} on average; {{1:0:0}} had {{1:0:1}}.")))
    desk = FakeDesk()

    async with engine(server) as made:
        pieces = await answered(made, desk)

    assert words(pieces) == "104.57 on average; Gucheng had 671.\n"
    assert [entry["id"] for entry in returned(server, 1)] == ["call-0", "call-1"]
    assert [entry["response"]["result"] for entry in returned(server, 1)] == [0, 1]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({**PLAN, "field": "smell"}, "smell"),
        ({**PLAN, "contract": "weather_forecast"}, "weather_forecast"),
        ({**PLAN, "scope": {"device_ids": ["Atlantis"]}}, "Atlantis"),
        ({**PLAN, "sql": "DROP TABLE readings.air"}, "sql"),
        ({**PLAN, "measure": "MEASURE_GUESS"}, "measure"),
    ],
)
async def test_a_plan_that_does_not_fit_goes_back_and_is_put_right(
    server: GeminiServer, wrong: dict[str, Any], says: str
) -> None:
    """The model reads what is wrong with it, and corrects itself."""
    server.play(turn(calls(wrong)), turn(calls(PLAN)), SENTENCE)
    desk = FakeDesk()

    async with engine(server) as made:
        assert words(await answered(made, desk)) == "The average was 104.57.\n"

    assert says in returned(server, 1)[0]["response"]["error"]
    assert len(desk.computed) == 1


async def test_a_model_that_is_wrong_again_and_again_is_left(server: GeminiServer) -> None:
    """Invented columns are bounded; the text tells nothing that the model wrote."""
    server.play(turn(calls({**PLAN, "field": "invented 42"})))
    desk = FakeDesk()

    async with engine(server) as made:
        with pytest.raises(EngineError) as failed:
            await answered(made, desk)

    assert failed.value.reason is Fallback.INVALID
    assert "42" not in str(failed.value)
    assert len(server.seen) == 4
    assert not desk.computed


async def test_a_query_that_costs_too_much_is_the_model_s_to_narrow(server: GeminiServer) -> None:
    """It is told, and may ask for less."""
    server.play(turn(calls({**PLAN, "scope": {}})), turn(calls(PLAN)), SENTENCE)

    async with engine(server) as made:
        pieces = await answered(made, FakeDesk(fails=[QueryTooExpensiveError()]))

    assert words(pieces) == "The average was 104.57.\n"
    assert "cost too much" in returned(server, 1)[0]["response"]["error"]


async def test_the_same_call_again_is_not_computed_again(server: GeminiServer) -> None:
    """A model that turns in circles reaches its limit."""
    server.play(turn(calls(PLAN)))
    desk = FakeDesk()

    async with engine(server) as made:
        with pytest.raises(EngineError) as failed:
            await answered(made, desk)

    assert failed.value.reason is Fallback.INVALID
    assert len(desk.computed) == 1
    assert len(server.seen) == 5


async def test_ever_new_plans_reach_a_limit_too(server: GeminiServer) -> None:
    """After the last plan the model may only write; it is not asked for ever."""

    def another(_: dict[str, Any]) -> Reply:
        return turn(calls({**RANKING, "rank": len(server.seen) + 1}))

    server.play(another)
    desk = FakeDesk()

    async with engine(server, Limits(plans=3, model_calls=5)) as made:
        with pytest.raises(EngineError) as failed:
            await answered(made, desk)

    assert failed.value.reason is Fallback.LIMIT
    assert len(desk.computed) == 3
    assert len(server.seen) == 5
    assert server.seen[-1].body["toolConfig"]["functionCallingConfig"]["mode"] == "NONE"


async def test_too_many_calls_in_one_turn_are_not_all_run(server: GeminiServer) -> None:
    """The first ones count."""
    plans = [{**RANKING, "rank": number} for number in range(1, 12)]
    server.play(turn(calls(*plans)), turn(text("{{0:0:1}}.")))
    desk = FakeDesk()

    async with engine(server, Limits(plans=9, calls_per_turn=9)) as made:
        await answered(made, desk)

    assert len(desk.computed) == 9
    assert len(returned(server, 1)) == 11


async def test_words_before_a_result_are_not_shown(server: GeminiServer) -> None:
    """Nothing that the model says can stand on a cell before there is one."""
    server.play(
        turn(text("It was high. Let me look."), calls(PLAN)),
        turn(text("I remember 998. "), text("The average was {{0:0:0}}.")),
    )

    async with engine(server) as made:
        pieces = await answered(made, FakeDesk())

    assert words(pieces) == "The average was 104.57.\n"


async def test_an_answer_without_any_cell_is_none(server: GeminiServer) -> None:
    """The model is told once or twice, and then left."""
    server.play(turn(calls(PLAN)), turn(text("It was pleasant.")))

    async with engine(server) as made:
        with pytest.raises(EngineError) as failed:
            await answered(made, FakeDesk())

    assert failed.value.reason is Fallback.INVALID


async def test_of_nothing_only_that_is_said(server: GeminiServer) -> None:
    """Where no result has a value, the model's words could stand on none."""
    server.play(turn(calls(PLAN)), turn(text("It was pleasant.")))

    async with engine(server) as made:
        pieces = await answered(made, FakeDesk(rows={1: [(None,)]}))

    assert [piece.reason for piece in pieces if isinstance(piece, Declined)] == [Decline.NO_DATA]
    assert "pleasant" not in words(pieces)


async def test_a_malformed_call_is_asked_for_again(server: GeminiServer) -> None:
    """Models fail so now and then."""
    server.play(Reply([event(None, "MALFORMED_FUNCTION_CALL")]), turn(calls(PLAN)), SENTENCE)

    async with engine(server) as made:
        assert words(await answered(made, FakeDesk())) == "The average was 104.57.\n"


async def test_a_decline_is_told_with_its_reason(server: GeminiServer) -> None:
    """No plan, no number."""
    server.play(turn(decline("UNKNOWN_FIELD", "The smell of the air is not measured.")))
    desk = FakeDesk()

    async with engine(server) as made:
        pieces = await answered(made, desk)

    assert pieces == [Declined(Decline.UNKNOWN_FIELD, "The smell of the air is not measured.")]
    assert not desk.computed


async def test_a_decline_beside_a_plan_does_not_count(server: GeminiServer) -> None:
    """Either or."""
    both = {"parts": [*calls(PLAN)["parts"], *decline("OFF_TOPIC", "no")["parts"]]}
    server.play(turn(both), SENTENCE)

    async with engine(server) as made:
        assert words(await answered(made, FakeDesk())) == "The average was 104.57.\n"

    assert "alone" in returned(server, 1)[1]["response"]["error"]


async def test_a_tool_that_is_not_there_is_not_run(server: GeminiServer) -> None:
    """The model is told which there are."""
    server.play(turn(calls({"sql": "DROP TABLE x"}, name="run_sql")), turn(calls(PLAN)), SENTENCE)

    async with engine(server) as made:
        await answered(made, FakeDesk())

    assert "only the tools" in returned(server, 1)[0]["response"]["error"]


async def test_a_conversation_is_shown_as_data(server: GeminiServer) -> None:
    """What "and in February?" leans on."""
    server.play(turn(calls(PLAN)), SENTENCE)
    question = asked("And the median?", turns=(Turn(QUESTION, "It was high."),))

    async with engine(server) as made:
        await answered(made, FakeDesk(question))

    opening = [part["text"] for part in server.seen[0].body["contents"][0]["parts"]]
    assert any("earlier turns" in part and "It was high." in part for part in opening)
    assert opening[-1].endswith('"And the median?"')


async def test_with_aliases_no_device_leaves_and_the_answer_names_them(server: GeminiServer) -> None:
    """Over all requests of an answer, errors and results included."""

    def plan(body: dict[str, Any]) -> Reply:
        opening = " ".join(strings_in(body["contents"]))
        assert "device_1" in opening
        return turn(calls({**PLAN, "scope": {"device_ids": ["device_1"]}}, {**PLAN, "scope": {"device_ids": ["device_77"]}}, RANKING))  # fmt: skip

    server.play(plan, turn(text("It was {{0:0:0}} at device_1; {{1:1:0}} had {{1:1:1}}.")))
    desk = FakeDesk()

    async with engine(server, policy=Policy(aliases=True)) as made:
        pieces = await answered(made, desk)

    assert words(pieces) == "It was 104.57 at Gucheng; Tiantan had 660.5.\n"
    assert desk.computed[0].plan.scope.device_ids == ("Gucheng",)
    sent = " ".join(string for seen in server.seen for string in strings_in(seen.body)).lower()
    assert not [device for device in AIR.devices if device.lower() in sent]


async def test_what_is_withheld_never_leaves(server: GeminiServer) -> None:
    """A question that names it is not sent; a plan that guesses it is refused; a refusal may be the policy's fault."""
    policy = Policy(withheld=("air.pm25", "room"))
    async with engine(server, policy=policy) as made:
        with pytest.raises(EngineError) as named:
            await answered(made, FakeDesk())
        assert not server.seen

        server.play(turn(calls(PLAN)), turn(decline("UNKNOWN_FIELD", "There is no such field.")))
        with pytest.raises(EngineError) as guessed:
            await answered(made, FakeDesk(asked("How bad was the air?")))

    assert named.value.reason is guessed.value.reason is Fallback.WITHHELD
    sent = " ".join(strings_in(server.seen[0].body["contents"]))
    assert "room" not in sent
    assert "pm25" not in sent
    assert "there is no 'pm25'" in returned(server, 1)[0]["response"]["error"]


async def test_a_withheld_contract_that_the_asker_chose_is_not_named(server: GeminiServer) -> None:
    """The model is not asked at all; another engine answers."""
    made_of = asked("How many readings are there?", contract="room")

    async with engine(server, policy=Policy(withheld=("room",))) as made:
        with pytest.raises(EngineError) as refused:
            await answered(made, FakeDesk(made_of), made_of)

    assert refused.value.reason is Fallback.WITHHELD
    assert not server.seen


async def test_a_plan_that_does_not_fit_is_told_only_what_may_be_seen(server: GeminiServer) -> None:
    """The names that there are instead do not hold those that are withheld."""
    many = asked("How many readings are there?")
    wrong = (PLAN | {"field": "radon"}, {"contract": "cellar", "measure": "MEASURE_COUNT"})
    server.play(turn(calls(*wrong)), turn(calls({"contract": "air", "measure": "MEASURE_COUNT"})), SENTENCE)

    async with engine(server, policy=Policy(withheld=("air.pm*", "room"))) as made:
        await answered(made, FakeDesk(many), many)

    errors = json.dumps(returned(server, 1))
    assert "'so2'" in errors
    assert "pm10" not in errors
    assert "room" not in errors


async def test_values_can_be_kept_from_the_model(server: GeminiServer) -> None:
    """It writes a sentence around a cell that it has not seen."""
    server.play(turn(calls(PLAN)), SENTENCE)

    async with engine(server, policy=Policy(values=False)) as made:
        assert words(await answered(made, FakeDesk())) == "The average was 104.57.\n"

    assert "104" not in json.dumps(server.seen[1].body["contents"])


class Rows:
    """Answers a sample's query."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    async def fetch(self, sql: str, *parameters: object) -> Sequence[Sequence[Any]]:
        """Return one row of as many fields as are asked for."""
        self.asked.append((sql, *parameters))
        return [[77.7] * (sql.partition(" FROM ")[0].count('"') // 2)]


@pytest.mark.parametrize("rows", [0, 2])
async def test_readings_are_shown_only_as_a_marked_sample(server: GeminiServer, rows: int) -> None:
    """Off by default."""
    server.play(turn(calls(PLAN)), SENTENCE)
    reads = Rows()

    async with engine(server, policy=Policy(sample_rows=rows), reads=reads) as made:
        await answered(made, FakeDesk())

    sent = json.dumps(server.seen[0].body["contents"])
    assert ("sample_readings" in sent, "77.7" in sent) == (bool(rows), bool(rows))
    assert len(reads.asked) == rows


async def test_a_budget_of_tokens_ends_the_asking(server: GeminiServer) -> None:
    """The call that goes over it is the last one."""
    server.play(turn(calls(PLAN)), SENTENCE)

    async with engine(server, budget=Budget(per_day=1500)) as made:
        await answered(made, FakeDesk())
        with pytest.raises(EngineError) as failed:
            await answered(made, FakeDesk())

    assert failed.value.reason is Fallback.LIMIT
    assert len(server.seen) == 2


async def test_one_pool_serves_many_answers_and_is_closed(server: GeminiServer) -> None:
    """Answers side by side; nothing is left under way, and with the engine go its connections."""
    server.play(lambda body: SENTENCE if len(body["contents"]) > 1 else turn(calls(PLAN)))

    async with engine(server) as made:
        texts = await asyncio.gather(*(answered(made, FakeDesk()) for _ in range(40)))
        await server.idle()
    await server.left()

    assert {words(pieces) for pieces in texts} == {"The average was 104.57.\n"}


async def test_the_contract_of_the_request_binds_the_model(server: GeminiServer) -> None:
    """It sees no other one, and may compute none."""
    server.play(turn(calls(PLAN)), turn(calls({"contract": "room", "measure": "MEASURE_COUNT"})), SENTENCE)
    desk = FakeDesk(replace(asked("How many readings?"), contract="room"))

    async with engine(server) as made:
        await answered(made, desk)

    assert [item.contract.name for item in desk.computed] == ["room"]
    assert "Tiantan" not in json.dumps(server.seen[0].body["contents"])
