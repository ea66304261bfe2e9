"""Results of jobs that judge history again, as proto JSON."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow_validator.jobs.kind import Json


def combined(results: Sequence[Json]) -> Json:
    """Make the proto JSON of `RejudgeResult` of what the one part has counted."""
    result = results[0] if results else {}
    contracts = result.get("contracts", {})
    return {
        **{key: value for key, value in result.items() if key != "contracts"},
        "contracts": [{"contract": name, **counts} for name, counts in sorted(contracts.items())],
    }
