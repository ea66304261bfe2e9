"""`dataflow contract import|export|judge` against a scripted server: what they send, print and exit with."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from dataflow.validator.v1 import (
    contract_language_pb2,
    contract_pb2,
    contract_service_pb2,
    quarantine_pb2,
    reading_pb2,
)
from dataflow_cli.root import dataflow
from dataflow_client.testing import Script, serving

DOCUMENT = {"type": "object", "properties": {"a": {"type": "integer"}}}
SPEC = contract_pb2.ContractSpec(
    fields=[contract_pb2.Field(name="a", type=contract_pb2.FIELD_TYPE_INTEGER, column_name="a", column_type="bigint")]
)


class Stack:
    """A data directory that points to a scripted server, and the command."""

    def __init__(self, script: Script, data_dir: Path) -> None:
        self.script = script
        self.data_dir = data_dir

    def run(self, *arguments: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(dataflow, ["contract", *arguments, "--data-dir", str(self.data_dir)], input=stdin)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name in ("DATA_DIR", "BRIDGE", "VALIDATOR", "INSIGHT", "TOKEN", "TOKEN_FILE", "TLS_CA", "INSECURE"):
        monkeypatch.delenv(f"DATAFLOW_{name}", raising=False)
    script = Script()
    with serving(script) as target:
        (tmp_path / "tokens.json").write_text('{"tokens": [{"token": "t", "name": "admin", "role": "ADMIN"}]}')
        services = {"bridge": target, "validator": target, "insight": target}
        status = {"mqtt": "127.0.0.1:1883", "grpc": services, "token_file": "tokens.json"}
        (tmp_path / "status.json").write_text(json.dumps(status))
        yield Stack(script, tmp_path)


def imported(script: Script) -> None:
    warning = contract_language_pb2.DocumentWarning(path="/a", message="only annotates")
    script.on("ImportJsonSchema", contract_language_pb2.ImportJsonSchemaResponse(spec=SPEC, warnings=[warning]))


def judged(*items: contract_language_pb2.JudgedItem) -> contract_language_pb2.JudgePayloadResponse:
    accepted = sum(item.accepted for item in items)
    return contract_language_pb2.JudgePayloadResponse(
        items=items, item_count=len(items), accepted_count=accepted, revision=3
    )


def accepted_item() -> contract_language_pb2.JudgedItem:
    item = contract_language_pb2.JudgedItem(
        accepted=True, fields={"a": reading_pb2.Value(integer_value=5)}, device_id="dev", zone_assumed=True
    )
    item.event_time.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    return item


def refused_item() -> contract_language_pb2.JudgedItem:
    why = quarantine_pb2.Reason(path="/a", rule="type", expected="integer", actual='"x"', message="m")
    return contract_language_pb2.JudgedItem(element=1, kind=quarantine_pb2.QUARANTINE_KIND_REFUSED, reasons=[why])


def test_import_shows_columns_and_warns_on_standard_error(stack: Stack, tmp_path: Path) -> None:
    """Standard output has the rules, alone and as JSON; nothing is made."""
    imported(stack.script)
    (tmp_path / "s.json").write_text(json.dumps(DOCUMENT))
    shown = stack.run("import", str(tmp_path / "s.json"))
    assert shown.exit_code == 0, shown.output
    assert "a bigint" in shown.stdout
    assert shown.stderr == "/a: only annotates\n"
    assert json.loads(stack.script.requests("ImportJsonSchema")[0].document) == DOCUMENT
    printed = stack.run("import", "-", "--json", stdin=json.dumps(DOCUMENT).encode())
    assert json.loads(printed.stdout)["fields"][0]["name"] == "a"
    assert "CreateContract" not in stack.script.calls


def test_import_makes_a_contract_where_asked(stack: Stack, tmp_path: Path) -> None:
    """The rules that came back are those that are sent."""
    imported(stack.script)
    made = contract_pb2.Contract(name="room", spec=SPEC, active_revision=1)
    stack.script.on("CreateContract", contract_service_pb2.CreateContractResponse(contract=made))
    (tmp_path / "s.json").write_text(json.dumps(DOCUMENT))
    result = stack.run("import", str(tmp_path / "s.json"), "--create", "room", "--activate")
    assert result.exit_code == 0, result.output
    (request,) = stack.script.requests("CreateContract")
    assert (request.name, request.activate, request.spec) == ("room", True, SPEC)
    assert stack.run("import", str(tmp_path / "s.json"), "--activate").exit_code == 2


def test_export_prints_the_document(stack: Stack) -> None:
    """As JSON, of the revision asked for."""
    answer = contract_language_pb2.ExportJsonSchemaResponse(document=json.dumps(DOCUMENT), revision=2)
    stack.script.on("ExportJsonSchema", answer)
    result = stack.run("export", "room", "--revision", "2")
    assert json.loads(result.stdout) == DOCUMENT
    (request,) = stack.script.requests("ExportJsonSchema")
    assert (request.contract.name, request.revision) == ("room", 2)


def test_judge_shows_the_values_of_an_accepted_payload(stack: Stack) -> None:
    """Exit code 0, and what was assumed is said."""
    stack.script.on("JudgePayload", judged(accepted_item()))
    result = stack.run("judge", "room", "-", "--device", "dev", "--topic", "s/1", stdin=b'{"a": 5}')
    assert result.exit_code == 0, result.output
    assert "taken as UTC" in result.stdout
    (request,) = stack.script.requests("JudgePayload")
    assert (request.contract.name, request.payload, request.device_id, request.topic) == (
        "room",
        b'{"a": 5}',
        "dev",
        "s/1",
    )


def test_judge_ends_with_one_where_an_item_is_refused(stack: Stack) -> None:
    """All reasons are shown, for people and as JSON."""
    stack.script.on("JudgePayload", judged(accepted_item(), refused_item()))
    result = stack.run("judge", "room", "-", stdin=b"[]")
    assert result.exit_code == 1
    assert "item 1: REFUSED" in result.stdout
    assert "1 of 2 items would go to quarantine" in result.stderr
    document: dict[str, Any] = json.loads(stack.run("judge", "room", "-", "--json", stdin=b"[]").stdout)
    assert document["items"][0]["fields"] == {"a": 5}
    assert document["items"][1]["reasons"][0]["path"] == "/a"


def test_judge_takes_rules_that_nobody_saved(stack: Stack, tmp_path: Path) -> None:
    """What `import --json` prints goes in with --spec; a name beside it, neither, or garbage is a usage error."""
    stack.script.on("JudgePayload", judged(accepted_item()))
    rules, payload = tmp_path / "rules.json", tmp_path / "p.json"
    rules.write_text('{"fields": [{"name": "a", "type": "FIELD_TYPE_INTEGER"}]}')
    payload.write_text('{"a": 5}')
    assert stack.run("judge", str(payload), "--spec", str(rules)).exit_code == 0
    (request,) = stack.script.requests("JudgePayload")
    assert request.spec.fields[0].name == "a"
    assert stack.run("judge", "room", str(payload), "--spec", str(rules)).exit_code == 2
    assert stack.run("judge", str(payload)).exit_code == 2
    assert stack.run("judge", str(payload), "--spec", str(payload)).exit_code == 2
