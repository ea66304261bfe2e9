"""Names of metrics, log lines, clocks, addresses, service configs."""

import json
import logging
import re
import time
from importlib import import_module
from pathlib import Path

import pytest
from dataflow_mesh.channel import service_config, target_of
from dataflow_mesh.clock import ClockError, clock_difference, judge_clock
from dataflow_mesh.logs import JsonFormatter, TextFormatter, fields
from dataflow_mesh.names import METRICS, Kind
from dataflow_mesh.server import is_loopback
from google.protobuf import descriptor_pool


def record(message: str, extra: dict[str, object], error: BaseException | None = None) -> logging.LogRecord:
    """Returns a log record as a logger would make it."""
    info = (type(error), error, error.__traceback__) if error else None
    return logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, message, (), info, None, extra)


def test_metric_names_are_unique_and_well_formed() -> None:
    """One name, one metric; all under one root, with a unit and a sentence."""
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names) >= 28
    for metric in METRICS:
        assert re.fullmatch(r"dataflow(\.[a-z][a-z0-9_]*){2}", metric.name)
        assert metric.unit
        assert metric.brief.endswith(".")
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_a_json_line_has_action_fields_and_trace() -> None:
    """One object a line, whatever the fields hold."""
    extra = fields("failed", port=1, odd=object())
    line = JsonFormatter("bridge", "b1").format(record("it failed", extra, ValueError("why")))
    parsed = json.loads(line)
    assert (parsed["message"], parsed["action"], parsed["port"], parsed["service"]) == (
        "it failed",
        "failed",
        1,
        "bridge",
    )
    assert "ValueError: why" in parsed["exception"]
    assert "\n" not in line


def test_a_text_line_cannot_be_forged_by_a_field() -> None:
    """Line breaks and control characters in a field are escaped."""
    line = TextFormatter().format(record("refused", fields("refused", topic="a\nb\x1b[31m")))
    assert "\n" not in line
    assert "\x1b" not in line
    assert "action=refused" in line


async def test_the_way_there_and_back_is_not_taken_for_a_difference() -> None:
    """The other clock is compared with the middle of the question."""

    async def read() -> float:
        return time.time() + 30

    assert 29 < await clock_difference(read) < 31


def test_a_difference_above_a_minute_is_refused_and_above_a_second_told(caplog: pytest.LogCaptureFixture) -> None:
    """Promise 8: say so above 1 s, refuse above 60 s, in both directions."""
    judge_clock(0.9, "Redis")
    assert not caplog.records
    judge_clock(-1.1, "Redis")
    assert [vars(entry)["dataflow"]["action"] for entry in caplog.records] == ["clock_difference"]
    for difference in (60.1, -60.1):
        with pytest.raises(ClockError, match="Redis"):
            judge_clock(difference, "Redis")


@pytest.mark.parametrize(
    ("listen", "loopback"),
    [("127.0.0.1:1", True), ("[::1]:1", True), ("localhost:1", True), ("unix:/tmp/x", True), ("127.9.9.9:1", True),
     ("0.0.0.0:1", False), ("[::]:1", False), (":1", False), ("host:1", False), ("10.0.0.1:1", False)],
)  # fmt: skip
def test_loopback_is_recognised(listen: str, loopback: bool) -> None:
    """Only what cannot leave the machine counts."""
    assert is_loopback(listen) is loopback


def test_addresses_become_targets_that_are_balanced() -> None:
    """host:port goes through DNS; schemes are passed on."""
    assert target_of("bridge:50051") == "dns:///bridge:50051"
    assert [target_of(target) for target in ("xds:///bridge", "unix:/x", "dns:///a:1")] == [
        "xds:///bridge",
        "unix:/x",
        "dns:///a:1",
    ]


def test_only_idempotent_methods_are_retried() -> None:
    """AddNode must not be sent twice by a channel; ListNodes may."""
    import_module("dataflow.bridge.v1.ring_service_pb2")
    service = descriptor_pool.Default().FindServiceByName("dataflow.bridge.v1.RingService")
    config = json.loads(service_config([service]))
    methods = {name["method"] for entry in config["methodConfig"] for name in entry["name"]}
    assert "ListNodes" in methods
    assert "AddNode" not in methods
    assert config["methodConfig"][0]["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]


def test_the_mesh_knows_asyncpg_in_one_file_only() -> None:
    """One file for each outside library."""
    package = import_module("dataflow_mesh")
    assert package.__file__ is not None
    users = [
        file.name
        for file in Path(package.__file__).parent.rglob("*.py")
        if re.search(r"^\s*(import|from) asyncpg", file.read_text(), re.MULTILINE)
    ]
    assert users == ["postgres.py"]
