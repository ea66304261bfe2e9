"""Units: what means the same, what can be converted, and what cannot."""

import pytest
from dataflow_insight.catalogue.units import UNITS, conversion, convertible, unit_named


@pytest.mark.parametrize(
    ("value", "source", "target", "wanted"),
    [
        (0.0, "°C", "°F", 32.0),
        (100.0, "celsius", "fahrenheit", 212.0),
        (14.0, "°F", "°C", -10.0),
        (0.0, "°C", "K", 273.15),
        (32.0, "F", "kelvin", 273.15),
        (8.1, "m/s", "km/h", 29.16),
        (1.0, "mph", "m/s", 0.44704),
        (1000.0, "hPa", "bar", 1.0),
        (760.0, "mmHg", "hPa", 1013.25),
        (25.4, "mm", "in", 1.0),
        (1500.0, "µg/m³", "mg/m3", 1.5),
        (1500.0, "μg/m3", "mg/m³", 1.5),
        (2.5, "kW", "W", 2500.0),
        (90.0, "min", "h", 1.5),
    ],
)
def test_values_change_between_units_of_one_quantity(value: float, source: str, target: str, wanted: float) -> None:
    """Whatever the spelling of the units."""
    found = conversion(source, target)
    assert found is not None
    assert found.of(value) == pytest.approx(wanted, rel=1e-9)


def test_a_difference_has_no_zero_point() -> None:
    """Ten degrees more are eighteen degrees Fahrenheit more."""
    found = conversion("°C", "°F")
    assert found is not None
    assert found.of_difference(10.0) == pytest.approx(18.0)


@pytest.mark.parametrize(("source", "target"), [("°C", "m/s"), ("", "°C"), ("°C", ""), ("", ""), ("lux", "°C")])
def test_what_measures_something_else_is_not_converted(source: str, target: str) -> None:
    """Nor is what has no unit, or one that is not known."""
    assert conversion(source, target) is None


def test_a_unit_that_is_not_known_is_itself() -> None:
    """A plan may name the field's own unit, whatever it is."""
    found = conversion("lux", "lux")
    assert found is not None
    assert found.of(3.0) == 3.0


def test_case_tells_symbols_apart_where_it_must() -> None:
    """A milliwatt is no megawatt; elsewhere case does not matter."""
    milli, mega, kilo = unit_named("mW"), unit_named("MW"), unit_named("KM/H")
    assert milli is not None
    assert mega is not None
    assert kilo is not None
    assert (milli.symbol, mega.symbol, kilo.symbol) == ("mW", "MW", "km/h")


def test_no_spelling_means_two_units() -> None:
    """Each symbol and name finds its own unit again."""
    for unit in UNITS:
        for name in (unit.symbol, *unit.names):
            assert unit_named(name) is unit


def test_what_a_unit_can_become_is_listed() -> None:
    """For texts that tell a planner what it may ask for."""
    assert convertible("celsius") == ("°C", "°F", "K")
    assert convertible("lux") == ()
