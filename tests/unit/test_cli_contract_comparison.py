"""`dataflow contract check` and `diff` against a scripted server: what they send, print and exit with."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dataflow.validator.v1 import compatibility_pb2, contract_pb2, contract_service_pb2
from dataflow_cli.root import dataflow
from dataflow_client.testing import Script, serving

BACKWARD = compatibility_pb2.COMPATIBILITY_DIRECTION_BACKWARD
FORWARD = compatibility_pb2.COMPATIBILITY_DIRECTION_FORWARD


class Stack:
    """A data directory that points to a scripted server, and the command."""

    def __init__(self, script: Script, data_dir: Path) -> None:
        self.script = script
        self.data_dir = data_dir

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(dataflow, ["contract", *arguments, "--data-dir", str(self.data_dir)])


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name in ("DATA_DIR", "BRIDGE", "VALIDATOR", "INSIGHT", "TOKEN", "TOKEN_FILE", "TLS_CA", "INSECURE"):
        monkeypatch.delenv(f"DATAFLOW_{name}", raising=False)
    script = Script()
    with serving(script) as target:
        tokens = {"tokens": [{"token": "t", "name": "admin", "role": "ADMIN"}]}
        (tmp_path / "tokens.json").write_text(json.dumps(tokens))
        status = {"mqtt": "127.0.0.1:1883", "grpc": {"validator": target}, "token_file": "tokens.json"}
        (tmp_path / "status.json").write_text(json.dumps(status))
        yield Stack(script, tmp_path)


def newest(script: Script) -> contract_pb2.ContractSpec:
    field = contract_pb2.Field(name="co2", type=contract_pb2.FIELD_TYPE_NUMBER)
    spec = contract_pb2.ContractSpec(fields=[field], identity=["ts"], unknown_fields=contract_pb2.UNKNOWN_FIELDS_KEEP)
    revision = contract_pb2.Revision(contract="room", revision=4, spec=spec)
    script.on("GetRevision", contract_service_pb2.GetRevisionResponse(revision=revision))
    return spec


def test_check_holds_a_file_to_the_newest_revision(stack: Stack) -> None:
    """Fields come from the file, everything else from the newest revision; mode and revision are passed on."""
    spec = newest(stack.script)
    stack.script.on(
        "CheckCompatibility",
        compatibility_pb2.CheckCompatibilityResponse(compatible=True, mode=contract_pb2.COMPATIBILITY_MODE_FULL),
    )
    path = stack.data_dir / "fields.json"
    path.write_text('[{"name": "co2", "type": "number", "max": 5000}]')
    result = stack.run(
        "check", "room", "--fields", str(path), "--mode", "full", "--revision", "3", "--unknown", "reject"
    )
    assert result.exit_code == 0, result.output
    assert result.output.startswith("compatible by FULL")
    (request,) = stack.script.requests("CheckCompatibility")
    assert (request.contract.name, request.mode, request.revision) == ("room", contract_pb2.COMPATIBILITY_MODE_FULL, 3)
    assert request.spec.identity == spec.identity
    assert [(field.name, field.max) for field in request.spec.fields] == [("co2", 5000)]
    assert request.spec.unknown_fields == contract_pb2.UNKNOWN_FIELDS_REJECT


def test_check_explains_and_ends_with_1(stack: Stack) -> None:
    """Each finding with its place, rule and message; what was not found is said; exit code 1."""
    newest(stack.script)
    finding = compatibility_pb2.Incompatibility(
        revision=4,
        direction=BACKWARD,
        path="/co2",
        clause="maximum",
        old_rule="no rule",
        new_rule="at most 5000",
        counter_example=compatibility_pb2.CounterExample(payload='{"co2":5001}', reasons=["/co2: too much"]),
    )
    unproven = compatibility_pb2.Incompatibility(revision=4, direction=FORWARD, path="/name", clause="pattern")
    exemption = compatibility_pb2.CompatibilityExemption(revision=4, direction=BACKWARD, path="/x", message="/x is new")
    problem = compatibility_pb2.RevisionProblem(path="identity", message="make a new contract")
    stack.script.on(
        "CheckCompatibility",
        compatibility_pb2.CheckCompatibilityResponse(
            mode=contract_pb2.COMPATIBILITY_MODE_FULL,
            compared_revisions=[4],
            incompatibilities=[finding, unproven],
            exemptions=[exemption],
            problems=[problem],
        ),
    )
    result = stack.run("check", "room", "--coerce", "lossless")
    assert result.exit_code == 1
    for said in (
        "incompatible by FULL, compared with revision 4",
        "/co2: maximum (BACKWARD, revision 4)",
        "was no rule, is at most 5000",
        'the old revision accepts and the new one refuses: {"co2":5001}',
        "/co2: too much",
        "/name: pattern (FORWARD, revision 4)",
        "only not proven compatible",
        "allowed: /x is new",
        "make a new contract",
        "3 findings",
    ):
        assert said in result.output
    answer = stack.run("check", "room", "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["incompatibilities"][0]["counter_example"]["payload"] == '{"co2":5001}'


def test_diff_prints_sentences_of_all_pages(stack: Stack) -> None:
    """One line each with a sign; without numbers the newest revision and the one before."""

    def change(kind: int, sentence: str) -> compatibility_pb2.RevisionChange:
        return compatibility_pb2.RevisionChange(kind=kind, sentence=sentence)  # type: ignore[arg-type]

    first = compatibility_pb2.DiffRevisionsResponse(
        changes=[change(1, "field 'a' is new"), change(3, "field 'b' changed")], next_page_token="more"
    )
    second = compatibility_pb2.DiffRevisionsResponse(changes=[change(2, "field 'c' is gone")])
    stack.script.on("DiffRevisions", first, second)
    result = stack.run("diff", "room", "2", "5")
    assert result.output.splitlines() == ["+ field 'a' is new", "~ field 'b' changed", "- field 'c' is gone"]
    requests = stack.script.requests("DiffRevisions")
    assert [(request.from_revision, request.to_revision, request.page_token) for request in requests] == [
        (2, 5, ""),
        (2, 5, "more"),
    ]


def test_diff_of_equal_revisions_says_so(stack: Stack) -> None:
    """Nothing to tell is told."""
    stack.script.on("DiffRevisions", compatibility_pb2.DiffRevisionsResponse())
    assert stack.run("diff", "room").output == "no difference\n"
