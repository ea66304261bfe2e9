"""The pure parts of the gemini engine: refusals, waits, budgets, results and sentences."""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from dataflow_insight.answers.draft import Claim, Draft
from dataflow_insight.engines.engine import Computed, EngineError, Fallback
from dataflow_insight.engines.gemini.budget import Budget
from dataflow_insight.engines.gemini.failures import failure_of
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.messages import Calling, Chunk, ModelError, Request, Stop, Tokens
from dataflow_insight.engines.gemini.redaction import Policy, Redactor
from dataflow_insight.engines.gemini.results import result_json
from dataflow_insight.engines.gemini.tries import Tries
from dataflow_insight.engines.gemini.writing import Writer
from dataflow_insight.plans.plan import Grouping, Measure, Plan
from dataflow_insight.queries.query import Query, Role
from dataflow_insight.queries.table import Table, Value

from tests.ask_catalogue import AIR
from tests.gemini_desk import asked
from tests.gemini_server import error, retry_info

REQUEST = Request("", (), (), Calling.MAY, 1)


@pytest.mark.parametrize(
    ("code", "details", "headers", "reason", "passing", "after"),
    [
        (429, error(429, "RESOURCE_EXHAUSTED", "x", retry_info("34.5s")), {}, Fallback.RATE_LIMITED, True, 34.5),
        (429, error(429, "RESOURCE_EXHAUSTED"), {"retry-after": "7"}, Fallback.RATE_LIMITED, True, 7.0),
        (429, "busy", {"retry-after": "Sun, 22 Nov 2026 00:00:00 GMT"}, Fallback.RATE_LIMITED, True, None),
        (429, error(429, "X", "x", retry_info("99999999s")), {}, Fallback.RATE_LIMITED, True, 3600.0),
        (200, error(8, "RESOURCE_EXHAUSTED"), {}, Fallback.RATE_LIMITED, True, None),
        (503, [error(503, "UNAVAILABLE")], {}, Fallback.UNAVAILABLE, True, None),
        (None, error(14, "UNAVAILABLE"), {}, Fallback.UNAVAILABLE, True, None),
        (401, error(401, "UNAUTHENTICATED"), {}, Fallback.REFUSED, False, None),
        (400, error(400, "INVALID_ARGUMENT"), {}, Fallback.REFUSED, False, None),
        (302, {}, {}, Fallback.INVALID, False, None),
        ("x", None, {}, Fallback.INVALID, False, None),
        (True, [1, 2], {}, Fallback.INVALID, False, None),
    ],
)
def test_a_refusal_is_understood(
    code: object, details: object, headers: dict[str, str], reason: Fallback, passing: bool, after: float | None
) -> None:
    """By status, by the error object, and by what it asks to wait."""
    failure = failure_of(code, details, headers)

    assert (failure.reason, failure.passing, failure.after_seconds) == (reason, passing, after)


def test_what_a_provider_writes_freely_is_not_passed_on() -> None:
    """A message could hold a key or an instruction; a status that is no status could, too."""
    failure = failure_of(400, error(400, "INVALID key AIza-x", "key AIza-x"), {})

    assert str(failure) == "the provider answered 400"


class Flaky:
    """A model that fails as scripted, then says one thing."""

    def __init__(self, *failures: ModelError) -> None:
        self.failures = list(failures)

    @asynccontextmanager
    async def stream(self, request: Request, *, seconds: float) -> AsyncIterator[AsyncIterator[Chunk]]:
        """Fail, or say one thing."""

        async def chunks() -> AsyncIterator[Chunk]:
            if self.failures:
                raise self.failures.pop(0)
            yield Chunk(stop=Stop.DONE)

        yield chunks()


async def waits(failures: Sequence[ModelError], jitter: Callable[[], float]) -> list[float]:
    """Return how long was waited between tries."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    tries = Tries(Flaky(*failures), Limits(attempts=9), Budget(), sleep=sleep, jitter=jitter)
    assert [chunk async for chunk in tries.stream(REQUEST, math.inf, lambda: None)]
    return slept


async def test_waits_double_with_jitter_up_to_a_bound() -> None:
    """Many processes do not come back at the same moment."""
    busy = [ModelError(Fallback.UNAVAILABLE, "busy", passing=True) for _ in range(7)]

    assert await waits(busy, lambda: 1.0) == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert await waits(busy, lambda: 0.0) == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


async def test_a_wait_that_was_asked_for_is_kept() -> None:
    """Not less than RetryInfo or Retry-After says."""
    busy = ModelError(Fallback.RATE_LIMITED, "busy", passing=True, after_seconds=3.0)

    assert await waits([busy], lambda: 0.0) == [3.0]


def test_a_budget_ends_and_begins_anew() -> None:
    """By the minute and by the day of the clock."""
    now = [600.0]
    budget = Budget(per_minute=100, per_day=250, clock=lambda: now[0])
    budget.check()
    budget.spend(Tokens(prompt=60, written=20, thoughts=40))

    with pytest.raises(EngineError, match="this minute") as minute:
        budget.check()
    now[0] += 60
    budget.check()
    budget.spend(Tokens(prompt=150))
    now[0] += 60
    with pytest.raises(EngineError, match="this day"):
        budget.check()
    now[0] += 86_400
    budget.check()
    assert minute.value.reason is Fallback.LIMIT


def test_nobody_is_asked_while_the_provider_wants_us_to_wait() -> None:
    """More calls would prolong it."""
    now = [0.0]
    budget = Budget(clock=lambda: now[0])
    budget.wait(30.0)

    with pytest.raises(EngineError) as limited:
        budget.check()
    assert limited.value.reason is Fallback.RATE_LIMITED
    now[0] = 31.0
    budget.check()


def computed(rows: Sequence[tuple[Value, ...]], measure: Measure = Measure.AVG) -> Computed:
    """Return a value for each device."""
    query = Query("SELECT", (), ("device_id", "value"), (Role.DEVICE, Role.VALUE))
    return Computed(0, Plan("air", measure, "pm25", group_by=(Grouping.DEVICE,)), AIR, Table(query, tuple(rows)))


def told(rows: Sequence[tuple[Value, ...]], policy: Policy | None = None, limit: int = 1000) -> dict[str, Any]:
    """Return a result as the model sees it."""
    return result_json(computed(rows), Redactor(policy or Policy(), asked().catalogue), limit)


def test_a_result_has_numbers_of_rows_and_columns() -> None:
    """What the model refers to is what it was given."""
    assert told([("Gucheng", 0.1 + 0.2), ("Tiantan", None)]) == {
        "result": 0,
        "columns": [
            {"column": 0, "name": "device_id", "role": "device"},
            {"column": 1, "name": "value", "role": "value"},
        ],
        "row_count": 2,
        "rows": [[0, "Gucheng", 0.3], [1, "Tiantan", None]],
    }


def test_a_long_result_is_cut_to_its_bound() -> None:
    """The model is told so; the reader gets all rows."""
    made = told([(f"device {number}", 1.5) for number in range(1000)], limit=500)

    assert len(made["rows"]) < 30
    assert made["row_count"] == 1000
    assert "only the first" in made["note"]


def test_cells_are_kept_back_where_the_policy_says_so() -> None:
    """The model writes around values that it does not see."""
    made = told([("Gucheng", 671.0), ("Tiantan", None)], Policy(values=False))

    assert "671" not in str(made)
    assert "Gucheng" not in str(made)
    assert made["cells_without_value"] == [[1, 1]]


def test_devices_have_aliases_in_results() -> None:
    """Also where they are a value of another column."""
    assert told([("Gucheng", 1.0), ("Tiantan", 2.0)], Policy(aliases=True))["rows"] == [[0, "device_1", 1.0], [1, "device_2", 2.0]]  # fmt: skip


def drafts(*pieces: str, policy: Policy | None = None, measure: Measure = Measure.AVG) -> list[Draft]:
    """Return what a writer makes of streamed words."""
    redactor = Redactor(policy or Policy(), asked().catalogue)
    redactor.alias("Gucheng")
    writer = Writer(asked(), {0: computed([("Gucheng", 104.5678), ("{{0:0:1}}", 12.0)], measure)}, redactor)
    return [draft for piece in pieces for draft in writer.feed(piece)] + writer.close()


def test_references_become_values_and_claims() -> None:
    """Each claim spans exactly the value that was put in."""
    (draft,) = drafts("At {{0:0:0}} it was {{ 0 : 0 : 1 }} µg/m³.")

    assert draft.text == "At Gucheng it was 104.57 µg/m³.\n"
    assert draft.claims == (Claim(3, 10, 0, 0, 0), Claim(18, 24, 0, 1, 0))


def test_stored_values_are_shown_as_they_are_stored() -> None:
    """A highest value is a reading; an average is rounded."""
    assert drafts("{{0:0:1}}.", measure=Measure.MAX)[0].text == "104.5678.\n"


def test_words_that_come_in_pieces_are_the_same() -> None:
    """A reference may be cut anywhere."""
    whole = "First {{0:0:1}}. Then {{0:1:1}}; so\nit was."

    assert "".join(draft.text for draft in drafts(*whole)) == "".join(draft.text for draft in drafts(whole))
    assert [draft.text for draft in drafts(*whole)] == ["First 104.57.", " Then 12; so\n", "it was.\n"]


@pytest.mark.parametrize(
    "reference", ["{{0:9:1}}", "{{0:0:9}}", "{{7:0:0}}", "{{0:0}}", "{{x}}", "{{", "}}", "{{0:-1:0}}"]
)
def test_a_sentence_about_a_cell_that_is_not_there_is_dropped(reference: str) -> None:
    """Nothing is put in its place."""
    assert [draft.text for draft in drafts(f"It was {{{{0:0:1}}}}. And {reference} too. Fine.")] == ["It was 104.57.", " Fine.\n"]  # fmt: skip


def test_a_value_that_looks_like_a_reference_is_a_value() -> None:
    """Text from data is put in last, and quoted where it is odd."""
    assert drafts("It was {{0:1:0}}.")[0].text == 'It was "{{0:0:1}}".\n'
    assert drafts('It was "{{0:1:0}}".')[0].text == 'It was "{{0:0:1}}".\n'


def test_an_alias_that_the_model_types_becomes_the_device() -> None:
    """Verification then holds the name against the result."""
    assert drafts("It was {{0:0:1}} at device_1.", policy=Policy(aliases=True))[0].text == "It was 104.57 at Gucheng.\n"


def test_habits_of_markup_are_taken_off() -> None:
    """Emphasis, headings and list marks."""
    assert drafts("## Result\n- **Highest**: {{0:0:1}}.")[-1].text == "Highest: 104.57.\n"


ODD = [("31337", 104.5678), ("the highest was 42", 12.0), ("Room 5", 7.0)]


def own(sentence: str, question: str = "What was the average in Room 5 in 2014?") -> str:
    """Return what a writer lets through of words about devices with odd names."""
    writer = Writer(asked(question), {0: computed(ODD)}, Redactor(Policy(), asked().catalogue))
    return "".join(draft.text for draft in writer.feed(f"{sentence} "))


@pytest.mark.parametrize(
    "sentence",
    [
        "It was 31337.",
        "It was \uff13\uff11\uff13\uff13\uff17.",
        "So the highest was 42.",
        "It was 42.",
        "It was in 2015.",
        "It was ٤٢.",
    ],
)
def test_a_number_of_the_model_s_own_is_dropped_though_a_device_is_called_so(sentence: str) -> None:
    """A name in the data must not be a way to say any number."""
    assert not own(sentence)


@pytest.mark.parametrize(
    "sentence", ["In Room 5 it was {{0:2:1}}.", "PM2.5 was {{0:0:1}} µg/m³.", "In 2014 it was {{0:0:1}}.", "Fine."]
)
def test_numbers_and_names_of_the_question_may_be_repeated(sentence: str) -> None:
    """They are the asker's."""
    assert own(sentence)


def test_a_device_that_is_called_like_a_number_is_quoted() -> None:
    """Where the result names it."""
    assert own("{{0:0:0}} had {{0:0:1}}.") == '"31337" had 104.57.'
    assert own("{{0:1:0}} had {{0:1:1}}.") == '"the highest was 42" had 12.'
