"""Asks over real data that came by MQTT and through the whole pipeline, as a user would with the command."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from dataflow_stack.testing import LocalStack

FIELDS = ("pm25", "pm10", "so2", "no2", "co", "o3", "temp", "pres", "dewp", "rain", "wd", "wspm")


@pytest.fixture(scope="module")
def questions(full_cases: Path) -> list[dict[str, Any]]:
    """Give the published questions."""
    return [json.loads(line) for line in (full_cases / "ask" / "questions.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def loaded(stack: LocalStack, full_cases: Path) -> LocalStack:
    """Load twelve stations and 744 hours through the listener; an empty cell is null."""
    lines = []
    with (full_cases / "sensors" / "beijing-multisite" / "readings_2014-01.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            values = {
                name: None if row[name] == "" else row[name] if name == "wd" else float(row[name]) for name in FIELDS
            }
            payload = {"device_id": row["device_id"], "ts": row["ts"], **values}
            lines.append(json.dumps({"topic": f"air/{row['device_id']}", "payload": payload}))
    recording = stack.home / "air.jsonl"
    recording.write_text("\n".join(lines))
    fields = stack.home / "air.fields.json"
    fields.write_text(
        json.dumps(
            [
                {"name": "device_id", "type": "string"},
                {"name": "ts", "type": "timestamp"},
                *({"name": name, "type": "string" if name == "wd" else "number", "nullable": True} for name in FIELDS),
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
