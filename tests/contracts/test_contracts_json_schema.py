"""The contract engine against the JSON Schema suite and FIWARE's real data models."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dataflow_validator.contracts import ContractError, compile_contract, from_json_schema_document
from dataflow_validator.contracts.schema import compile_schema
from dataflow_validator.contracts.spec import ContractSpec


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make every attempt to use a socket fail, and record it."""
    attempts: list[str] = []

    def refuse(*args: object, **_: object) -> None:
        attempts.append(repr(args))
        raise AssertionError("a socket was used")

    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    return attempts


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text().splitlines())


def test_every_case_of_the_json_schema_suite_gets_its_verdict(cases: Path, no_network: list[str]) -> None:
    """Verdicts are those of the suite; nothing in it needs a document from elsewhere."""
    wrong = []
    for case in read_lines(cases / "contracts" / "jsonschema_2020-12_core.jsonl"):
        validator = compile_schema(ContractSpec("suite", json_schema=case["schema"], fields_from_schema=True))
        if validator.is_valid(case["data"]) != case["valid"]:
            wrong.append((case["file"], case["group"], case["test"]))
    assert wrong == []
    assert no_network == []


def test_every_schema_of_the_suite_makes_a_contract(cases: Path) -> None:
    """Deriving columns from any schema gives a contract that compiles."""
    wrong = []
    for case in read_lines(cases / "contracts" / "jsonschema_2020-12_core.jsonl"):
        try:
            compile_contract(from_json_schema_document(case["schema"], name="suite"), 1)
        except ContractError as problem:
            wrong.append((case["file"], case["test"], problem))
    assert wrong == []


def test_fiware_models_give_the_published_verdicts(cases: Path) -> None:
    """Bundled models judge as labelled; formats only annotate."""
    folder = cases / "contracts" / "fiware"
    wrong = []
    count = 0
    for path in sorted(folder.glob("*.cases.jsonl")):
        model = path.name.removesuffix(".cases.jsonl")
        schema = json.loads((folder / f"{model}.schema.bundled.json").read_text())
        contract = compile_contract(from_json_schema_document(schema, name="fiware"), 1)
        for case in read_lines(path):
            count += 1
            if contract.is_valid(case["message"]) != (case["expect"] == "accept"):
                wrong.append((model, case["case"]))
    assert wrong == []
    assert count > 0


def test_remote_references_are_refused_when_the_contract_is_made(cases: Path, no_network: list[str]) -> None:
    """A schema that refers to another site names that reference, and nobody connects."""
    paths = sorted((cases / "contracts" / "fiware").glob("*.original_remote_refs.json"))
    assert paths
    for path in paths:
        with pytest.raises(ContractError, match=r"smart-data-models.*never fetched.*\$defs"):
            compile_contract(from_json_schema_document(json.loads(path.read_text()), name="fiware"), 1)
    assert no_network == []


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/x.json"},
        {"$ref": "https://169.254.169.254/latest/meta-data"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "other.json"},
        {"$ref": "//127.0.0.1/x"},
        {"$id": "http://127.0.0.1:9/a/b.json", "$ref": "c.json"},
        {"$dynamicRef": "http://127.0.0.1:9/x.json#meta"},
        {"properties": {"a": {"items": {"$ref": "http://127.0.0.1:9/x.json"}}}},
        {"$defs": {"unused": {"$ref": "http://127.0.0.1:9/x.json"}}},
        {"$schema": "http://127.0.0.1:9/meta.json"},
    ],
)
def test_no_reference_leads_out_of_the_document(schema: dict[str, Any], no_network: list[str]) -> None:
    """Absolute, relative, dynamic, file and metaschema references are refused without a connection."""
    with pytest.raises(ContractError):
        compile_contract(from_json_schema_document(schema, name="outside"), 1)
    assert no_network == []


def test_a_listening_server_sees_no_connection() -> None:
    """Also below Python, in the engine itself, nothing connects to a server that a reference names."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        for schema in ({"$ref": address}, {"$dynamicRef": address}, {"$id": address, "$ref": "other.json"}):
            with pytest.raises(ContractError):
                compile_contract(from_json_schema_document(schema, name="outside"), 1)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$defs": {"a": {"type": "integer"}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"$anchor": "here", "type": "integer"}}, "$ref": "#here"},
        {"$id": "https://example.com/root", "$defs": {"a": {"$id": "child", "type": "integer"}}, "$ref": "child"},
        {"properties": {"a": {"enum": [{"$ref": "http://127.0.0.1:9/data"}]}}},
    ],
)
def test_references_inside_the_document_work(schema: dict[str, Any]) -> None:
    """Pointers, anchors, embedded resources and the metaschema resolve; a "$ref" that is data is left alone."""
    compile_contract(from_json_schema_document(schema, name="inside"), 1)
