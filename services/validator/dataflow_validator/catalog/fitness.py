"""Whether a revision may follow those before it: what is fixed, what columns hold, what the contract's mode demands. Pure."""

from collections.abc import Sequence

from dataflow_validator.contracts.compatibility import (
    Mode,
    Problem,
    column_problems,
    compare,
    compared_by,
    fixed_problems,
)
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.errors import RevisionIncompatibleError


def mode_findings(before: Sequence[tuple[int, ContractSpec]], new: ContractSpec, mode: Mode) -> list[Problem]:
    """Finds what a mode does not allow: what earlier revisions accept and the new one refuses, or the other way round.

    Takes some milliseconds for each revision, and more for large schemas: call it in a thread.

    Args:
        before: The revisions to compare with.
        new: The rules of the new one.
        mode: The contract's.
    """
    return [
        Problem(f"fields{finding.path}", f"against revision {revision}, {finding.direction}: {finding.message}")
        for revision, old in compared_by(mode, sorted(before, key=lambda one: one[0]))
        for finding in compare(old, new, mode.directions).findings
    ]


def refuse_unfit(new: ContractSpec, revision: int, findings: Sequence[Problem], mode: Mode = Mode.NONE) -> None:
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
        f"{'' if count == 1 else 's'}, in the violations; CheckCompatibility gives them whole",
        metadata={"contract": new.name, "revision": str(revision), "mode": mode.value},
        violations=[(f"spec.{finding.path}", finding.message) for finding in findings],
    )


__all__ = ["Mode", "Problem", "column_problems", "fixed_problems", "mode_findings", "refuse_unfit"]
