"""The golden questions: what the planner makes of each, and their stored answers computed again without a database."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import Declined, Plan

from tests import sensor_data
from tests.ask_catalogue import AIR, NOW, ROOM

ROOT = Path(__file__).parents[2]
GOLDEN = [json.loads(line) for line in (ROOT / "tests" / "data" / "ask_golden.jsonl").read_text().splitlines()]

CATALOGUE = Catalogue((AIR, ROOM))

Row = dict[str, Any]
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    "=": lambda value, limit: value == limit,
}


def rows_of(rows: Iterable[sensor_data.Row], fields: Sequence[str]) -> list[Row]:
    """Gives packaged readings as the stored answers name their parts."""
    return [
        {"device": device, "time": f"{time:%Y-%m-%dT%H:%M:%SZ}"} | dict(zip(fields, values, strict=True))
        for device, time, *values in rows
    ]


def compute(rows: list[Row], wanted: Row) -> Any:
    """Computes an answer from rows, as the question's `compute` says."""
    chosen = [row for row in rows if _holds(row, wanted)]
    if not wanted.get("by_device"):
        return _value(chosen, wanted)
    groups: dict[str, list[Row]] = {}
    for row in chosen:
        groups.setdefault(row["device"], []).append(row)
    values = {device: _value(group, wanted) for device, group in sorted(groups.items())}
    if not (rank := wanted.get("rank", 0)):
        return values
    ordered = sorted(values.items(), key=lambda item: (-item[1] if rank > 0 else item[1], item[0]))
    edge = ordered[min(abs(rank), len(ordered)) - 1][1]
    return dict(item for item in ordered if (item[1] >= edge if rank > 0 else item[1] <= edge))


def _holds(row: Row, wanted: Row) -> bool:
    if wanted.get("devices") and row["device"] not in wanted["devices"]:
        return False
    if row["device"] in wanted.get("excluded", ()):
        return False
    time = datetime.fromisoformat(row["time"])
    if "start" in wanted and time < _time(wanted["start"]):
        return False
    if "end" in wanted and time >= _time(wanted["end"]):
        return False
    if "weekdays" in wanted and time.isoweekday() not in wanted["weekdays"]:
        return False
    minute = time.hour * 60 + time.minute
    if "hours" in wanted and not any(_within(minute, *hours) for hours in wanted["hours"]):
        return False
    return all(
        row[field] is not None and OPERATORS[operator](row[field], limit)
        for field, operator, limit in wanted.get("conditions", ())
    )


def _within(minute: int, start: int, end: int) -> bool:
    return start <= minute < end if start < end else minute >= start or minute < end


def _value(rows: list[Row], wanted: Row) -> Any:
    field: str = wanted.get("field", "")
    present = [row for row in rows if not field or row[field] is not None]
    numbers = [row[field] for row in present] if field else []
    match wanted["measure"]:
        case "COUNT":
            return len(present)
        case "MISSING":
            return len(rows) - len(present)
        case "COVERAGE":
            times = sorted(row["time"] for row in rows)
            return [times[0], times[-1], len(rows), len({row["device"] for row in rows})]
        case "AVG":
            mean = math.fsum(numbers) / len(numbers)
            return mean * 9 / 5 + 32 if wanted.get("unit") == "°F" else mean
        case "SUM":
            return math.fsum(numbers)
        case "LATEST":
            row = max(present, key=lambda row: row["time"])
            return [row[field], row["device"], row["time"]]
    best = max(numbers) if wanted["measure"] == "MAX" else min(numbers)
    if not wanted.get("where_and_when"):
        return best
    row = min((row for row in present if row[field] == best), key=lambda row: (row["time"], row["device"]))
    return [best, row["device"], row["time"]]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _plan_of(plan: Plan) -> Row:
    """Writes a plan as the golden file does."""
    written: Row = {"measure": plan.measure.name}
    if plan.field:
        written["field"] = plan.field
    if plan.scope.device_ids:
        written["devices"] = sorted(plan.scope.device_ids)
    if plan.scope.excluded_device_ids:
        written["excluded"] = list(plan.scope.excluded_device_ids)
    span = plan.scope.hull
    if span.start is not None:
        written["start"] = span.start
    if span.end is not None:
        written["end"] = span.end
    if plan.scope.weekdays:
        written["weekdays"] = list(plan.scope.weekdays)
    if plan.scope.day_times:
        written["hours"] = [[item.start_minute, item.end_minute] for item in plan.scope.day_times]
    if plan.scope.conditions:
        written["conditions"] = [[item.field, item.comparison.operator, item.limit] for item in plan.scope.conditions]
    if plan.unit:
        written["unit"] = plan.unit
    if plan.by_device:
        written["by_device"] = True
    if plan.rank:
        written["rank"] = plan.rank
    if plan.with_where_and_when:
        written["where_and_when"] = True
    return written


def _wanted_plan(wanted: Row) -> Row:
    times = {key: _time(wanted[key]) for key in ("start", "end") if key in wanted}
    devices = {"devices": sorted(wanted["devices"])} if "devices" in wanted else {}
    return wanted | times | devices


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["id"])
def test_golden_question_becomes_its_plan_or_refusal(case: Row) -> None:
    """Each golden question is planned as meant, or declined for the right reason and without a digit."""
    outcome = plan_question(case["question"], CATALOGUE, NOW)
    if case.get("decline", "NO_DATA") != "NO_DATA":
        assert isinstance(outcome, Declined), outcome
        assert outcome.reason.name == case["decline"]
        assert not any(letter.isdigit() for letter in outcome.text)
        return
    assert not isinstance(outcome, Declined), outcome
    if "compute" in case:
        (plan,) = outcome
        assert plan.contract == case["contract"]
        assert _plan_of(plan) == _wanted_plan(case["compute"])


def test_stored_answers_are_those_of_the_data() -> None:
    """Every stored answer equals what plain Python computes from the recordings."""
    rows = {
        "air": rows_of(sensor_data.air_rows(), sensor_data.AIR_FIELDS),
        "room": rows_of(sensor_data.room_rows(), sensor_data.ROOM_FIELDS),
    }
    for case in GOLDEN:
        if "compute" in case:
            assert compute(rows[case["contract"]], case["compute"]) == case["answer"], case["id"]
