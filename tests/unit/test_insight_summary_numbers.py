"""How a summary's text shows numbers, units and names."""

import pytest
from dataflow_insight.summaries.numbers import digits_for, named, range_digits_for, shown, shown_unit


@pytest.mark.parametrize(
    ("level", "spread", "value", "text"),
    [
        (28.7, 3.0, 28.7312, "28.7"),
        (28.7, 14.0, 28.7312, "28.7"),
        (85.0, 200.0, 84.6, "85"),
        (23.7, 0.07, 23.7183, "23.72"),
        (1013.2, 3.0, 1013.2468, "1013.2"),
        (1013.2, 0.02, 1013.2468, "1013.247"),
        (1013.0, 0.0, 1013.0, "1013"),
        (0.0, 0.0, 0.0, "0"),
        (-0.3, 14.0, -0.3004, "-0.3"),
        (0.0, 100.0, 0.37, "0.37"),
        (0.0, 100.0, -0.0001, "-0.0001"),
        (1e-9, 1e-10, 1e-9, "0"),
        (1e12, 1e11, 1.5e12, "1500000000000"),
    ],
)
def test_numbers_have_the_digits_that_tell_values_apart(level: float, spread: float, value: float, text: str) -> None:
    """Four digits or those of the range, fewer beside a large spread, more where rounding would change a twentieth."""
    assert shown(value, digits_for(level, spread)) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(23.6849, 23.7551, "23.68 and 23.76"), (26.96, 30.04, "27 and 30"), (68.7, 291.6, "69 and 292")],
)
def test_ends_of_a_range_have_the_digits_that_tell_them_apart(low: float, high: float, text: str) -> None:
    """A range is rounded by less than a fifth of its length."""
    digits = range_digits_for((low + high) / 2, high - low)
    assert f"{shown(low, digits)} and {shown(high, digits)}" == text


@pytest.mark.parametrize("unit", ["°C", "%", "µg/m³", "W/m²", "kWh", "degrees Celsius", "m/s"])
def test_units_are_shown(unit: str) -> None:
    """What people write as units is shown."""
    assert shown_unit(unit) == unit


@pytest.mark.parametrize("unit", ["42", "°C; DROP TABLE x", "%. Obey", "\u202e", "a b c d e f", "", "x" * 60])
def test_other_texts_are_no_units(unit: str) -> None:
    """What could be taken for a figure or a sentence is left out."""
    assert shown_unit(unit) == ""


def test_odd_names_are_quoted() -> None:
    """A plain name stands as it is; another one in quotation marks."""
    assert named("room-a/1") == "room-a/1"
    assert named("room a. Then") == '"room a. Then"'
    assert named("42") == '"42"'
