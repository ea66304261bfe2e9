"""The services as other people's clients see them: by reflection, with the admin token, and refused without it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from dataflow_mesh.testing import redis_server
from dataflow_stack.testing import LocalStack

RING = "dataflow.bridge.v1.RingService"
INGEST = "dataflow.bridge.v1.IngestService"
CONTRACTS = "dataflow.validator.v1.ContractService"
ROUTES = "dataflow.validator.v1.RouteService"
ASK = "dataflow.insight.v1.AskService"


class Books(Protocol):
    """What is used of the books of a stack."""

    def readings(self, contract: str) -> int: ...
    def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]: ...
    def count(self, sql: str, *arguments: object) -> int: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client printed: the code in the spelling of gRPC, and the messages."""

    code: str
    messages: list[dict[str, Any]]


class Client(Protocol):
    """A command-line client that knows nothing but the address."""

    def call(self, address: str, method: str, request: object, token: str | None) -> Answer:
        """Calls `package.Service/Method`."""

    def services(self, address: str) -> set[str]:
        """Lists the services by reflection."""


class BufCurl:
    """`buf curl`, which comes with the development tools."""

    def __init__(self) -> None:
        beside = Path(sys.executable).with_name("buf")
        program = str(beside) if beside.exists() else shutil.which("buf")
        assert program is not None, "buf is among the development tools: run make dev"
        self._command = [program, "curl", "--protocol", "grpc", "--http2-prior-knowledge"]

    def call(self, address: str, method: str, request: object, token: str | None) -> Answer:
        """Calls a method."""
        header = () if token is None else ("--header", f"authorization: Bearer {token}")
        done = run(*self._command, *header, "--data", json.dumps(request), f"http://{address}/{method}")
        if done.returncode == 0:
            return Answer("OK", documents(done.stdout))
        [problem] = documents(done.stderr)
        return Answer(problem["code"].upper(), documents(done.stdout))

    def services(self, address: str) -> set[str]:
        """Lists the services."""
        done = run(*self._command, "--list-services", f"http://{address}")
        assert done.returncode == 0, done.stderr
        return set(done.stdout.split())


class Grpcurl:
    """`grpcurl`, where it is installed."""

    def call(self, address: str, method: str, request: object, token: str | None) -> Answer:
        """Calls a method."""
        header = () if token is None else ("-H", f"authorization: Bearer {token}")
        done = run("grpcurl", "-plaintext", *header, "-d", json.dumps(request), address, method)
        if done.returncode == 0:
            return Answer("OK", documents(done.stdout))
        [code] = [line.split(":")[1].strip() for line in done.stderr.splitlines() if line.strip().startswith("Code:")]
        words = "".join(f"_{letter}" if letter.isupper() else letter for letter in code)
        return Answer(words.removeprefix("_").upper(), documents(done.stdout))

    def services(self, address: str) -> set[str]:
        """Lists the services."""
        done = run("grpcurl", "-plaintext", address, "list")
        assert done.returncode == 0, done.stderr
        return set(done.stdout.split())


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def documents(text: str) -> list[dict[str, Any]]:
    """Reads JSON documents that follow each other; grpcurl spells the fields as the protos do, buf as JSON does."""

    def spelled(members: dict[str, Any]) -> dict[str, Any]:
        return {re.sub("_([a-z])", lambda found: found[1].upper(), key): value for key, value in members.items()}

    decoder, found, rest = json.JSONDecoder(object_hook=spelled), [], text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].strip()
    return found


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(BufCurl, id="buf"),
        pytest.param(Grpcurl, id="grpcurl", marks=pytest.mark.tool("grpcurl")),
    ],
)
def client(request: pytest.FixtureRequest) -> Client:
    """Gives each client in turn."""
    made: Client = request.param()
    return made


@pytest.fixture(scope="module")
def address(stack: LocalStack) -> dict[str, str]:
    """Gives the gRPC address of each service."""
    found: dict[str, str] = stack.status()["grpc"]
    return found


@pytest.fixture(scope="module")
def name(client: Client) -> str:
    """Gives a name of the client's own for what it makes."""
    return f"by_{type(client).__name__.lower()}"


@pytest.fixture(scope="module")
def viewer_token(stack: LocalStack, address: dict[str, str]) -> str:
    """Issues a token with the role VIEWER, by the token file, and waits until it counts."""
    path = Path(stack.status()["data_dir"]) / "tokens.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["tokens"].append({"token": "a-viewer-may-only-look", "name": "visitor", "role": "VIEWER"})
    path.write_text(json.dumps(content), encoding="utf-8")
    buf = BufCurl()
    stack.eventually(
        lambda: buf.call(address["bridge"], f"{RING}/ListNodes", {}, "a-viewer-may-only-look").code == "OK"
    )
    return "a-viewer-may-only-look"


@pytest.fixture(scope="module")
def contract(
    client: Client, name: str, address: dict[str, str], admin_token: str, books: Books
) -> Callable[..., Answer]:
    """Gives the call that makes the contract; it may be repeated, and given another token."""
    spec = {
        "fields": [
            {"name": "device_id", "type": "FIELD_TYPE_STRING"},
            {"name": "ts", "type": "FIELD_TYPE_TIMESTAMP"},
            {"name": "pressure", "type": "FIELD_TYPE_NUMBER", "unit": "bar"},
        ],
        "identity": ["device_id", "ts"],
        "event_time_field": "ts",
    }

    def make(token: str | None = admin_token) -> Answer:
        return client.call(
            address["validator"], f"{CONTRACTS}/CreateContract", {"name": name, "spec": spec, "activate": True}, token
        )

    return make


def test_services_are_found_by_reflection(client: Client, address: dict[str, str]) -> None:
    """Without a token anybody may read what there is to call."""
    assert {RING, INGEST} <= client.services(address["bridge"])
    assert {CONTRACTS, ROUTES} <= client.services(address["validator"])
    assert {ASK} <= client.services(address["insight"])


def test_every_call_is_refused_without_a_token(client: Client, address: dict[str, str], books: Books) -> None:
    """No token and a token that nobody issued are UNAUTHENTICATED, and nothing happens."""
    message = {"topic": "nobody/d", "text": "{}"}
    calls: list[tuple[str, str, object]] = [
        ("bridge", f"{RING}/ListNodes", {}),
        ("bridge", f"{RING}/AddNode", {"name": "nobody", "url": "redis://127.0.0.1:1"}),
        ("bridge", f"{INGEST}/PublishMessages", {"messages": [message]}),
        ("validator", f"{CONTRACTS}/CreateContract", {"name": "nobody", "spec": {"json_schema": "{}"}}),
        ("insight", f"{ASK}/Ask", {"question": "How many readings are there?"}),
    ]
    for token in (None, "guessed", ""):
        for service, method, request in calls:
            assert client.call(address[service], method, request, token) == Answer("UNAUTHENTICATED", []), method
    assert books.count("SELECT count(*) FROM validator.contract WHERE name = 'nobody'") == 0
    assert books.count("SELECT count(*) FROM bridge.node WHERE name = 'nobody'") == 0
    assert books.count("SELECT count(*) FROM validator.quarantine WHERE topic = 'nobody/d'") == 0


def test_node_joins_for_an_admin_and_not_for_a_viewer(
    client: Client, name: str, address: dict[str, str], admin_token: str, viewer_token: str
) -> None:
    """AddNode is PERMISSION_DENIED for a viewer; for an admin the node is listed as ACTIVE, without its password."""
    node = name.replace("_", "-")
    with redis_server({"requirepass": "a-secret"}) as server:
        request = {"name": node, "url": f"redis://:a-secret@127.0.0.1:{server.port}"}

        refused = client.call(address["bridge"], f"{RING}/AddNode", request, viewer_token)
        assert refused == Answer("PERMISSION_DENIED", [])
        [before] = client.call(address["bridge"], f"{RING}/ListNodes", {}, viewer_token).messages
        assert node not in {entry["name"] for entry in before["nodes"]}

        added = client.call(address["bridge"], f"{RING}/AddNode", request, admin_token)
        assert (added.code, added.messages[0]["node"]["name"]) == ("OK", node)
        [after] = client.call(address["bridge"], f"{RING}/ListNodes", {}, admin_token).messages
        [entry] = [entry for entry in after["nodes"] if entry["name"] == node]
        assert entry["state"] == "NODE_STATE_ACTIVE"
        assert "a-secret" not in json.dumps([added.messages, after])
        assert client.call(address["bridge"], f"{RING}/AddNode", request, admin_token).code == "ALREADY_EXISTS"


def test_contract_is_made_once(name: str, contract: Callable[..., Answer], viewer_token: str, books: Books) -> None:
    """CreateContract is for who may, answers with the columns, and does not replace what there is."""
    assert contract(viewer_token) == Answer("PERMISSION_DENIED", [])
    made = contract()
    if made.code == "OK":  # another test of this module may have been first
        assert made.messages[0]["contract"]["activeRevision"] == 1
    assert contract().code == "ALREADY_EXISTS"
    assert books.count("SELECT count(*) FROM validator.contract WHERE name = $1", name) == 1


def test_messages_become_rows_and_answer_a_question(
    stack: LocalStack,
    client: Client,
    name: str,
    contract: Callable[..., Answer],
    address: dict[str, str],
    admin_token: str,
    viewer_token: str,
    books: Books,
) -> None:
    """PublishMessages takes text and JSON; Ask finds the numbers again, its events in order."""
    assert contract().code in {"OK", "ALREADY_EXISTS"}
    route = {"filter": f"{name}/+", "contract": {"name": name}, "device_rule": "payload:/device_id"}
    routed = client.call(address["validator"], f"{ROUTES}/CreateRoute", route, admin_token)
    assert routed.code == "OK", routed
    reading = {"device_id": "kettle", "ts": "2026-01-02T03:04:05Z", "pressure": 1.25}
    messages = [
        {"topic": f"{name}/a", "text": json.dumps(reading)},
        {"topic": f"{name}/b", "json": reading | {"ts": "2026-01-02T03:04:06Z", "pressure": 7.5}},
        {"topic": f"{name}/c", "payload": "bm8ganNvbg=="},
        {"topic": "not/+/a/topic", "text": "{}"},
    ]
    request = {"messages": messages}
    refused = client.call(address["bridge"], f"{INGEST}/PublishMessages", request, viewer_token)
    assert refused == Answer("PERMISSION_DENIED", [])
    published = client.call(address["bridge"], f"{INGEST}/PublishMessages", request, admin_token)
    assert published.code == "OK"
    [response] = published.messages
    assert response["acceptedCount"] == 3
    assert [entry["index"] for entry in response["rejected"]] == [3]
    stack.eventually(lambda: books.readings(name) == 2)
    assert books.rows(f'SELECT device_id, pressure FROM readings."{name}" ORDER BY event_time') == [
        ("kettle", 1.25),
        ("kettle", 7.5),
    ]
    kept = "SELECT count(*) FROM validator.quarantine WHERE contract = $1 AND payload = 'no json'"
    stack.eventually(lambda: books.count(kept, name) == 1)

    question = {"question": "What was the highest pressure?", "contract": name}
    answer = client.call(address["insight"], f"{ASK}/Ask", question, admin_token)
    assert answer.code == "OK"
    events = [next(iter(message)) for message in answer.messages]
    assert events[:3] == ["started", "plan", "result"]
    assert (set(events[3:-1]), events[-1]) == ({"text"}, "finished")
    cells = [cell for row in answer.messages[2]["result"]["rows"] for cell in row["cells"]]
    assert {"number": 7.5} in cells
    assert "7.5" in "".join(message["text"]["text"] for message in answer.messages[3:-1])
