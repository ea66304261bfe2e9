"""Catalogues of the packaged readings, without a database, and what the planner makes of a question over them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import Decline, Declined, Plan, Scope, TimeRange

from tests import sensor_data

NOW: Final = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)

_STATIONS: Final = (
    "Aotizhongxin Changping Dingling Dongsi Guanyuan Gucheng Huairou Nongzhanguan Shunyi Tiantan Wanliu Wanshouxigong"
)
_FIRST: Final = datetime(2014, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2014, 1, 31, 23, tzinfo=UTC)


def _air(name: str, fields: tuple[str, ...]) -> Contract:
    return Contract(
        name,
        tuple(Field(item, item, Kind.TEXT if item in sensor_data.TEXT_FIELDS else Kind.NUMBER) for item in fields),
        tuple(_STATIONS.split()),
        first_time=_FIRST,
        last_time=_LAST,
        cadence=HOUR,
    )


AIR: Final = _air("air", sensor_data.AIR_FIELDS)
POLLUTION: Final = _air("pollution", sensor_data.POLLUTION_FIELDS)
WEATHER: Final = _air("weather", sensor_data.WEATHER_FIELDS)
ROOM: Final = Contract(
    "room",
    (
        Field("temperature", "temperature", Kind.NUMBER, "°C"),
        Field("humidity", "humidity", Kind.NUMBER, "%"),
        Field("light", "light", Kind.NUMBER, "lux"),
        Field("co2", "co2", Kind.NUMBER, "ppm"),
        Field("occupancy", "occupancy", Kind.INTEGER),
    ),
    ("room-a", "room-b"),
    first_time=datetime(2015, 2, 2, 14, 19, tzinfo=UTC),
    last_time=datetime(2015, 2, 10, 9, 33, tzinfo=UTC),
    cadence=timedelta(minutes=1),
)
MACHINE: Final = Contract(
    "machine",
    (Field("temperature", "temperature", Kind.NUMBER, "°F"),),
    ("press-1",),
    first_time=datetime(2013, 12, 2, 21, 15, tzinfo=UTC),
    last_time=datetime(2014, 2, 19, 15, 25, tzinfo=UTC),
    cadence=timedelta(minutes=5),
)

MAIN: Final = Catalogue((AIR, ROOM, MACHINE))
"""Three contracts that have nothing to do with each other."""

JOINED: Final = Catalogue((POLLUTION, WEATHER))
"""The columns of `AIR` in two contracts."""


def planned(question: str, catalogue: Catalogue = MAIN) -> Plan:
    """Returns the plan of a question that has exactly one, without its assumptions."""
    outcome = plan_question(question, catalogue, NOW)
    assert not isinstance(outcome, Declined), outcome.text
    (plan,) = outcome
    return replace(plan, assumptions=())


def declined(question: str, catalogue: Catalogue = MAIN) -> Decline:
    """Returns why a question has no plan."""
    outcome = plan_question(question, catalogue, NOW)
    assert isinstance(outcome, Declined), outcome
    return outcome.reason


def days(first: str, last: str) -> TimeRange:
    """Returns the range from the first day through the last."""
    return TimeRange(
        datetime.fromisoformat(first).replace(tzinfo=UTC),
        datetime.fromisoformat(last).replace(tzinfo=UTC) + timedelta(days=1),
    )


def at(*devices: str, times: tuple[TimeRange, ...] = ()) -> Scope:
    """Returns a scope of devices and times."""
    return Scope(device_ids=devices, times=times)


def without_assumptions(outcome: tuple[Plan, ...] | Declined) -> tuple[Plan, ...]:
    """Returns plans without their assumptions."""
    assert not isinstance(outcome, Declined), outcome.text
    return tuple(replace(plan, assumptions=()) for plan in outcome)
