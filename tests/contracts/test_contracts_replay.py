"""Real sensor streams judged row by row: the verdict and the fields at fault are exactly those expected."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    ContractSpec,
    DeviceRule,
    compile_contract,
    from_fields_document,
    from_json_schema_document,
)


@pytest.mark.parametrize("read", [from_fields_document, from_json_schema_document])
def test_replay_streams_are_judged_as_expected(cases: Path, read: Callable[[object], ContractSpec]) -> None:
    """A contract file judges alike through its field list and through its JSON Schema."""
    streams = sorted((cases / "replay").glob("*.contract.json"))
    assert streams
    for path in streams:
        spec = replace(read(json.loads(path.read_text())), identity=("device_id", "ts"), event_time="ts")
        contract = compile_contract(spec, 1)
        rule = DeviceRule.parse("payload:/device_id")
        expected = json.loads(path.with_name(path.name.replace(".contract.", ".expected.")).read_text())
        verdicts: Counter[bool] = Counter()
        by_field: Counter[str] = Counter()
        wrong = []
        for line in path.with_name(path.name.replace(".contract.json", ".jsonl")).read_text().splitlines():
            row = json.loads(line)
            payload = json.dumps(row["payload"]).encode()
            arrival = Arrival(row["topic"], None, payload, datetime(2026, 1, 1, tzinfo=UTC), None, False, bytes(16), 0)
            [outcome] = contract.judge(arrival, rule)
            accepted = isinstance(outcome, Accepted)
            fields = (
                [] if isinstance(outcome, Accepted) else sorted({why.path.split("/")[1] for why in outcome.reasons})
            )
            verdicts[accepted] += 1
            by_field.update(fields)
            if accepted != (row["expect"] == "accept") or fields != sorted(row["fields"]):
                wrong.append((row["n"], outcome))
        assert wrong == []
        assert (verdicts[True], verdicts[False]) == (expected["accept"], expected["reject"])
        assert by_field == expected["rejects_by_field"]
