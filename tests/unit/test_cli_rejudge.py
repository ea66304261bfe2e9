"""`dataflow quarantine replay|purge` and `contract backfill` against a scripted server: what they send and print."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dataflow.validator.v1 import job_pb2, job_service_pb2, quarantine_pb2, quarantine_service_pb2, rejudge_pb2
from dataflow_cli.root import dataflow
from dataflow_client.testing import Script, serving

_JOB_ID = "0b8a0a70-6d1b-4c6a-8f7d-5f0a9e6d3c11"


class Stack:
    """A data directory that points to a scripted server, and the command."""

    def __init__(self, script: Script, data_dir: Path) -> None:
        self.script = script
        self.data_dir = data_dir

    def run(self, *arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(dataflow, [*arguments, "--data-dir", str(self.data_dir)], input=stdin)


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


def ended(kind: job_pb2.JobKind.ValueType, **result: object) -> job_pb2.Job:
    return job_pb2.Job(job_id=_JOB_ID, kind=kind, state=job_pb2.JOB_STATE_SUCCEEDED, **result)  # type: ignore[arg-type]


def test_a_replay_sends_its_filter_waits_and_shows_what_became_of_the_items(stack: Stack) -> None:
    """Only the outcomes that occurred are columns; what has no route is said beside."""
    result = rejudge_pb2.RejudgeResult(
        items=1_250, left=3, contracts=[rejudge_pb2.RejudgedContract(contract="weather", stored=1_200, refused=47)]
    )
    queued = job_pb2.Job(job_id=_JOB_ID, kind=job_pb2.JOB_KIND_REPLAY_QUARANTINED, state=job_pb2.JOB_STATE_QUEUED)
    stack.script.on("ReplayQuarantined", quarantine_service_pb2.ReplayQuarantinedResponse(job=queued))
    done = ended(job_pb2.JOB_KIND_REPLAY_QUARANTINED, replay=result)
    stack.script.on("WatchJob", [job_service_pb2.WatchJobResponse(job=done)])
    shown = stack.run(
        "quarantine", "replay", "--contract", "weather", "--kind", "refused", "--rate", "500", "--dry-run"
    )
    assert shown.exit_code == 0, shown.output
    (request,) = stack.script.requests("ReplayQuarantined")
    assert request.filter == quarantine_pb2.QuarantineFilter(
        contract="weather", kinds=[quarantine_pb2.QUARANTINE_KIND_REFUSED]
    )
    assert (request.dry_run, request.rate, bool(request.request_id)) == (True, 500.0, True)
    assert "1,200" in shown.output
    assert "withdrawn" not in shown.output
    assert "left as they are (no route)" in shown.output


def test_a_backfill_says_when_it_is_approximate(stack: Stack) -> None:
    """Rows from before the raw log stay as they are, and somebody must know."""
    result = rejudge_pb2.RejudgeResult(
        items=10, older_rows=7, contracts=[rejudge_pb2.RejudgedContract(contract="weather", updated=9, withdrawn=1)]
    )
    done = ended(job_pb2.JOB_KIND_BACKFILL, backfill=result)
    stack.script.on("Backfill", quarantine_service_pb2.BackfillResponse(job=done))
    shown = stack.run("contract", "backfill", "weather", "--revision", "2", "--device", "d1")
    assert shown.exit_code == 0, shown.output
    (request,) = stack.script.requests("Backfill")
    assert (request.contract, request.revision, list(request.device_ids)) == ("weather", 2, ["d1"])
    assert "Approximate" in shown.output


def test_a_purge_wants_a_filter_and_a_yes(stack: Stack) -> None:
    """Nothing is sent for an empty filter without --all, nor before somebody said yes."""
    assert stack.run("quarantine", "purge").exit_code == 2
    assert stack.run("quarantine", "purge", "--contract", "weather", stdin="n\n").exit_code == 1
    assert stack.script.requests("PurgeQuarantined") == []
    done = ended(job_pb2.JOB_KIND_PURGE_QUARANTINED, purge=rejudge_pb2.PurgeResult(purged=12))
    stack.script.on("PurgeQuarantined", quarantine_service_pb2.PurgeQuarantinedResponse(job=done))
    shown = stack.run("quarantine", "purge", "--all", "--yes")
    assert shown.exit_code == 0, shown.output
    assert stack.script.requests("PurgeQuarantined")[0].all
    assert "12" in shown.output
