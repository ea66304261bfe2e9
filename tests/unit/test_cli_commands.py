"""The sub-commands against a scripted server: what they send, print and exit with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.bridge.v1 import ingest_service_pb2, node_pb2, ring_pb2, ring_service_pb2
from dataflow.validator.v1 import (
    contract_pb2,
    contract_service_pb2,
    device_data_service_pb2,
    inference_pb2,
    job_pb2,
    quarantine_pb2,
    quarantine_service_pb2,
    reading_pb2,
    reading_service_pb2,
    route_pb2,
    route_service_pb2,
)
from dataflow_cli.root import dataflow
from dataflow_client.testing import Failure, Script, serving


class Stack:
    """A data directory that points to a scripted server, and the command."""

    def __init__(self, script: Script, data_dir: Path) -> None:
        self.script = script
        self.data_dir = data_dir

    def run(self, *arguments: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(dataflow, [*arguments, "--data-dir", str(self.data_dir)], input=stdin)

    def json(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA_DIR", "BRIDGE", "VALIDATOR", "INSIGHT", "TOKEN", "TOKEN_FILE", "TLS_CA", "INSECURE"):
        monkeypatch.delenv(f"DATAFLOW_{name}", raising=False)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    script = Script()
    with serving(script) as target:
        (tmp_path / "tokens.json").write_text(
            json.dumps({"tokens": [{"token": "t", "name": "admin", "role": "ADMIN"}]})
        )
        status = {
            "mqtt": "127.0.0.1:1883",
            "grpc": {"bridge": target, "validator": target, "insight": target},
            "token_file": "tokens.json",
        }
        (tmp_path / "status.json").write_text(json.dumps(status))
        yield Stack(script, tmp_path)


def contract(name: str = "room") -> contract_pb2.Contract:
    field = contract_pb2.Field(name="co2", type=contract_pb2.FIELD_TYPE_NUMBER, unit="ppm", min=0, max=5000)
    spec = contract_pb2.ContractSpec(fields=[field], identity=["device_id", "ts"], event_time_field="ts")
    return contract_pb2.Contract(name=name, spec=spec, active_revision=1, latest_revision=1)


def test_contract_create_sends_fields_and_options(stack: Stack, tmp_path: Path) -> None:
    """Every option of the frozen syntax reaches the service."""
    fields = tmp_path / "room.contract.json"
    fields.write_text(json.dumps({"name": "room", "fields": [{"name": "co2", "type": "number"}], "json_schema": {}}))
    stack.script.on("CreateContract", contract_service_pb2.CreateContractResponse(contract=contract()))
    result = stack.run(
        "contract",
        "create",
        "room",
        "--fields",
        str(fields),
        "--event-time",
        "ts",
        "--identity",
        "device_id,ts",
        "--unknown",
        "reject",
        "--coerce",
        "lossless",
        "--conflict",
        "both",
        "--activate",
    )
    assert result.exit_code == 0, result.output
    (request,) = stack.script.requests("CreateContract")
    assert request.activate
    assert request.spec == contract_pb2.ContractSpec(
        fields=[contract_pb2.Field(name="co2", type=contract_pb2.FIELD_TYPE_NUMBER)],
        identity=["device_id", "ts"],
        event_time_field="ts",
        unknown_fields=contract_pb2.UNKNOWN_FIELDS_REJECT,
        coercion=contract_pb2.COERCION_LOSSLESS,
        conflict_policy=contract_pb2.CONFLICT_POLICY_BOTH,
    )
    assert stack.script.calls["CreateContract"][0].metadata["authorization"] == "Bearer t"
    assert "1 active" in result.output
    assert ">= 0, <= 5000" in result.output


def test_contract_create_sends_a_schema_as_it_is_written(stack: Stack, tmp_path: Path) -> None:
    """A raw schema travels as text, with its order and spelling."""
    text = '{"type": "object",\n "properties": {"b": {}, "a": {"maximum": 1e400}}}\n'
    (tmp_path / "schema.json").write_text(text)
    stack.script.on("CreateContract", contract_service_pb2.CreateContractResponse(contract=contract()))
    assert stack.json("contract", "create", "room", "--json-schema", str(tmp_path / "schema.json"))["name"] == "room"
    assert stack.script.requests("CreateContract")[0].spec.json_schema == text


def test_contract_create_needs_one_source_of_rules(stack: Stack) -> None:
    """Neither file nor both is a usage error."""
    result = stack.run("contract", "create", "room")
    assert result.exit_code == 2
    assert "--json-schema" in result.output


def test_contract_create_lists_every_problem_of_the_file(stack: Stack, tmp_path: Path) -> None:
    """A bad field list is a usage error that names all that is wrong, before anything is sent."""
    (tmp_path / "f.json").write_text(json.dumps([{"name": "a", "type": "text"}, {"type": "string", "maximum": 3}]))
    result = stack.run("contract", "create", "room", "--fields", str(tmp_path / "f.json"))
    assert result.exit_code == 2
    for problem in ("'text'", "needs a 'name'", "unknown key 'maximum'"):
        assert problem in result.output
    assert not stack.script.calls


def test_refused_contract_is_a_failed_check_with_all_violations(stack: Stack, tmp_path: Path) -> None:
    """What the service says is printed whole; the exit code is 1."""
    (tmp_path / "f.json").write_text('[{"name": "a", "type": "string"}]')
    stack.script.on(
        "CreateContract",
        Failure(
            grpc.StatusCode.INVALID_ARGUMENT,
            "the contract cannot be made",
            "CONTRACT_INVALID",
            {"violationsLeftOff": "3"},
            violations={"spec.identity": "no field 'x'", "spec.event_time_field": "no field 'ts'"},
        ),
    )
    result = stack.run("contract", "create", "room", "--fields", str(tmp_path / "f.json"))
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: the contract cannot be made [CONTRACT_INVALID]",
        "  spec.identity: no field 'x'",
        "  spec.event_time_field: no field 'ts'",
        "  and 3 more",
    ]


def test_contract_get_list_and_activate(stack: Stack) -> None:
    """The other contract commands show what the service returns."""
    stack.script.on("GetContract", contract_service_pb2.GetContractResponse(contract=contract()))
    stack.script.on(
        "ListContracts", contract_service_pb2.ListContractsResponse(contracts=[contract("a"), contract("b")])
    )
    stack.script.on("ActivateRevision", contract_service_pb2.ActivateRevisionResponse(contract=contract()))
    assert stack.json("contract", "get", "room")["spec"]["fields"][0]["unit"] == "ppm"
    assert [found["name"] for found in stack.json("contract", "list")] == ["a", "b"]
    assert "device_id,ts" in stack.run("contract", "list").output
    assert stack.run("contract", "activate", "room", "--revision", "2").exit_code == 0
    assert stack.script.requests("ActivateRevision")[0].revision == 2


def route() -> route_pb2.Route:
    return route_pb2.Route(route_id="r1", filter="s/+/t", contract="room", device_rule="topic:2")


@pytest.mark.parametrize("rule", ["topic:2", "payload:/device/id", "payload:", "identity"])
def test_route_create_sends_its_device_rule(stack: Stack, rule: str) -> None:
    """Each form of the rule is taken."""
    stack.script.on("CreateRoute", route_service_pb2.CreateRouteResponse(route=route()))
    result = stack.run("route", "create", "s/+/t", "--contract", "room", "--device", rule)
    assert result.exit_code == 0, result.output
    (request,) = stack.script.requests("CreateRoute")
    assert (request.filter, request.contract.name, request.device_rule) == ("s/+/t", "room", rule)
    assert "topic:2" in result.output


@pytest.mark.parametrize("rule", ["topic:0", "topic:x", "payload:id", "header"])
def test_route_create_refuses_what_is_no_device_rule(stack: Stack, rule: str) -> None:
    """A misspelt rule is a usage error."""
    assert stack.run("route", "create", "s/+/t", "--contract", "room", "--device", rule).exit_code == 2


def test_route_list_get_delete_and_unrouted(stack: Stack) -> None:
    """The other route commands show what the service returns."""
    topic = route_pb2.UnroutedTopic(topic="x/\x1b[2Jy", message_count=3)
    stack.script.on("ListRoutes", route_service_pb2.ListRoutesResponse(routes=[route()]))
    stack.script.on("GetRoute", route_service_pb2.GetRouteResponse(route=route()))
    stack.script.on("DeleteRoute", route_service_pb2.DeleteRouteResponse())
    stack.script.on("ListUnroutedTopics", route_service_pb2.ListUnroutedTopicsResponse(topics=[topic]))
    assert stack.json("route", "list")[0]["route_id"] == "r1"
    assert stack.json("route", "get", "r1")["filter"] == "s/+/t"
    assert stack.json("route", "delete", "r1") == {"deleted": "r1"}
    assert "x/\\x1b[2Jy" in stack.run("route", "unrouted").output


def inference() -> inference_pb2.Inference:
    spec = contract_pb2.ContractSpec(fields=[contract_pb2.Field(name="v", type=contract_pb2.FIELD_TYPE_NUMBER)])
    seen = inference_pb2.SeenField(
        name="v", field=spec.fields[0], present=3, share=1.0, types={"number": 3}, examples=["1.5\x1b[2J"], distinct=3
    )
    return inference_pb2.Inference(
        spec=spec, device_rule="topic:2", fields=[seen], messages=3, items=3, waiting=3, warnings=["only 3 items"]
    )


def scripted_this(stack: Stack) -> None:
    job = job_pb2.Job(job_id="00000000-0000-4000-8000-000000000001", state=job_pb2.JOB_STATE_SUCCEEDED)
    stack.script.on("InferContract", route_service_pb2.InferContractResponse(inference=inference()))
    stack.script.on("CreateContract", contract_service_pb2.CreateContractResponse(contract=contract("pump")))
    stack.script.on("CreateRoute", route_service_pb2.CreateRouteResponse(route=route()))
    stack.script.on("ReplayQuarantined", quarantine_service_pb2.ReplayQuarantinedResponse(job=job))


def test_route_this_shows_what_was_seen_and_makes_what_you_say_yes_to(stack: Stack) -> None:
    """Contract, route, and the messages that waited: in this order, as proposed."""
    scripted_this(stack)
    result = stack.run("route", "this", "plant/pump/+", "--infer", "--yes")
    assert result.exit_code == 0, result.output
    assert "1.5\\x1b[2J" in result.stdout
    assert "only 3 items" in result.stderr
    (made,) = stack.script.requests("CreateContract")
    assert (made.name, made.activate, made.spec) == ("pump", True, inference().spec)
    (routed,) = stack.script.requests("CreateRoute")
    assert (routed.filter, routed.contract.name, routed.device_rule) == ("plant/pump/+", "pump", "topic:2")
    (replayed,) = stack.script.requests("ReplayQuarantined")
    assert list(replayed.filter.kinds) == [quarantine_pb2.QUARANTINE_KIND_UNROUTED]
    assert replayed.filter.topic_filter == route().filter


def test_route_this_makes_nothing_without_a_yes(stack: Stack) -> None:
    """A no, and a script that only wants to see the proposal."""
    scripted_this(stack)
    assert stack.run("route", "this", "plant/pump/+", "--infer", stdin=b"n\n").exit_code == 1
    assert stack.json("route", "this", "plant/pump/+", "--infer", "other")["inference"]["device_rule"] == "topic:2"
    assert not stack.script.requests("CreateContract")
    assert not stack.script.requests("CreateRoute")


@pytest.mark.parametrize("arguments", [("+/#", "--infer"), ("a",), ("a", "--infer", "--contract", "b")])
def test_route_this_needs_to_know_which_contract(stack: Stack, arguments: tuple[str, ...]) -> None:
    """A filter without a name in it, no contract, or two."""
    assert stack.run("route", "this", *arguments, "--yes").exit_code == 2


def test_route_update_changes_only_what_is_given(stack: Stack) -> None:
    """To unpin is a change; nothing at all is a usage error."""
    stack.script.on("UpdateRoute", route_service_pb2.UpdateRouteResponse(route=route()))
    assert stack.run("route", "update", "r1", "--unpin", "--etag", "e").exit_code == 0
    (request,) = stack.script.requests("UpdateRoute")
    assert (request.HasField("pinned_revision"), request.pinned_revision, request.etag) == (True, 0, "e")
    assert not request.HasField("contract")
    assert not request.HasField("device_rule")
    assert stack.run("route", "update", "r1").exit_code == 2


def test_device_data_is_deleted_after_a_yes(stack: Stack) -> None:
    """A no deletes nothing; a dry run needs none."""
    job = job_pb2.Job(job_id="00000000-0000-4000-8000-000000000001", state=job_pb2.JOB_STATE_SUCCEEDED)
    job.device_deletion.rows["room"] = 7
    stack.script.on("DeleteDeviceData", device_data_service_pb2.DeleteDeviceDataResponse(job=job))
    assert stack.run("device", "delete-data", "pump-7", stdin=b"n\n").exit_code == 1
    assert not stack.script.requests("DeleteDeviceData")
    assert stack.run("device", "delete-data", "pump-7", "--dry-run").exit_code == 0
    assert "room 7" in stack.run("device", "delete-data", "pump-7", "--yes").stdout
    assert [request.dry_run for request in stack.script.requests("DeleteDeviceData")] == [True, False]


def test_route_resolve_fails_where_no_route_takes_the_topic(stack: Stack) -> None:
    """A script can ask whether a topic has a route."""
    found = route_service_pb2.ResolveTopicResponse(route=route())
    stack.script.on("ResolveTopic", found, route_service_pb2.ResolveTopicResponse())
    assert stack.run("route", "resolve", "s/1/t").exit_code == 0
    missing = stack.run("route", "resolve", "other")
    assert missing.exit_code == 1
    assert "dataflow route create" in missing.stderr


def node(name: str = "n1") -> node_pb2.Node:
    made = node_pb2.Node(
        name=name,
        url="redis://127.0.0.1:1",
        state=node_pb2.NODE_STATE_ACTIVE,
        depth=4,
        share=0.5,
        memory_used_bytes=2048,
        durability=node_pb2.DURABILITY_VERIFIED,
    )
    made.observations.add(observer="bridge-1", health=node_pb2.NODE_HEALTH_HEALTHY)
    made.observations.add(observer="validator-1", health=node_pb2.NODE_HEALTH_DOWN, detail="refused")
    return made


def test_ring_list_says_when_the_membership_is_stale(stack: Stack) -> None:
    """An answer without Postgres is marked as what it is."""
    stack.script.on("ListNodes", ring_service_pb2.ListNodesResponse(nodes=[node()], stale=True))
    result = stack.run("ring", "list")
    assert "HEALTHY (1 disagree)" in result.stdout
    assert "last-known" in result.stderr
    assert stack.json("ring", "list")["stale"] is True


def test_ring_get_add_and_watch(stack: Stack) -> None:
    """The other ring commands show what the service returns."""
    stack.script.on("GetNode", ring_service_pb2.GetNodeResponse(node=node()))
    stack.script.on("AddNode", ring_service_pb2.AddNodeResponse(node=node()))
    state = ring_service_pb2.WatchRingResponse(nodes=[node()])
    stack.script.on("WatchRing", [state, state, state])
    assert "refused" in stack.run("ring", "get", "n1").output
    assert stack.run("ring", "add", "n1", "redis://u:p@127.0.0.1:1", "--zone", "z").exit_code == 0
    assert stack.run("ring", "add", "n1", "127.0.0.1:1").exit_code == 2
    watched = stack.run("ring", "watch", "--count", "2", "--json")
    assert [json.loads(line)["nodes"][0]["name"] for line in watched.stdout.splitlines()] == ["n1", "n1"]


def test_ring_drain_and_remove_say_what_happened(stack: Stack) -> None:
    """Whoever forces a removal learns what stays on the server."""
    stack.script.on("DrainNode", ring_service_pb2.DrainNodeResponse(node=node()))
    stack.script.on("CancelDrain", ring_service_pb2.CancelDrainResponse(node=node()))
    stack.script.on("RemoveNode", ring_service_pb2.RemoveNodeResponse(reached=False, abandoned_batches=3))
    assert stack.run("ring", "drain", "n1").exit_code == 0
    assert stack.run("ring", "cancel-drain", "n1").exit_code == 0
    removed = stack.run("ring", "remove", "n1", "--force")
    assert (removed.exit_code, "3 batches" in removed.stderr, "did not answer" in removed.stderr) == (0, True, True)
    assert stack.script.requests("RemoveNode")[0].force
    assert stack.json("ring", "remove", "n1")["abandoned_batches"] == "3"


def test_ring_list_shows_the_ring_as_a_whole(stack: Stack) -> None:
    """Who leads, how many copies are missing, and what an operator should know."""
    status = ring_pb2.RingStatus(leader="bridge-1", leader_epoch=7, under_replicated=5, warnings=["node n1 is WEAK"])
    stack.script.on("ListNodes", ring_service_pb2.ListNodesResponse(nodes=[node()], status=status))
    result = stack.run("ring", "list")
    assert "bridge-1 (epoch 7)" in result.stdout
    assert "WEAK" in result.stderr
    assert stack.json("ring", "list")["status"]["under_replicated"] == "5"


def test_ring_add_is_sent_once(stack: Stack) -> None:
    """A lost answer is not followed by a second admission that would read as a name conflict."""
    stack.script.on("AddNode", Failure(grpc.StatusCode.UNAVAILABLE, "away", "POSTGRES_UNAVAILABLE"))
    assert stack.run("ring", "add", "n1", "redis://127.0.0.1:1").exit_code == 3
    assert len(stack.script.calls["AddNode"]) == 1


def test_states_of_a_newer_service_are_shown_as_numbers(stack: Stack) -> None:
    """An enum value that this version does not know breaks no output."""
    newer = node_pb2.Node(name="n1", state=77, durability=78)  # type: ignore[arg-type]  # as a newer bridge sends it
    newer.observations.add(observer="b", health=79)
    stack.script.on("ListNodes", ring_service_pb2.ListNodesResponse(nodes=[newer]))
    line = stack.run("ring", "list").stdout.splitlines()[2]
    assert line.split()[:4] == ["n1", "77", "79", "78"]


def quarantined(payload: bytes) -> quarantine_pb2.QuarantinedItem:
    item = quarantine_pb2.QuarantinedItem(
        quarantine_id="q1", kind=quarantine_pb2.QUARANTINE_KIND_REFUSED, contract="room", revision=1, payload=payload
    )
    item.reasons.add(path="/co2", rule="maximum", expected="5000", actual="9000", message="above 5000")
    item.reasons.add(path="/ts", rule="required", message="missing")
    return item


def test_quarantine_list_narrows_and_shows_the_first_reason(stack: Stack) -> None:
    """All filters reach the service; one line says the root cause and how many more there are."""
    stack.script.on("ListQuarantined", quarantine_service_pb2.ListQuarantinedResponse(items=[quarantined(b"{}")]))
    result = stack.run(
        "quarantine",
        "list",
        "--contract",
        "room",
        "--kind",
        "refused",
        "--kind",
        "CONFLICT",
        "--device",
        "d",
        "--path",
        "/co2",
        "--rule",
        "maximum",
        "--since",
        "2014-01-16",
        "--limit",
        "5",
    )
    assert result.exit_code == 0, result.output
    assert "/co2: above 5000 (+1)" in result.output
    (request,) = stack.script.requests("ListQuarantined")
    assert request.filter.kinds == [quarantine_pb2.QUARANTINE_KIND_REFUSED, quarantine_pb2.QUARANTINE_KIND_CONFLICT]
    assert request.filter.start_time.seconds == 1389830400
    assert (request.filter.path, request.filter.rule, request.page_size) == ("/co2", "maximum", 5)


def test_quarantine_get_gives_all_reasons_and_the_exact_bytes(stack: Stack) -> None:
    """Original bytes are never bent into text."""
    stack.script.on("GetQuarantined", quarantine_service_pb2.GetQuarantinedResponse(item=quarantined(b"\xff\x00{")))
    shown = stack.run("quarantine", "get", "q1").output
    assert "ff 00 7b (3 bytes, not UTF-8)" in shown
    assert "missing" in shown
    assert stack.run("quarantine", "get", "q1", "--raw").stdout_bytes == b"\xff\x00{"
    document = stack.json("quarantine", "get", "q1")
    assert (document["payload"], document["payload_text"]) == ("/wB7", None)


def reading(device: str, **fields: reading_pb2.Value) -> reading_pb2.Reading:
    made = reading_pb2.Reading(device_id=device, revision=1)
    made.event_time.FromSeconds(1389830400)
    for name, value in fields.items():
        made.fields[name].CopyFrom(value)
    return made


def test_readings_show_typed_values(stack: Stack) -> None:
    """Integers stay exact, null and missing are empty, and every field has its column."""
    rows = [
        reading("a", n=reading_pb2.Value(integer_value=2**53 + 1), x=reading_pb2.Value(number_value=0.5)),
        reading("b", n=reading_pb2.Value(), s=reading_pb2.Value(string_value="é")),
    ]
    stack.script.on("ListReadings", reading_service_pb2.ListReadingsResponse(readings=rows))
    stack.script.on("ListLatestReadings", reading_service_pb2.ListLatestReadingsResponse(readings=rows))
    found = stack.json("readings", "list", "room", "--until", "2014-01-17T00:00:00Z", "--newest-first")
    assert found[0]["fields"] == {"n": 9007199254740993, "x": 0.5}
    assert found[1]["fields"] == {"n": None, "s": "é"}
    assert found[0]["event_time"] == "2014-01-16T00:00:00Z"
    lines = stack.run("readings", "latest", "room").output.splitlines()
    assert lines[0].split() == ["device", "event", "time", "n", "x", "s"]
    assert lines[2].split() == ["a", "2014-01-16T00:00:00Z", "9007199254740993", "0.5"]


def test_readings_show_what_no_field_names(stack: Stack) -> None:
    """Kept members and possible duplicates have columns where there are any."""
    marked = reading("a", x=reading_pb2.Value(number_value=1))
    marked.extra.update({"firmware": "1.2"})
    marked.maybe_duplicate = True
    stack.script.on("ListReadings", reading_service_pb2.ListReadingsResponse(readings=[marked]))
    output = stack.run("readings", "list", "room").output
    assert output.splitlines()[0].split() == ["device", "event", "time", "x", "extra", "maybe", "twice"]
    assert '{"firmware": "1.2"}' in output


def test_readings_aggregate_tells_zero_from_nothing(stack: Stack) -> None:
    """An average that does not exist is empty, one of zero is 0."""
    bucket = reading_service_pb2.AggregateBucket(device_id="a", reading_count=2)
    bucket.fields["x"].CopyFrom(reading_service_pb2.FieldAggregates(count=2, sum=0.0))
    stack.script.on("AggregateReadings", reading_service_pb2.AggregateReadingsResponse(buckets=[bucket]))
    arguments = ("readings", "aggregate", "room", "--field", "x", "--aggregate", "sum", "--aggregate", "avg")
    found = stack.json(*arguments, "--window", "1h", "--by-device")
    assert found[0]["fields"]["x"] == {"sum": 0.0, "avg": None}
    (request,) = stack.script.requests("AggregateReadings")
    assert request.window.seconds == 3600
    assert "sum(x)" in stack.run(*arguments).output
    assert stack.run(*arguments, "--window", "soon").exit_code == 2


def test_readings_aggregate_asks_for_windows_groups_and_percentiles(stack: Stack) -> None:
    """Every option is in the request, and groups, typed values and percentiles are in the answer."""
    bucket = reading_service_pb2.AggregateBucket(reading_count=2, group=reading_pb2.Value(string_value="b"))
    first = reading_pb2.Value(integer_value=7)
    bucket.fields["x"].CopyFrom(reading_service_pb2.FieldAggregates(first=first, percentiles=[1.5, 2.5]))
    origin = reading_service_pb2.AggregateOrigin(source=reading_service_pb2.AGGREGATE_SOURCE_ROWS)
    response = reading_service_pb2.AggregateReadingsResponse(buckets=[bucket], origin=origin)
    stack.script.on("AggregateReadings", response)
    arguments = ("readings", "aggregate", "room", "--field", "x", "--aggregate", "first", "--percentile", "0.5")
    more = ("--percentile", "0.999", "--window", "7d", "--step", "1d", "--offset", "1h", "--time-zone", "Europe/Berlin")
    found = stack.json(*arguments, *more, "--group-by", "label", "--from-rows")
    assert found[0]["fields"]["x"] == {"first": 7, "p50": 1.5, "p99.9": 2.5}
    assert found[0]["group"] == "b"
    (request,) = stack.script.requests("AggregateReadings")
    assert (request.step.seconds, request.offset.seconds, request.time_zone) == (86_400, 3_600, "Europe/Berlin")
    assert (request.group_by, list(request.percentiles)) == ("label", [0.5, 0.999])
    assert request.source == reading_service_pb2.AGGREGATE_SOURCE_ROWS
    assert "p99.9(x)" in stack.run(*arguments, *more, "--group-by", "label").output


def accepted(count: int, *rejected: str) -> ingest_service_pb2.PublishMessagesResponse:
    entries = [
        ingest_service_pb2.RejectedMessage(index=index, error_message=text) for index, text in enumerate(rejected)
    ]
    return ingest_service_pb2.PublishMessagesResponse(accepted_count=count, rejected=entries)


def streamed(request: ingest_service_pb2.StreamMessagesRequest) -> ingest_service_pb2.StreamMessagesResponse:
    count = len(request.messages)
    return ingest_service_pb2.StreamMessagesResponse(sequence=request.sequence, accepted_count=count)


def test_publish_sends_one_message_with_an_id(stack: Stack) -> None:
    """The simplest form needs a topic and a payload."""
    stack.script.on("PublishMessages", accepted(1))
    result = stack.run("publish", "s/1/t", '{"co2": 400}')
    assert result.output == "accepted 1, rejected 0\n"
    (message,) = stack.script.requests("PublishMessages")[0].messages
    assert (message.topic, message.text) == ("s/1/t", '{"co2": 400}')
    assert message.message_id


def test_publish_reads_lines_and_files(stack: Stack, tmp_path: Path) -> None:
    """Many messages come from a file or a pipe, bytes as they are."""
    stack.script.on("PublishMessages", accepted(1))
    stack.script.on("StreamMessages", streamed)
    (tmp_path / "m.jsonl").write_text(
        '{"topic": "a", "payload": {"n": 1}}\n\n{"topic": "b", "payload": "x", "message_id": "7"}\n'
    )
    assert stack.run("publish", "--jsonl", str(tmp_path / "m.jsonl")).exit_code == 0
    assert stack.run("publish", "t", "--lines", "-", stdin=b"\xff\n2\r\n").exit_code == 0
    assert stack.run("publish", "t", "--file", "-", stdin=b"\xff\n2\r\n").exit_code == 0
    many = [message for request in stack.script.requests("StreamMessages") for message in request.messages]
    jsonl, lines = many[:2], many[2:]
    [whole] = (request.messages for request in stack.script.requests("PublishMessages"))
    assert [(message.topic, message.text) for message in jsonl] == [("a", '{"n": 1}'), ("b", "x")]
    assert jsonl[1].message_id == "7"
    assert [message.payload for message in lines] == [b"\xff", b"2"]
    assert [message.payload for message in whole] == [b"\xff\n2\r\n"]


def test_publish_fails_where_a_message_is_rejected(stack: Stack) -> None:
    """A partly good batch names what was not taken; the exit code is 1."""
    stack.script.on("PublishMessages", accepted(0, "not a topic: 'a/#'"))
    result = stack.run("publish", "a/#", "x")
    assert result.exit_code == 1
    assert "message 0: not a topic" in result.stderr


@pytest.mark.parametrize("arguments", [["t"], ["t", "p", "--file", "-"], ["--lines", "-"], ["t", "--jsonl", "-"]])
def test_publish_needs_one_source(stack: Stack, arguments: list[str]) -> None:
    """Nothing to send, or too much, is a usage error."""
    assert stack.run("publish", *arguments).exit_code == 2


def test_publish_names_the_line_that_is_no_message(stack: Stack, tmp_path: Path) -> None:
    """A bad line is found by its number."""
    stack.script.on("StreamMessages", streamed)
    (tmp_path / "m.jsonl").write_text('{"topic": "a", "payload": 1}\n[]\n')
    result = stack.run("publish", "--jsonl", str(tmp_path / "m.jsonl"))
    assert result.exit_code == 1
    assert "line 2: not an object with topic and payload; 1 messages were accepted before" in result.stderr


def test_argument_that_is_no_text_is_a_usage_error(stack: Stack) -> None:
    """Bytes of another encoding are refused, not half sent."""
    result = stack.run("route", "resolve", "caf\udce9")
    assert result.exit_code == 2
    assert "UTF-8" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["contract", "activate", "c", "--revision", "4294967296"],
        ["quarantine", "list", "--revision", "4294967296"],
        ["readings", "aggregate", "c", "--field", "x", "--window", "99999w"],
        ["readings", "list", "c", "--since", "10000-01-01"],
    ],
)
def test_numbers_beyond_the_protocol_are_usage_errors(stack: Stack, arguments: list[str]) -> None:
    """What no message can carry is refused before it is sent."""
    assert stack.run(*arguments).exit_code == 2
