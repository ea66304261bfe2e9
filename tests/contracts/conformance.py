"""Judges every case of the shared case data and says by file what came out right.

Run: python tests/contracts/conformance.py --cases DIR [--json]. Ends with 1 if anything is wrong that is no exception.
"""

import argparse
import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    Coercion,
    CompiledContract,
    ContractError,
    ContractSpec,
    DeviceRule,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    RefusalKind,
    Refused,
    UnknownFields,
    compile_contract,
    from_fields_document,
    from_json_schema_document,
)

CONTRACTS = Path(__file__).parent / "payload_contracts"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Figures:
    """What came out of one file.

    Attributes:
        file: Its name.
        cases: How many it has.
        right: How many got the right verdict.
        values: How many values were compared with the file's own.
        values_right: How many of them are equal.
        exceptions: What is not as the file has it, by the reason for it.
        wrong: What is wrong without a reason.
    """

    file: str
    cases: int = 0
    right: int = 0
    values: int = 0
    values_right: int = 0
    exceptions: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def verdict(self, right: bool, what: str) -> None:
        """Count one case."""
        self.cases += 1
        self.right += right
        if not right:
            self.wrong.append(what)

    def value(self, right: bool, what: str) -> None:
        """Count one value."""
        self.values += 1
        self.values_right += right
        if not right:
            self.wrong.append(what)

    def exception(self, why: str, count: int = 1) -> None:
        """Count what is not as the file has it, for a reason."""
        self.exceptions[why] = self.exceptions.get(why, 0) + count


def arrive(payload: bytes, topic: str = "dev/x") -> Arrival:
    """Make a message."""
    return Arrival(topic, None, payload, RECEIVED, None, maybe_duplicate=False, batch_id=bytes(16), position=0)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read JSON lines."""
    return (json.loads(line) for line in path.read_text().splitlines())


def json_schema_suite(path: Path, figures: Figures) -> None:
    """Judge the JSON Schema suite by contracts made of its schemas."""
    for case in lines(path):
        contract = compile_contract(from_json_schema_document(case["schema"], name="suite"), 1)
        right = contract.is_valid(case["data"]) == case["valid"]
        figures.verdict(right, f"{case['file']}: {case['group']}: {case['test']}")


def fiware(path: Path, figures: Figures) -> None:
    """Judge messages by a published data model, and refuse its form with remote references."""
    model = path.name.removesuffix(".cases.jsonl")
    schema = json.loads(path.with_name(f"{model}.schema.bundled.json").read_text())
    contract = compile_contract(from_json_schema_document(schema, name="fiware"), 1)
    for case in lines(path):
        [outcome] = contract.judge(arrive(json.dumps(case["message"]).encode()), DeviceRule.parse("topic:1"))
        figures.verdict(isinstance(outcome, Accepted) == (case["expect"] == "accept"), case["case"])
        if case["reject_only_if_formats_are_asserted"]:
            figures.exception(
                "accepted, as labelled, though a format is broken: formats annotate (JSON Schema 2020-12)"
            )
    remote = json.loads(path.with_name(f"{model}.schema.original_remote_refs.json").read_text())
    try:
        compile_contract(from_json_schema_document(remote, name="fiware"), 1)
        figures.wrong.append("the form with remote references was not refused")
    except ContractError:
        pass


def parsing(path: Path, figures: Figures) -> None:
    """Read what a JSON parser must accept and refuse what it must reject."""
    contract = compile_contract(from_json_schema_document(True, name="anything"), 1)
    contract = compile_contract(replace(contract.spec, unknown=UnknownFields.KEEP), 1)
    for case in lines(path):
        outcomes = contract.judge(arrive(base64.b64decode(case["b64"])), DeviceRule.parse("topic:1"))
        unparsable = any(isinstance(item, Refused) and item.kind is RefusalKind.UNPARSABLE for item in outcomes)
        figures.verdict(unparsable == (case["expect"] == "reject"), case["name"])


def strings(path: Path, figures: Figures) -> None:
    """Store naughty strings exactly."""
    contract = compile_contract(ContractSpec("naughty", (FieldSpec("text", FieldType.STRING),)), 1)
    for text in json.loads(path.read_text()):
        [outcome] = contract.judge(arrive(json.dumps({"text": text}).encode()), DeviceRule.parse("topic:1"))
        figures.verdict(isinstance(outcome, Accepted), repr(text))
        figures.value(isinstance(outcome, Accepted) and outcome.row[6] == text, repr(text))


def stream(path: Path, figures: Figures) -> None:
    """Judge a recorded stream by its field list and by its JSON Schema: verdict and fields at fault."""
    document = json.loads(path.with_name(path.name.replace(".jsonl", ".contract.json")).read_text())
    rule = DeviceRule.parse("payload:/device_id")
    for read in (from_fields_document, from_json_schema_document):
        spec = replace(read(document), identity=("device_id", "ts"), event_time="ts")
        contract = compile_contract(spec, 1)
        for row in lines(path):
            [outcome] = contract.judge(arrive(json.dumps(row["payload"]).encode(), row["topic"]), rule)
            accepted = isinstance(outcome, Accepted)
            at_fault = [] if accepted else sorted({why.path.split("/")[1] for why in outcome.reasons})  # type: ignore[union-attr]
            figures.verdict(accepted == (row["expect"] == "accept"), f"row {row['n']}")
            figures.value(at_fault == sorted(row["fields"]), f"row {row['n']}: {at_fault}")


@dataclass(frozen=True)
class Payload:
    """A contract for payloads of one kind."""

    document: dict[str, Any]
    contract: CompiledContract
    rule: DeviceRule

    def row(self, outcome: Accepted) -> dict[str, Any]:
        """Give the values of a row by field."""
        columns = self.contract.columns
        return {column.field: value for column, value in zip(columns, outcome.row[6:-1], strict=True)}


def payload_contracts() -> dict[str, Payload]:
    """Compile the contracts beside this file."""
    found = {}
    for path in sorted(CONTRACTS.glob("*.json")):
        document = json.loads(path.read_text())
        spec = replace(
            from_fields_document(document, name=path.stem),
            identity=tuple(document.get("identity", ())),
            event_time=document.get("event_time"),
            event_time_format=EventTimeFormat(document.get("event_time_format", "auto")),
            unknown=UnknownFields(document["unknown"]),
            coerce=Coercion(document["coerce"]),
        )
        found[path.stem] = Payload(document, compile_contract(spec, 1), DeviceRule.parse(document["device"]))
    return found


def lorawan(path: Path, figures: Figures) -> None:
    """Judge uplinks by the contract of their network server, and compare times and attributes."""
    contracts = payload_contracts()
    by_server = {
        server: payload
        for payload in contracts.values()
        for server in payload.document.get("match", {}).get("network_server", [])
    }
    for case in lines(path):
        name = case["source_path"]
        payload = by_server[case["network_server"]]
        [outcome] = payload.contract.judge(arrive(json.dumps(case["payload"]).encode()), payload.rule)
        accepted = isinstance(outcome, Accepted)
        figures.verdict(accepted, f"{name}: {outcome}")
        if not isinstance(outcome, Accepted):
            continue
        row = payload.row(outcome)
        expected = case["expected"] if isinstance(case["expected"], list) else [case["expected"]]
        for key, wanted in expected[0].get("attributes", {}).items():
            if key in payload.document["expect"]:
                figures.value(_same(row[payload.document["expect"][key]], wanted), f"{name}: {key} is not {wanted!r}")
            else:
                figures.exception("attributes that the vendor's decoder reads out of the device's own bytes")
        for measured in _list(expected[0].get("telemetry")):
            _compare_time(
                figures, name, outcome, measured, row["data" if "data" in row else "/uplink_message/frm_payload"]
            )
        for gateway, wanted in zip(json.loads(row.get("gws") or "[]"), expected[1:], strict=False):
            figures.value(gateway["gweui"] == wanted["attributes"]["eui"], f"{name}: gateway")
            values = wanted["telemetry"][0]["values"]
            figures.value({key: gateway[key] for key in values} == values, f"{name}: gateway values")


def _compare_time(figures: Figures, name: str, outcome: Accepted, measured: dict[str, Any], data: bytes) -> None:
    event_time = outcome.row[1]
    assert isinstance(event_time, datetime)
    ours = (event_time - EPOCH) // timedelta(milliseconds=1)
    wanted = measured.get("ts", ours)
    if ours == wanted:
        figures.value(True, name)
    elif any(seconds.to_bytes(4, "little") in data for seconds in (wanted // 1000, wanted) if seconds < 2**32):
        figures.exception("telemetry times that the device's own bytes carry (buffered readings)")
    else:
        figures.value(False, f"{name}: event time {ours}, not {wanted}")


def _same(value: object, wanted: object) -> bool:
    return value == wanted or str(value) == str(wanted)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def senml(path: Path, figures: Figures) -> None:
    """Judge the records of SenML packs; compare with the resolved ones where a record says all by itself."""
    payload = payload_contracts()["senml"]
    for case in lines(path):
        outcomes = payload.contract.judge(arrive(case["raw_text"].encode()), payload.rule)
        for sent, wanted, outcome in zip(case["pack"], case["resolved_own"], outcomes, strict=True):
            accepted = isinstance(outcome, Accepted)
            figures.verdict(accepted, f"{case['id']}: {outcome}")
            if isinstance(outcome, Accepted):
                row = {key: value for key, value in payload.row(outcome).items() if value is not None}
                figures.value(row == sent, f"{case['id']}: {row}")
                if row != {"t": row.get("t"), **wanted} and row != {key: wanted[key] for key in wanted if key in row}:
                    figures.exception("records whose base name, time or unit stands in an earlier record: kept as sent")


def home(path: Path, figures: Figures) -> None:
    """Judge messages of home devices; each value of the payload is in its column or in `extra`."""
    payload = payload_contracts()["tasmota"]
    for case in lines(path):
        [outcome] = payload.contract.judge(arrive(json.dumps(case["payload"]).encode(), case["topic"]), payload.rule)
        figures.verdict(isinstance(outcome, Accepted), f"{case['payload']}: {outcome}")
        if not isinstance(outcome, Accepted):
            continue
        left = json.loads(str(outcome.row[-1])) if outcome.row[-1] else {}
        row = payload.row(outcome)
        for tokens, sent in _leaves(case["payload"], ()):
            stored = _stored(payload, row, left, tokens)
            figures.value(_equal(stored, sent), f"{tokens}: {stored!r}, not {sent!r}")


def _leaves(value: Any, tokens: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*tokens, key))
    else:
        yield tokens, value


def _stored(payload: Payload, row: dict[str, Any], left: Any, tokens: tuple[str, ...]) -> Any:
    for spec in payload.contract.spec.fields:
        if tokens[: len(spec.tokens)] == spec.tokens:
            value = row[spec.name]
            value = json.loads(value) if spec.type in {FieldType.JSON, FieldType.ARRAY} else value
            for token in tokens[len(spec.tokens) :]:
                value = value[token]
            return value
    for token in tokens:
        left = left[token]
    return left


def _equal(stored: Any, sent: Any) -> bool:
    if isinstance(stored, datetime):
        return stored == datetime.fromisoformat(sent).replace(tzinfo=UTC)
    return bool(stored == sent or (isinstance(stored, float) and stored == float(sent)))


KINDS: dict[str, Callable[[Path, Figures], None]] = {
    "contracts/jsonschema_*.jsonl": json_schema_suite,
    "contracts/fiware/*.cases.jsonl": fiware,
    "hostile/json_parsing*.jsonl": parsing,
    "hostile/blns*.json": strings,
    "replay/*.jsonl": stream,
    "payloads/lorawan*.jsonl": lorawan,
    "payloads/senml*.jsonl": senml,
    "payloads/home*.jsonl": home,
}


def run(cases: Path) -> list[Figures]:
    """Judge all files of a folder.

    Args:
        cases: Laid out as the shared case data.
    """
    found = []
    for pattern, judge in KINDS.items():
        for path in sorted(cases.glob(pattern)):
            figures = Figures(str(path.relative_to(cases)))
            judge(path, figures)
            found.append(figures)
    return found


def main() -> int:
    """Print a table by file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = run(arguments.cases)
    if arguments.json:
        print(json.dumps([vars(figures) for figures in found], indent=1))
    else:
        print("| file | cases | right verdict | values compared | right | exceptions |")
        print("|---|---:|---:|---:|---:|---|")
        for one in found:
            exceptions = "; ".join(f"{count} {why}" for why, count in one.exceptions.items())
            print(f"| {one.file} | {one.cases} | {one.right} | {one.values} | {one.values_right} | {exceptions} |")
        for one in found:
            for what in one.wrong[:20]:
                print(f"wrong: {one.file}: {what}", file=sys.stderr)
    return int(any(one.wrong for one in found))


if __name__ == "__main__":
    sys.exit(main())
