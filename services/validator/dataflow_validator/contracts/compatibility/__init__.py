"""Whether revisions of a contract get along: containment with counter-examples, columns, and differences for people."""

from dataflow_validator.contracts.compatibility.changes import Change, ChangeKind, changes
from dataflow_validator.contracts.compatibility.columns import column_problems, fixed_problems
from dataflow_validator.contracts.compatibility.compare import check, compare, compared_by
from dataflow_validator.contracts.compatibility.findings import (
    Compared,
    Comparison,
    CounterExample,
    Direction,
    Exemption,
    Finding,
    Mode,
    Problem,
    Report,
)

__all__ = [
    "Change",
    "ChangeKind",
    "Compared",
    "Comparison",
    "CounterExample",
    "Direction",
    "Exemption",
    "Finding",
    "Mode",
    "Problem",
    "Report",
    "changes",
    "check",
    "column_problems",
    "compare",
    "compared_by",
    "fixed_problems",
]
