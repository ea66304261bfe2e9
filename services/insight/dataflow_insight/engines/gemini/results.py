"""Results as the model sees them: compact, with the numbers of rows and columns, cut to a bound."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from dataflow_insight.engines.engine import Computed
from dataflow_insight.engines.gemini.context import quoted_json
from dataflow_insight.engines.gemini.redaction import Redactor
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Value

_MOST_TEXT: Final = 200
_DIGITS: Final = 12


def result_json(computed: Computed, redactor: Redactor, max_characters: int) -> dict[str, Any]:
    """Returns a result for the model; `rows` are `[number, cell, cell ...]`.

    Args:
        computed: What the database returned.
        redactor: Gives devices their names, or keeps all cells back.
        max_characters: Of the rows together.
    """
    table = computed.table
    columns = [
        {"column": number, "name": redactor.outward(name), "role": role.value}
        for number, (name, role) in enumerate(zip(table.query.columns, table.query.roles, strict=True))
    ]
    told: dict[str, Any] = {"result": computed.index, "columns": columns, "row_count": len(table.rows)}
    if table.truncated:
        told["note"] = "the database had more rows; narrow the plan to see them"
    if not redactor.policy.values:
        told["rows"] = "kept from you; refer to cells by number, the reader sees them"
        told["cells_without_value"] = [
            [row, column]
            for row, cells in enumerate(table.rows[:10])
            for column, cell in enumerate(cells)
            if cell is None
        ]
        return told
    rows: list[list[object]] = []
    left = max_characters
    for number, cells in enumerate(table.rows):
        row = [number, *(_cell(cell, role, redactor) for cell, role in zip(cells, table.query.roles, strict=True))]
        left -= len(quoted_json(row)) + 1
        if left < 0:
            told["note"] = f"only the first {number} rows are shown to you; the reader gets all of them as a table"
            break
        rows.append(row)
    told["rows"] = rows
    return told


def error_json(text: str, redactor: Redactor) -> Mapping[str, Any]:
    """Returns what the model is told of a plan that does not fit."""
    return {"error": redactor.outward(text)[: _MOST_TEXT * 2]}


def _cell(value: Value, role: Role, redactor: Redactor) -> object:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case float():
            return float(f"{value:.{_DIGITS}g}") if abs(value) < float("inf") else str(value)
        case str():
            return redactor.alias(value) if role is Role.DEVICE else redactor.outward(value[:_MOST_TEXT])
        case _:
            return value
