"""The gate before the asker: what it lets through, what it hides, what it binds."""

from datetime import UTC, datetime

import pytest
from dataflow_insight.answers.verify import HIDDEN, Claim, Draft, Verified, verify
from dataflow_insight.queries.query import Query
from dataflow_insight.queries.table import Table

TABLE = Table(
    Query("SELECT", (), ("device_id", "value", "event_time", "count")),
    (
        ("Tiantan", 98.8765, datetime(2014, 1, 16, 1, tzinfo=UTC), 24),
        ("room-7", -0.5, datetime(2014, 1, 17, tzinfo=UTC), 24),
    ),
)
NAMES = ("Tiantan", "Gucheng", "room-7")


def checked(text: str, *claims: Claim, question: str = "What about Tiantan on 2014-01-20?") -> Verified:
    """Verifies a text against the table."""
    return verify(Draft(text, claims), TABLE, [question], NAMES)


@pytest.mark.parametrize("text", ["98.8765", "98.88", "98.9", "99", "-0.5", "24", "2014-01-16T01:00:00Z", "room-7"])
def test_what_a_cell_holds_is_shown_and_bound(text: str) -> None:
    """A number that a cell rounds to, a time or a name of a cell stays and is bound."""
    result = checked(f"It is {text}.")
    assert result.clean
    assert result.text == f"It is {text}."
    assert [bound.text for bound in result.bindings] == [text]


@pytest.mark.parametrize(
    "text",
    [
        "98.7",
        "98.89",
        "42",
        "25",
        "0.5",
        "2014-01-16T02:00:00Z",
        "2014-02-01",
        "Gucheng",
        "9.9e1",
        "1,000",
        "twelve",
        "14:30",
    ],
)
def test_what_nothing_supports_is_hidden(text: str) -> None:
    """Another number, time, device or number word is replaced, and the answer is not called verified."""
    result = checked(f"It is {text} there.")
    assert not result.clean
    assert text not in result.text
    assert HIDDEN in result.text
    assert not result.bindings


def test_what_the_question_says_may_be_repeated() -> None:
    """A date of the question is shown without a binding."""
    result = checked("24 readings on 2014-01-20.")
    assert result.clean
    assert [bound.text for bound in result.bindings] == ["24"]


def test_part_of_a_number_of_the_question_is_not_its_repetition() -> None:
    """That the question holds 2014-01-20 does not support the number 20, nor does 300 support 30."""
    assert not checked("It is 30.", question="above 300?").clean
    assert not checked("It is 3.", question="above 3.5?").clean


def test_a_claim_chooses_between_equal_cells() -> None:
    """Where two cells hold the value, the claimed one is bound."""
    result = checked("24 readings", Claim(0, 2, 1, 3))
    assert [(bound.row, bound.column) for bound in result.bindings] == [(1, 3)]


def test_a_wrong_claim_proves_nothing() -> None:
    """A claim on a cell that does not hold the number is of no use."""
    assert not checked("42 readings", Claim(0, 2, 0, 3)).clean
    assert not checked("42 readings", Claim(0, 2, 99, 99)).clean


def test_rounding_is_declared() -> None:
    """A rounded number says to how many digits."""
    (bound,) = checked("98.88").bindings
    assert bound.digits == 2
    (exact,) = checked("24").bindings
    assert exact.digits is None


def test_a_whole_number_is_never_rounded() -> None:
    """A count of 24 does not support 20 or 24.4."""
    assert not checked("24.4").clean


def test_digits_within_names_are_not_numbers() -> None:
    """A field such as pm25 is a name."""
    assert checked("The highest pm25 is 24.").clean
