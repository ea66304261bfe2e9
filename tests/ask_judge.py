"""Judges an answer against a golden question, by what its text says and by the cells that the text stands on."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tests.ask_client import Asked, value_of


def judge(asked: Asked, case: dict[str, Any]) -> str | None:
    """Returns what is wrong with an answer; None for a right one.

    Args:
        asked: The answer.
        case: A record of `tests/data/ask_questions.jsonl` or of the published questions.
    """
    if case["answer_type"] == "none":
        if not asked.finished.decline:
            return f"answered what is to be declined: {asked.text!r}"
        return "a declined answer has a number" if re.search(r"\d", asked.text) else None
    if asked.finished.decline:
        return f"declined ({asked.decline}): {asked.text!r}"
    if not asked.finished.verified:
        return f"not verified: {asked.text!r}"
    zone = ZoneInfo(case.get("time_zone") or "UTC")
    if _right(asked, case["answer_type"], case["answer"], float(case["tolerance"] or 0), zone):
        return None
    return f"{case['answer']!r} was wanted, the text is {asked.text[:300]!r}, the cells {asked.cells[:3]!r}"


def _right(asked: Asked, kind: str, answer: Any, tolerance: float, zone: ZoneInfo) -> bool:
    match kind:
        case "number":
            return _first_number(asked, answer, tolerance)
        case "numbers":
            return _in_order([_is_close(part, tolerance) for part in answer], _numbers(asked))
        case "number+device" | "number+timestamp" | "number+date":
            number, other = answer
            return _first_number(asked, number, tolerance) and _says(asked, other, zone)
        case "device" | "text":
            # A weekday is a number in its cell and a name in the text.
            texts = [
                (str(asked.cell_of(binding)), binding.text)
                for binding in asked.bindings
                if _is_text(asked.cell_of(binding)) or not any(letter.isdigit() for letter in binding.text)
            ]
            return bool(texts) and answer in texts[0]
        case "timestamp" | "date":
            times = [cell for binding in asked.bindings if _is_time(cell := asked.cell_of(binding))]
            return bool(times) and _same_time(times[0], answer, zone)
        case "timestamp_pair":
            times = [cell for binding in asked.bindings if _is_time(cell := asked.cell_of(binding))]
            return _in_order([lambda cell, part=part: _same_time(cell, part, zone) for part in answer], times)
        case "devices":
            named = {str(cell) for binding in asked.bindings if _is_text(cell := asked.cell_of(binding))}
            return named == set(answer)
        case "yes_no":
            return asked.text.startswith("Yes" if answer else "No")
        case "table":
            return _table(asked, answer, tolerance, zone)
        case _:
            raise ValueError(f"no check for {kind!r}")


def _first_number(asked: Asked, answer: float, tolerance: float) -> bool:
    numbers = _numbers(asked)
    return bool(numbers) and _is_close(answer, tolerance)(numbers[0])


def _numbers(asked: Asked) -> list[tuple[float, ...]]:
    """Returns each bound number of the text as it is shown and as its cell has it: seconds may be shown as hours."""
    found = []
    for binding in asked.bindings:
        cell = asked.cell_of(binding)
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            shown = re.search(r"-?\d[\d,]*(?:\.\d+)?", binding.text.replace("\u2212", "-"))
            values = [float(cell)]
            if shown is not None:
                values.append(float(shown.group().replace(",", "")))
            found.append(tuple(values))
    return found


def _is_close(answer: float, tolerance: float) -> Any:
    def close(values: Sequence[float]) -> bool:
        return any(math.isclose(value, answer, rel_tol=1e-6, abs_tol=tolerance + 1e-9) for value in values)

    return close


def _in_order(wanted: Sequence[Any], given: Sequence[Any]) -> bool:
    position = 0
    for check in wanted:
        while position < len(given) and not check(given[position]):
            position += 1
        if position == len(given):
            return False
        position += 1
    return True


def _says(asked: Asked, answer: str, zone: ZoneInfo) -> bool:
    for binding in asked.bindings:
        cell = asked.cell_of(binding)
        if cell == answer or (_is_time(cell) and _same_time(cell, answer, zone)):
            return True
    return False


def _is_text(cell: Any) -> bool:
    return isinstance(cell, str) and not _is_time(cell)


def _is_time(cell: Any) -> bool:
    return isinstance(cell, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", cell) is not None


def _same_time(cell: str, answer: str, zone: ZoneInfo) -> bool:
    moment = datetime.fromisoformat(cell)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", answer):
        return moment.astimezone(zone).date().isoformat() == answer
    wanted = datetime.fromisoformat(answer)
    return moment == (wanted if wanted.tzinfo is not None else wanted.replace(tzinfo=UTC))


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _table(asked: Asked, answer: dict[str, float], tolerance: float, zone: ZoneInfo) -> bool:
    """The rows of the result are those of the answer, by key, and the value stands behind the key."""
    for result in asked.results:
        rows: dict[str, float | None] = {}
        for row in result.rows:
            cells = [value_of(cell) for cell in row.cells]
            for key in _keys(cells[0], result.columns[0], zone):
                if key in answer:
                    value = next((cell for cell in cells[1:] if isinstance(cell, int | float)), None)
                    rows[key] = value
        if len(result.rows) == len(answer) and rows.keys() == answer.keys():
            return all(
                value is not None and math.isclose(value, answer[key], rel_tol=1e-6, abs_tol=tolerance + 1e-9)
                for key, value in rows.items()
            )
    return False


def _keys(cell: Any, column: str, zone: ZoneInfo) -> list[str]:
    if isinstance(cell, int) and column == "weekday":
        return [_WEEKDAYS[cell - 1]]
    if _is_time(cell):
        local = datetime.fromisoformat(cell).astimezone(zone)
        return [local.date().isoformat(), local.isoformat(), cell]
    return [str(cell)]
