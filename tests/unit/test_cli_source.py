"""`dataflow source` against a scripted server: what it sends, prints and exits with."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.bridge.v1 import source_pb2, source_service_pb2
from dataflow_cli.root import dataflow
from dataflow_client import Client, Connection, Targets
from dataflow_client.errors import SourceNotFoundError
from dataflow_client.testing import Failure, Script, serving

SHOWN = source_pb2.Source(
    name="plant",
    url="mqtts://broker",
    filters=["a/#"],
    share_group="g",
    slots=2,
    qos=1,
    protocol=source_pb2.MQTT_PROTOCOL_5,
    has_password=True,
    state=source_pb2.SOURCE_STATE_ACTIVE,
    status=source_pb2.SourceStatus(
        slots=[source_pb2.SlotStatus(slot=1, bridge="bridge-0", connected=True, received=7, acknowledged=6)],
        warnings=["raise max_queued_messages"],
    ),
)


@pytest.fixture
def script() -> Script:
    """Give the answers of the server."""
    return Script()


@pytest.fixture
def target(script: Script) -> Iterator[str]:
    """Serve the script."""
    with serving(script) as target:
        yield target


@pytest.fixture
def data_dir(target: str, tmp_path: Path) -> Path:
    """Give a data directory that points to the server."""
    (tmp_path / "tokens.json").write_text(json.dumps({"tokens": [{"token": "t", "name": "admin", "role": "ADMIN"}]}))
    status = {"grpc": {"bridge": target, "validator": target, "insight": target}, "token_file": "tokens.json"}
    (tmp_path / "status.json").write_text(json.dumps({"mqtt": "127.0.0.1:1883", **status}))
    return tmp_path


def run(data_dir: Path, *arguments: str) -> Result:
    """Run a sub-command."""
    return CliRunner().invoke(dataflow, ["source", *arguments, "--data-dir", str(data_dir)])


def test_create_sends_what_was_given_and_prints_no_secret(script: Script, data_dir: Path, tmp_path: Path) -> None:
    """Password and key come from files and go into the request only."""
    script.on("CreateSource", source_service_pb2.CreateSourceResponse(source=SHOWN))
    for name, text in (("password", "hunter2\nmore"), ("ca", "CA"), ("cert", "CERT"), ("key", "KEY")):
        (tmp_path / name).write_text(text)
    options = "--filter a/# --filter b/+ --group g --slots 2 --qos 2 --protocol 3.1.1 --username u --server-name s"
    files = [f"--password-file={tmp_path}/password", f"--ca={tmp_path}/ca"]
    files += [f"--certificate={tmp_path}/cert", f"--key={tmp_path}/key"]
    result = run(data_dir, "create", "plant", "mqtts://broker", *options.split(), *files)
    assert result.exit_code == 0, result.output
    sent = script.calls["CreateSource"][-1].request
    assert isinstance(sent, source_service_pb2.CreateSourceRequest)
    assert sent.request_id
    sent.request_id = ""
    assert sent == source_service_pb2.CreateSourceRequest(
        name="plant",
        url="mqtts://broker",
        filters=["a/#", "b/+"],
        share_group="g",
        slots=2,
        qos=2,
        protocol=source_pb2.MQTT_PROTOCOL_3_1_1,
        username="u",
        password="hunter2",
        tls=source_pb2.SourceTls(ca_pem="CA", client_certificate_pem="CERT", client_key_pem="KEY", server_name="s"),
    )
    assert "hunter2" not in result.output
    assert "warning: raise max_queued_messages" in result.output
    assert run(data_dir, "create", "plant", "mqtts://broker").exit_code == 2, "without a filter"


def test_update_sends_only_what_was_given(script: Script, data_dir: Path) -> None:
    """What is absent stays as it is."""
    script.on("UpdateSource", source_service_pb2.UpdateSourceResponse(source=SHOWN))
    assert run(data_dir, "update", "plant", "--slots", "3", "--etag", "7").exit_code == 0
    assert script.calls["UpdateSource"][-1].request == source_service_pb2.UpdateSourceRequest(
        name="plant", etag="7", slots=3
    )


def test_list_show_and_delete(script: Script, data_dir: Path) -> None:
    """They show what the service returns, as tables and as JSON."""
    script.on("ListSources", source_service_pb2.ListSourcesResponse(sources=[SHOWN]))
    script.on("GetSource", source_service_pb2.GetSourceResponse(source=SHOWN))
    script.on("DeleteSource", source_service_pb2.DeleteSourceResponse())
    assert "1 of 1" in run(data_dir, "list").output
    assert json.loads(run(data_dir, "list", "--json").stdout)[0]["status"]["slots"][0]["bridge"] == "bridge-0"
    assert "bridge-0" in run(data_dir, "show", "plant").output
    assert "takes nothing new" in run(data_dir, "delete", "plant").output
    assert run(data_dir, "delete", "plant", "--force").exit_code == 0
    assert script.calls["DeleteSource"][-1].request == source_service_pb2.DeleteSourceRequest(name="plant", force=True)


def test_the_synchronous_client_has_the_same_calls(script: Script, target: str) -> None:
    """Sources over the SDK for threads; errors are those of the service."""
    script.on("GetSource", Failure(grpc.StatusCode.NOT_FOUND, reason="SOURCE_NOT_FOUND", metadata={"source": "x"}))
    script.on("ListSources", source_service_pb2.ListSourcesResponse(sources=[SHOWN]))
    script.on("CreateSource", source_service_pb2.CreateSourceResponse(source=SHOWN))
    with Client(Connection(Targets(bridge=target))) as client:
        assert [entry.name for entry in client.sources.list()] == ["plant"]
        assert client.sources.create("plant", "mqtt://b", ["a"]).name == "plant"
        with pytest.raises(SourceNotFoundError):
            client.sources.get("x")
