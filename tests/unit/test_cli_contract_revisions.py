"""`dataflow contract revise|revisions|show|update|delete|watch` and pins, against a scripted server."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.validator.v1 import contract_pb2, contract_service_pb2, route_pb2, route_service_pb2
from dataflow_cli.root import dataflow
from dataflow_client import Client
from dataflow_client.contract_revisions import contract_options
from dataflow_client.targets import Connection, Targets
from dataflow_client.testing import Failure, Part, Script, serving

FIELDS = [{"name": "co2", "type": "number", "max": 10}]


class Stack:
    """A scripted server, a client of it, and the command."""

    def __init__(self, script: Script, client: Client, directory: Path) -> None:
        self.script, self.client, self.directory = script, client, directory

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(dataflow, [*arguments, "--data-dir", str(self.directory)])


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name in ("DATA_DIR", "BRIDGE", "VALIDATOR", "INSIGHT", "TOKEN", "TOKEN_FILE", "TLS_CA", "INSECURE"):
        monkeypatch.delenv(f"DATAFLOW_{name}", raising=False)
    script = Script()
    with serving(script) as target, Client(Connection(Targets(target, target, target), "t")) as client:
        (tmp_path / "tokens.json").write_text(
            json.dumps({"tokens": [{"token": "t", "name": "admin", "role": "ADMIN"}]})
        )
        status = {"mqtt": "", "grpc": {"bridge": target, "validator": target, "insight": target}}
        (tmp_path / "status.json").write_text(json.dumps(status | {"token_file": "tokens.json"}))
        yield Stack(script, client, tmp_path)


def revision(number: int) -> contract_pb2.Revision:
    return contract_pb2.Revision(
        contract="room",
        revision=number,
        spec=contract_pb2.ContractSpec(
            fields=[contract_pb2.Field(name="temp", type=contract_pb2.FIELD_TYPE_NUMBER, column_name="temp")],
            identity=["ts"],
            event_time_field="ts",
            unknown_fields=contract_pb2.UNKNOWN_FIELDS_KEEP,
        ),
        active=number == 1,
        pinned_by=["old/+"] if number == 1 else [],
        created_by="ann",
    )


def test_revise_changes_what_is_named_and_keeps_the_rest(stack: Stack) -> None:
    """New fields take the place of the old ones; identity, event time and policies stay as they are."""
    stack.script.on("GetRevision", contract_service_pb2.GetRevisionResponse(revision=revision(1)))
    stack.script.on(
        "CreateRevision",
        contract_service_pb2.CreateRevisionResponse(
            revision=revision(2),
            contract=contract_pb2.Contract(name="room", active_revision=2, latest_revision=2),
            created=True,
            added_columns=["co2"],
            redrive=contract_service_pb2.RedriveAdvice(
                quarantined=7, command="dataflow quarantine replay --contract room"
            ),
        ),
    )
    file = stack.directory / "fields.json"
    file.write_text(json.dumps(FIELDS))
    result = stack.run("contract", "revise", "room", "--fields", str(file), "--activate", "--etag", "e1")
    assert result.exit_code == 0, result.output
    (request,) = stack.script.requests("CreateRevision")
    assert [field.name for field in request.spec.fields] == ["co2"]
    assert (list(request.spec.identity), request.spec.event_time_field) == (["ts"], "ts")
    assert request.spec.unknown_fields == contract_pb2.UNKNOWN_FIELDS_KEEP
    assert (request.activate, request.etag, bool(request.request_id)) == (True, "e1", True)
    assert "revision 2" in result.output
    assert "new columns: co2" in result.output
    assert "7 items in quarantine" in result.output


def test_a_refused_revision_lists_each_finding(stack: Stack) -> None:
    """Exit code 1, and all that the service found."""
    stack.script.on("GetRevision", contract_service_pb2.GetRevisionResponse(revision=revision(1)))
    violations = {"spec.fields/temp": "20 was accepted, 10 is the maximum now"}
    stack.script.on(
        "CreateRevision",
        Failure(grpc.StatusCode.FAILED_PRECONDITION, reason="REVISION_INCOMPATIBLE", violations=violations),
    )
    result = stack.run("contract", "revise", "room", "--unknown", "reject")
    assert result.exit_code == 1
    assert "20 was accepted, 10 is the maximum now" in result.output


def test_revisions_and_show_say_who_judges(stack: Stack) -> None:
    """The active one and the routes that pin one are named."""
    stack.script.on("ListRevisions", contract_service_pb2.ListRevisionsResponse(revisions=[revision(2), revision(1)]))
    stack.script.on("GetRevision", contract_service_pb2.GetRevisionResponse(revision=revision(1)))
    listed = stack.run("contract", "revisions", "room").output
    assert "active, old/+" in listed
    assert "ann" in listed
    shown = stack.run("contract", "show", "room", "--revision", "1").output
    assert "1, active" in shown
    assert "temp" in shown


def test_update_sends_only_what_is_named(stack: Stack) -> None:
    """0 days means for ever; what is left out stays."""
    answer = contract_service_pb2.UpdateContractResponse(contract=contract_pb2.Contract(name="room"))
    stack.script.on("UpdateContract", answer)
    arguments = ("--compatibility", "full_transitive", "--readings-days", "0", "--rollup-days", "30")
    assert stack.run("contract", "update", "room", *arguments).exit_code == 0
    (request,) = stack.script.requests("UpdateContract")
    assert request.compatibility == contract_pb2.COMPATIBILITY_MODE_FULL_TRANSITIVE
    assert request.HasField("readings_days")
    assert not request.readings_days.HasField("days")
    assert request.rollup_days.days == 30
    assert (request.redrive, request.HasField("description")) == (contract_pb2.REDRIVE_UNSPECIFIED, False)


def test_delete_asks_and_says_what_stays(stack: Stack) -> None:
    """Without a yes nothing is sent."""
    stack.script.on("DeleteContract", contract_service_pb2.DeleteContractResponse(message="The table stays."))
    assert stack.run("contract", "delete", "room").exit_code == 1
    assert not stack.script.calls["DeleteContract"]
    assert "The table stays." in stack.run("contract", "delete", "room", "--yes").output


def test_a_watch_goes_on_where_its_stream_broke(stack: Stack) -> None:
    """The next stream begins after the last change that was seen."""

    def change(sequence: int, kind: contract_pb2.ContractChangeKind.ValueType) -> Part:
        made = contract_pb2.ContractChange(sequence=sequence, kind=kind, name="room", revision=sequence)
        return contract_service_pb2.WatchContractsResponse(change=made)

    stack.script.on(
        "WatchContracts",
        [
            change(4, contract_pb2.CONTRACT_CHANGE_KIND_EXISTING),
            change(5, contract_pb2.CONTRACT_CHANGE_KIND_REVISED),
            Failure(grpc.StatusCode.UNAVAILABLE),
        ],
        [change(6, contract_pb2.CONTRACT_CHANGE_KIND_ACTIVATED)],
    )
    changes = stack.client.contracts.watch("room")
    assert [next(changes).sequence for _ in range(3)] == [4, 5, 6]
    changes.close()  # type: ignore[attr-defined]
    first, second = stack.script.requests("WatchContracts")[:2]
    assert (first.HasField("after_sequence"), list(first.names)) == (False, ["room"])
    assert second.after_sequence == 5


def test_a_route_can_be_pinned(stack: Stack) -> None:
    """The answer shows the revision."""
    made = route_pb2.Route(route_id="r", filter="a", contract="room", device_rule="identity", pinned_revision=2)
    stack.script.on("CreateRoute", route_service_pb2.CreateRouteResponse(route=made))
    result = stack.run("route", "create", "a", "--contract", "room", "--revision", "2")
    assert stack.script.requests("CreateRoute")[0].pinned_revision == 2
    assert "2, pinned" in result.output


def test_options_are_written_in_the_words_of_people() -> None:
    """What is left out takes the service's default."""
    options = contract_options(compatibility="none", redrive="on", readings_days=7)
    assert options.compatibility == contract_pb2.COMPATIBILITY_MODE_NONE
    assert (options.redrive, options.readings_days) == (contract_pb2.REDRIVE_ON, 7)
    assert contract_options() == contract_pb2.ContractOptions()
