"""Numbers in words, as the gate reads them."""

import math

import pytest
from dataflow_insight.answers.numbers import find_numbers


@pytest.mark.parametrize("words", ["hundred ", "hundred and ", "one hundred ", "two thousand hundred hundred "])
def test_hundreds_of_hundreds_are_no_number(words: str) -> None:
    """However many stand in a row: they are not read as one that no machine can hold."""
    assert all(math.isnan(number.value) for number in find_numbers((words * 500).strip()))


@pytest.mark.parametrize(
    ("words", "value"), [("nineteen hundred", 1900.0), ("three hundred thousand and two hundred", 300_200.0)]
)
def test_usual_numbers_are_read(words: str, value: float) -> None:
    """A hundred may follow what is below it, once in each part."""
    assert [number.value for number in find_numbers(words)] == [value]
