"""Questions that are made to be slow to read: declined before they are read, or read in a time that grows with their length."""

from zoneinfo import ZoneInfo

import pytest
from dataflow_insight.english.follow_up import plan_in_conversation
from dataflow_insight.english.planner import MAX_LETTERS
from dataflow_insight.plans.plan import Decline, Declined

from tests.ask_catalogue import MAIN, NOW


@pytest.mark.parametrize("word", ["0", "9", "1.1.", "a", "a,", "2014-01-", "é", "'"])
@pytest.mark.parametrize("earlier", [[], ["How many readings did Tiantan send?"]])
def test_a_word_that_never_ends_is_not_read(word: str, earlier: list[str]) -> None:
    """Patterns would go over it again from each of its letters, and nobody else's question would be answered meanwhile."""
    question = word * (2_000 // len(word))
    found = plan_in_conversation(question, earlier, MAIN, NOW, "", ZoneInfo("UTC"))

    assert len(question) > MAX_LETTERS
    assert isinstance(found, Declined)
    assert found.reason is Decline.NOT_UNDERSTOOD


@pytest.mark.parametrize("words", ["1 and ", "1, and ", "and 1 ", "the 1 or ", "90th and the "])
def test_numbers_in_a_row_are_read_once(words: str) -> None:
    """A list of numbers without an end is no list of percentiles; it was gone over in all ways that there are."""
    found = plan_in_conversation(words * 37, [], MAIN, NOW, "", ZoneInfo("UTC"))

    assert isinstance(found, Declined)
