"""Whether a revision may follow those before it: what is fixed, what columns hold, what the contract's mode demands. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dataflow_validator.contracts.names import Column
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.errors import RevisionIncompatibleError


class Mode(StrEnum):
    """What a new revision must be to those before it; the words of `dataflow.validator.v1.CompatibilityMode`."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    """It accepts every item that they accept."""
    FORWARD = "FORWARD"
    """They accept every item that it accepts."""
    FULL = "FULL"
    """Both."""
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        """Whether it looks at every revision before, not only at the newest."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def backward(self) -> bool:
        """Whether everything that was accepted must be accepted."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Whether everything that is accepted must have been accepted."""
        return self.value.startswith(("FORWARD", "FULL"))


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a revision may not follow another one.

    Attributes:
        path: The field, or the member of the spec.
        message: For people.
    """

    path: str
    message: str


MAX_TABLE_COLUMNS: Final = 1_600
"""What a Postgres table holds."""

_FIXED: Final = ("identity", "event_time", "event_time_format", "items", "message_format")
"""They say which reading an item is: with others the same message would be another row."""

_HOLDS: Final = frozenset({("bigint", "numeric")})
"""A value of the first type loses nothing in a column of the second."""


def fixed_findings(old: ContractSpec, new: ContractSpec) -> list[Finding]:
    """Finds what was changed though it belongs to the contract, not to a revision."""
    return [
        Finding(
            name,
            f"{name} is fixed for the contract's life (it is {_shown(getattr(old, name))}, not "
            f"{_shown(getattr(new, name))}): make a new contract",
        )
        for name in _FIXED
        if getattr(old, name, None) != getattr(new, name, None)
    ]


def column_findings(actual: Mapping[str, str], columns: Sequence[Column]) -> list[Finding]:
    """Finds fields whose columns exist with a type that does not hold them: no column is ever retyped.

    Args:
        actual: The type of each column of the table.
        columns: Of the new revision's fields.
    """
    found = [
        Finding(
            column.field,
            f"field {column.field!r} needs a column of type {column.sql_type}, and the column {column.name!r} is {kind} "
            "for ever: make a new contract",
        )
        for column in columns
        if (kind := actual.get(column.name, column.sql_type)) != column.sql_type
        and (column.sql_type, kind) not in _HOLDS
    ]
    total = len(actual) + sum(column.name not in actual for column in columns)
    if total > MAX_TABLE_COLUMNS:
        found.append(
            Finding(
                "fields",
                f"the table would have {total} columns, Postgres holds {MAX_TABLE_COLUMNS}: keep rarely used members in one "
                "field of type object, or make a new contract",
            )
        )
    return found


def mode_findings(before: Sequence[tuple[int, ContractSpec]], new: ContractSpec, mode: Mode) -> list[Finding]:
    """Finds what a mode does not allow.

    Args:
        before: The revisions to compare with.
        new: The rules of the new one.
        mode: The contract's.
    """
    return []


def refuse_unfit(new: ContractSpec, revision: int, findings: Sequence[Finding], mode: Mode = Mode.NONE) -> None:
    """Refuses a revision with findings.

    Args:
        new: Its rules.
        revision: What it was compared with.
        findings: Why it may not follow.
        mode: The contract's.

    Raises:
        RevisionIncompatibleError: There is a finding; with all of them.
    """
    if not findings:
        return
    count = len(findings)
    raise RevisionIncompatibleError(
        f"the revision of contract {new.name!r} may not follow revision {revision}: {count} finding"
        f"{'' if count == 1 else 's'}, in the violations",
        metadata={"contract": new.name, "revision": str(revision), "mode": mode.value},
        violations=[(f"spec.{finding.path}", finding.message) for finding in findings],
    )


def _shown(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
