"""Asks over real data that came by MQTT and through the whole pipeline, as a user would with the command."""

import json
from pathlib import Path
from typing import Any

import pytest
from dataflow_stack.testing import LocalStack

from tests.sensor_data import AIR_FIELDS, air_rows

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def questions() -> list[dict[str, Any]]:
    """Give the published questions."""
    return [json.loads(line) for line in (DATA / "ask_published.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def loaded(stack: LocalStack) -> LocalStack:
    """Load twelve stations and 744 hours through the listener."""
    lines = []
    for device, moment, *values in air_rows():
        payload = {"device_id": device, "ts": moment.isoformat(), **dict(zip(AIR_FIELDS, values, strict=True))}
        lines.append(json.dumps({"topic": f"air/{device}", "payload": payload}))
    recording = stack.home / "air.jsonl"
    recording.write_text("\n".join(lines))
    fields = stack.home / "air.fields.json"
    fields.write_text(
        json.dumps(
            [
                {"name": "device_id", "type": "string"},
                {"name": "ts", "type": "timestamp"},
                *(
                    {"name": name, "type": "string" if name == "wd" else "number", "nullable": True}
                    for name in AIR_FIELDS
                ),
            ]
        )
    )
    stack.command("contract", "create", "air", "--fields", str(fields), "--event-time", "ts", "--identity", "device_id,ts", "--activate")  # fmt: skip
    stack.command("route", "create", "air/+", "--contract", "air")
    done = stack.command("replay", str(recording), "--wait-stored", "--json")
    assert json.loads(done.stdout)["stored"] == len(lines) == 12 * 744
    return stack


def test_published_questions_are_right_or_declined(loaded: LocalStack, questions: list[dict[str, Any]]) -> None:
    """Each that can be answered is right within tolerance; the others are declined without a number."""
    for case in questions:
        done = loaded.command("ask", case["question"], "--time-zone", "UTC", "--json", check=False)
        answer = json.loads(done.stdout)
        if case["answer_type"] == "none":
            assert answer["decline"], case["id"]
            assert not any(letter.isdigit() for letter in answer["answer"].replace(case["question"], "")), case["id"]
            continue
        assert not answer["decline"], (case["id"], answer["answer"])
        assert answer["verified"], case["id"]
        cells = [cell for row in answer["result"]["rows"] for cell in (row if isinstance(row, list) else row.values())]
        wanted = case["answer"]
        parts = (
            list(wanted.values()) + list(wanted)
            if isinstance(wanted, dict)
            else wanted
            if isinstance(wanted, list)
            else [wanted]
        )
        for part in parts:
            assert any(_same(cell, part, case["tolerance"] or 0) for cell in cells), (case["id"], part, cells[:4])


def _same(cell: object, wanted: object, tolerance: float) -> bool:
    if isinstance(wanted, int | float):
        return isinstance(cell, int | float) and abs(cell - wanted) <= tolerance
    return str(cell).replace("+00:00", "Z").startswith(str(wanted))
