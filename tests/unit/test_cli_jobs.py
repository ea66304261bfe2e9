"""`dataflow job` and `dataflow contract test` against a scripted server: what they send, print and exit with."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.validator.v1 import (
    contract_pb2,
    contract_service_pb2,
    contract_test_pb2,
    job_pb2,
    job_service_pb2,
    quarantine_pb2,
)
from dataflow_cli.job_progress import progress_line
from dataflow_cli.root import dataflow
from dataflow_client import AsyncClient, CallOptions, Client, Connection, RetryPolicy, Targets
from dataflow_client.testing import Failure, Script, serving

ID = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
AWAY = Failure(grpc.StatusCode.UNAVAILABLE, "stopping", reason="SHUTTING_DOWN")
QUICK = CallOptions(timeout_seconds=10.0, retry=RetryPolicy(first_delay_seconds=0.001, max_delay_seconds=0.01))


def job(state: str, done: int = 0, **more: Any) -> job_pb2.Job:
    """Give a job."""
    return job_pb2.Job(
        job_id=ID,
        kind=job_pb2.JOB_KIND_TEST_CONTRACT,
        state=job_pb2.JobState.Value(f"JOB_STATE_{state}"),
        dry_run=True,
        created_by="ann",
        progress=job_pb2.JobProgress(done=done, total=1_000, parts=2),
        **more,
    )


TESTED = contract_test_pb2.ContractTestResult(
    contract="room",
    items=10,
    accepted=7,
    refused=3,
    rows_unchanged=7,
    rows_refused=3,
    clauses=[contract_test_pb2.ClauseCount(path="/co2", rule="maximum", items=3)],
    samples=[
        contract_test_pb2.ContractTestSample(
            outcome=contract_test_pb2.CONTRACT_TEST_OUTCOME_ROW_REFUSED,
            device_id="d1",
            topic="rooms/a",
            payload=b'{"co2": 9\x1b[2J}',
            reasons=[quarantine_pb2.Reason(message="too much")],
        )
    ],
)


def watched(*jobs: job_pb2.Job) -> list[job_service_pb2.WatchJobResponse]:
    """Give the parts of a watch."""
    return [job_service_pb2.WatchJobResponse(job=state) for state in jobs]


class Stack:
    """A data directory that points to a scripted server, and the command."""

    def __init__(self, script: Script, target: str, data_dir: Path) -> None:
        self.script = script
        self.target = target
        self.data_dir = data_dir

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(dataflow, [*arguments, "--data-dir", str(self.data_dir)])


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    script = Script()
    with serving(script) as target:
        tokens = {"tokens": [{"token": "t", "name": "admin", "role": "ADMIN"}]}
        (tmp_path / "tokens.json").write_text(json.dumps(tokens))
        status = {"grpc": {"bridge": target, "validator": target, "insight": target}, "token_file": "tokens.json"}
        (tmp_path / "status.json").write_text(json.dumps(status))
        yield Stack(script, target, tmp_path)


def test_contract_test_waits_and_shows_what_would_become_of_what(stack: Stack, tmp_path: Path) -> None:
    """Rules of a file replace the fields; all else of the contract stays."""
    fields = tmp_path / "room.json"
    fields.write_text(json.dumps([{"name": "co2", "type": "number", "max": 5}]))
    spec = contract_pb2.ContractSpec(
        fields=[contract_pb2.Field(name="old", type=contract_pb2.FIELD_TYPE_STRING)], identity=["co2"]
    )
    stack.script.on(
        "GetContract", contract_service_pb2.GetContractResponse(contract=contract_pb2.Contract(name="room", spec=spec))
    )
    stack.script.on("TestContract", contract_service_pb2.TestContractResponse(job=job("QUEUED")))
    stack.script.on("WatchJob", watched(job("RUNNING", 500), job("SUCCEEDED", 1_000, contract_test=TESTED)))
    result = stack.run("contract", "test", "room", "--fields", str(fields), "--device", "d1", "--start", "2026-01-01")
    assert result.exit_code == 0, result.output
    (sent,) = stack.script.requests("TestContract")
    assert [field.name for field in sent.spec.fields] == ["co2"]
    assert list(sent.spec.identity) == ["co2"]
    assert (list(sent.device_ids), sent.start_time.ToJsonString()) == (["d1"], "2026-01-01T00:00:00Z")
    assert sent.request_id
    assert "rows that are refused" in result.stdout
    assert "/co2" in result.stdout
    assert "too much" in result.stdout
    assert "\x1b" not in result.stdout


def test_contract_test_without_waiting_only_says_which_job(stack: Stack) -> None:
    """Nothing is watched."""
    stack.script.on("TestContract", contract_service_pb2.TestContractResponse(job=job("QUEUED")))
    result = stack.run("contract", "test", "room", "--revision", "3", "--no-wait", "--json")
    assert json.loads(result.stdout)["job_id"] == ID
    assert stack.script.requests("TestContract")[0].revision == 3
    assert not stack.script.requests("WatchJob")


def test_contract_test_takes_one_candidate(stack: Stack, tmp_path: Path) -> None:
    """A revision and a file are two."""
    fields = tmp_path / "room.json"
    fields.write_text("[]")
    assert stack.run("contract", "test", "room", "--revision", "3", "--fields", str(fields)).exit_code == 2


def test_failed_job_is_a_failed_check_that_says_how_to_go_on(stack: Stack) -> None:
    """Also when it was only resumed."""
    error = job_pb2.JobError(reason="CONTRACT_NOT_FOUND", message="no such contract")
    stack.script.on("ResumeJob", job_service_pb2.ResumeJobResponse(job=job("QUEUED")))
    stack.script.on("WatchJob", watched(job("FAILED", 5, error=error)))
    result = stack.run("job", "resume", ID)
    assert result.exit_code == 1
    assert "no such contract" in result.output
    assert f"dataflow job resume {ID}" in result.output


def test_jobs_are_listed_by_kind_and_state(stack: Stack) -> None:
    """As a table and as JSON."""
    stack.script.on("ListJobs", job_service_pb2.ListJobsResponse(jobs=[job("RUNNING", 5), job("CANCELLED", 7)]))
    result = stack.run("job", "list", "--kind", "test_contract", "--state", "running")
    assert result.exit_code == 0, result.output
    assert "test_contract (dry)" in result.stdout
    sent = stack.script.requests("ListJobs")[0]
    assert (list(sent.kinds), list(sent.states)) == ([job_pb2.JOB_KIND_TEST_CONTRACT], [job_pb2.JOB_STATE_RUNNING])
    assert len(json.loads(stack.run("job", "list", "--json").stdout)) == 2


def test_job_is_shown_with_what_was_asked_for(stack: Stack) -> None:
    """And with its result."""
    shown = job("SUCCEEDED", 1_000, contract_test=TESTED)
    shown.request.update({"contract": "room"})
    stack.script.on("GetJob", job_service_pb2.GetJobResponse(job=shown))
    result = stack.run("job", "show", ID)
    assert result.exit_code == 0, result.output
    assert '"contract": "room"' in result.stdout
    assert "1,000 of 1,000" in result.stdout


def test_watch_prints_one_document_for_each_change(stack: Stack) -> None:
    """And fails when the job did."""
    stack.script.on("WatchJob", watched(job("RUNNING", 1), job("RUNNING", 2), job("CANCELLED", 2)))
    result = stack.run("job", "watch", ID, "--json")
    assert [json.loads(line)["state"] for line in result.stdout.splitlines()] == [
        "JOB_STATE_RUNNING",
        "JOB_STATE_RUNNING",
        "JOB_STATE_CANCELLED",
    ]
    assert result.exit_code == 1


def test_cancelled_job_is_no_failure_of_the_command(stack: Stack) -> None:
    """It did what was asked."""
    stack.script.on("CancelJob", job_service_pb2.CancelJobResponse(job=job("RUNNING", 2, cancel_requested=True)))
    stack.script.on("WatchJob", watched(job("CANCELLED", 2)))
    result = stack.run("job", "cancel", ID)
    assert result.exit_code == 0, result.output
    assert "cancelled" in result.stdout


@pytest.mark.parametrize("state", ["RUNNING", "QUEUED"])
def test_progress_line_says_how_much_of_how_much(state: str) -> None:
    """With a bar where the total is known."""
    line = progress_line(job(state, 250), 1_234.0)
    assert "25%" in line
    assert "250 of 1,000" in line
    assert "1,234/s" in line


def test_wait_survives_validators_that_go_away(stack: Stack) -> None:
    """The watch is opened again, and shows each state once."""
    stack.script.on(
        "WatchJob",
        [*watched(job("RUNNING", 1)), AWAY],
        [*watched(job("RUNNING", 1)), AWAY],
        AWAY,
        watched(job("RUNNING", 2), job("SUCCEEDED", 3)),
    )
    with Client(Connection(Targets(validator=stack.target), "t"), QUICK) as client:
        assert [state.progress.done for state in client.jobs.watch(ID)] == [1, 2, 3]
    stack.script.on("WatchJob", [*watched(job("RUNNING", 1)), AWAY], watched(job("SUCCEEDED", 3)))

    async def wait() -> job_pb2.Job:
        async with AsyncClient(Connection(Targets(validator=stack.target), "t"), QUICK) as client:
            return await client.jobs.wait(ID)

    assert asyncio.run(wait()).state == job_pb2.JOB_STATE_SUCCEEDED


def test_wait_for_an_unknown_job_fails_at_once(stack: Stack) -> None:
    """Nothing will make it appear."""
    stack.script.on("WatchJob", Failure(grpc.StatusCode.NOT_FOUND, "no job", reason="JOB_NOT_FOUND"))
    result = stack.run("job", "watch", ID, "--json")
    assert result.exit_code == 1
    assert "no job" in result.output
