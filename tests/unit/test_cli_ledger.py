"""`dataflow ledger` and `dataflow parked` against a scripted server: what they send, print and exit with."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.validator.v1 import ledger_pb2, ledger_service_pb2, parked_pb2, quarantine_service_pb2
from dataflow_cli.root import dataflow
from dataflow_client import AsyncClient, Client, Connection, Targets
from dataflow_client.testing import Failure, Script, serving

Run = Callable[..., Result]


@pytest.fixture
def script() -> Iterator[tuple[Script, str]]:
    made = Script()
    with serving(made) as target:
        yield made, target


@pytest.fixture
def run(script: tuple[Script, str], tmp_path: Path) -> Run:
    token = tmp_path / "token"
    token.write_text("t")

    def command(*arguments: str) -> Result:
        where = ["--validator", script[1], "--token-file", str(token), "--data-dir", str(tmp_path)]
        return CliRunner().invoke(dataflow, [*arguments, *where])

    return command


def checked(*, missing: int = 0, unreachable: int = 0) -> ledger_service_pb2.CheckLedgerResponse:
    ranges = [ledger_pb2.SequenceRange(first=3, last=2 + missing, state=ledger_pb2.SEQUENCE_STATE_MISSING)]
    boot = ledger_pb2.BootCheck(
        bridge_id="bridge-0",
        boot_id="0193-boot",
        acknowledged_through=9,
        committed_through=2,
        missing=missing,
        unreachable=unreachable,
        ranges=ranges if missing else [],
    )
    return ledger_service_pb2.CheckLedgerResponse(
        complete=not (missing or unreachable),
        missing=missing,
        unreachable=unreachable,
        unreachable_nodes=["redis-1"] if unreachable else [],
        boots=[boot],
    )


def test_a_complete_ledger_is_exit_code_0(script: tuple[Script, str], run: Run) -> None:
    """And one with a loss or a doubt is 1, with which sequences it is about."""
    script[0].on("CheckLedger", checked(), checked(missing=2), checked(unreachable=1), checked(missing=1))
    assert run("ledger", "check").exit_code == 0
    lost = run("ledger", "check")
    assert lost.exit_code == 1
    assert "MISSING 3-4" in lost.output
    doubtful = run("ledger", "check")
    assert doubtful.exit_code == 1
    assert "redis-1" in doubtful.output
    as_json = run("ledger", "check", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["missing"] == "1"


def test_a_recount_says_where_the_rows_differ(script: tuple[Script, str], run: Run) -> None:
    """The times reach the service."""
    answer = checked()
    answer.complete = False
    answer.recount.ledger_stored, answer.recount.found_stored = 5, 4
    answer.recount.differing_contracts.append("room")
    script[0].on("CheckLedger", answer)
    result = run("ledger", "check", "--recount", "--since", "2026-01-01", "--until", "2026-01-02")
    assert result.exit_code == 1
    assert "5 in the ledger, 4 rows" in result.output
    assert "room" in result.output
    [request] = script[0].requests("CheckLedger")
    assert request.recount
    assert request.recount_end_time.seconds - request.recount_start_time.seconds == 86_400


def test_ledger_list_shows_batches_or_minutes(script: tuple[Script, str], run: Run) -> None:
    """Each with the columns that it has."""
    counts = ledger_pb2.LedgerCounts(stored=7, parked=-3)
    entries = [ledger_pb2.LedgerEntry(bridge_id="b", boot_id="0193-boot", sequence=4, node="redis-0", counts=counts)]
    script[0].on("ListLedgerEntries", ledger_service_pb2.ListLedgerEntriesResponse(entries=entries))
    batches = run("ledger", "list", "--contract", "room", "--device", "d")
    assert "redis-0" in batches.output
    assert "-3" in batches.output
    assert "contract" in run("ledger", "list", "--minutes").output
    first, second = script[0].requests("ListLedgerEntries")
    assert (first.filter.contract, first.filter.device_id) == ("room", "d")
    assert second.resolution == ledger_service_pb2.LEDGER_RESOLUTION_MINUTE


def test_parked_retry_all_retries_what_is_listed(script: tuple[Script, str], run: Run) -> None:
    """Exit code 1 while one stays parked; ids and --all together are a mistake."""
    batches = [parked_pb2.ParkedBatch(batch_id=f"id-{number}", reason="why") for number in range(25)]
    script[0].on("ListParked", quarantine_service_pb2.ListParkedResponse(batches=batches))
    stored = parked_pb2.RetriedBatch(batch_id="id", outcome=parked_pb2.RETRY_OUTCOME_STORED, stored=3)
    still = parked_pb2.RetriedBatch(batch_id="id", outcome=parked_pb2.RETRY_OUTCOME_STILL_PARKED, reason="unreadable")
    script[0].on(
        "RetryParked",
        quarantine_service_pb2.RetryParkedResponse(batches=[stored]),
        quarantine_service_pb2.RetryParkedResponse(batches=[still]),
    )
    assert "unreadable" in run("parked", "list").output
    result = run("parked", "retry", "--all")
    assert result.exit_code == 1
    assert "unreadable" in result.output
    assert [len(request.batch_ids) for request in script[0].requests("RetryParked")] == [20, 5]
    assert run("parked", "retry", "--all", "id").exit_code == 2
    assert run("parked", "retry").exit_code == 2


def test_a_retry_that_kills_its_validator_is_not_repeated(script: tuple[Script, str], run: Run) -> None:
    """Else one batch would end one validator after the other."""
    script[0].on("RetryParked", Failure(grpc.StatusCode.UNAVAILABLE))
    assert run("parked", "retry", "id").exit_code == 3
    assert len(script[0].requests("RetryParked")) == 1


def test_parked_export_writes_what_comes(script: tuple[Script, str], run: Run, tmp_path: Path) -> None:
    """Bytes as they are, in order; a batch without messages is exit code 1."""
    first = parked_pb2.ParkedBatch(batch_id="id-1")
    parts = [
        quarantine_service_pb2.ExportParkedResponse(batch=first, data=b"\x28\xb5"),
        quarantine_service_pb2.ExportParkedResponse(data=b"\xff", last=True),
    ]
    bad = quarantine_service_pb2.ExportParkedResponse(batch=first, last=True, problem="not a batch")
    script[0].on("ExportParked", parts, [bad])
    file = tmp_path / "out"
    assert run("parked", "export", "--format", "bytes", "--output", str(file)).exit_code == 0
    assert file.read_bytes() == b"\x28\xb5\xff"
    assert run("parked", "export").exit_code == 1
    forms = [request.format for request in script[0].requests("ExportParked")]
    assert forms == [quarantine_service_pb2.EXPORT_FORMAT_BYTES, quarantine_service_pb2.EXPORT_FORMAT_MESSAGES]


async def test_both_clients_say_the_same(script: tuple[Script, str]) -> None:
    """The asyncio client has each call of the synchronous one."""
    connection = Connection(Targets(validator=script[1]), "t")
    script[0].on("CheckLedger", checked())
    script[0].on("ListLedgerEntries", ledger_service_pb2.ListLedgerEntriesResponse())
    script[0].on("ListParked", quarantine_service_pb2.ListParkedResponse())
    script[0].on("RetryParked", quarantine_service_pb2.RetryParkedResponse())
    script[0].on("ExportParked", [quarantine_service_pb2.ExportParkedResponse(last=True)])
    with Client(connection) as client:
        client.ledger.check(bridge_id="b")
        assert list(client.ledger.list(by_minute=True)) == list(client.parked.list())
        assert list(client.parked.retry(["id"])) == []
        assert [part.last for part in client.parked.export()] == [True]
    async with AsyncClient(connection) as other:
        await other.ledger.check(bridge_id="b")
        assert [entry async for entry in other.ledger.list(by_minute=True)] == []
        assert [batch async for batch in other.parked.list()] == []
        assert list(await other.parked.retry(["id"])) == []
        assert [part.last async for part in other.parked.export()] == [True]
    for method in ("CheckLedger", "ListLedgerEntries", "ListParked", "RetryParked", "ExportParked"):
        first, second = script[0].requests(method)
        assert first == second
