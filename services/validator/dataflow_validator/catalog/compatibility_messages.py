"""Comparisons of revisions, and their differences, as messages."""

from typing import Final

from dataflow.validator.v1 import compatibility_pb2, contract_pb2

from dataflow_validator.contracts.compatibility import Change, CounterExample, Direction, Mode, Report

_MAX_LISTED: Final = 1_000


def read_mode(value: contract_pb2.CompatibilityMode.ValueType, otherwise: Mode) -> Mode:
    """Reads a mode; unset means another one."""
    return Mode(contract_pb2.CompatibilityMode.Name(value).removeprefix("COMPATIBILITY_MODE_")) if value else otherwise


def report_message(report: Report) -> compatibility_pb2.CheckCompatibilityResponse:
    """Writes what was found about a new revision."""
    found = [
        compatibility_pb2.Incompatibility(
            revision=one.revision,
            direction=_direction(finding.direction),
            path=finding.path,
            clause=finding.clause,
            old_rule=finding.old,
            new_rule=finding.new,
            message=finding.message,
            counter_example=_example(finding.counter_example),
        )
        for one in report.compared
        for finding in one.comparison.findings
    ]
    exempt = [
        compatibility_pb2.CompatibilityExemption(
            revision=one.revision,
            direction=_direction(exemption.direction),
            path=exemption.path,
            message=exemption.message,
            example=_example(exemption.example),
        )
        for one in report.compared
        for exemption in one.comparison.exemptions
    ]
    return compatibility_pb2.CheckCompatibilityResponse(
        compatible=report.is_compatible,
        mode=contract_pb2.CompatibilityMode.Value(f"COMPATIBILITY_MODE_{report.mode}"),
        compared_revisions=[one.revision for one in report.compared[:_MAX_LISTED]],
        incompatibilities=found[:_MAX_LISTED],
        problems=[
            compatibility_pb2.RevisionProblem(path=problem.path, message=problem.message)
            for problem in report.problems[:_MAX_LISTED]
        ],
        exemptions=exempt[:_MAX_LISTED],
    )


def change_message(change: Change) -> compatibility_pb2.RevisionChange:
    """Writes one difference."""
    return compatibility_pb2.RevisionChange(
        kind=compatibility_pb2.RevisionChangeKind.Value(f"REVISION_CHANGE_KIND_{change.kind}"),
        field=change.field,
        clause=change.clause,
        old_rule=change.old,
        new_rule=change.new,
        sentence=change.sentence,
    )


def _direction(direction: Direction) -> compatibility_pb2.CompatibilityDirection.ValueType:
    return compatibility_pb2.CompatibilityDirection.Value(f"COMPATIBILITY_DIRECTION_{direction}")


def _example(example: CounterExample | None) -> compatibility_pb2.CounterExample | None:
    if example is None:
        return None
    return compatibility_pb2.CounterExample(payload=example.payload, reasons=example.reasons)
