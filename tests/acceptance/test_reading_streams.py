"""Watching and exporting on a real local stack, as people and programs do it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dataflow_client import AsyncClient, Client, Connection, OutgoingMessage, Targets, reading_filter
from dataflow_stack.testing import LocalStack

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


@pytest.fixture(scope="module")
def contract(stack: LocalStack) -> str:
    """Make a contract, a route, forty readings and ten refused messages."""
    fields = {
        "fields": [
            {"name": "device_id", "type": "string"},
            {"name": "n", "type": "integer", "max": 99},
            {"name": "ts", "type": "timestamp"},
        ]
    }
    path = stack.home / "fields.json"
    path.write_text(json.dumps(fields))
    stack.command(
        "contract", "create", "streamed", "--fields", str(path), "--event-time", "ts", "--identity", "n", "--activate"
    )
    stack.command("route", "create", "streamed/#", "--contract", "streamed", "--device", "payload:/device_id")
    publish(stack, [*range(40), *range(100, 110)])
    return "streamed"


def publish(stack: LocalStack, numbers: list[int]) -> None:
    with Client(connection(stack)) as client:
        result = client.publish(
            OutgoingMessage("streamed/a", {"device_id": f"d{n % 3}", "n": n, "ts": f"2024-01-30T00:{n % 60:02}:00Z"})
            for n in numbers
        )
        assert not result.rejected


def connection(stack: LocalStack) -> Connection:
    document = stack.status()
    return Connection(
        Targets(bridge=document["grpc"]["bridge"], validator=document["grpc"]["validator"]),
        Path(document["token_file"]).read_text().strip(),
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_watch_shows_what_is_stored_and_goes_on_where_it_ended(stack: LocalStack, contract: str) -> None:
    """Two runs with a cursor file show every reading once between them."""
    seen = []
    for limit in (15, 25):
        done = stack.command(
            "readings", "watch", contract, "--from-beginning", "--cursor-file", str(stack.home / "cursor"),
            "--limit", str(limit), "--json",
        )  # fmt: skip
        seen += [line["fields"]["n"] for line in json_lines(done.stdout)]
    assert sorted(seen) == list(range(40))


async def test_the_asynchronous_client_follows(stack: LocalStack, contract: str) -> None:
    """A watch of AsyncClient sees what is published while it runs, in both forms."""
    async with AsyncClient(connection(stack)) as client:
        for columns, number in ((False, 50), (True, 51)):
            watch = client.readings.watch(reading_filter(contract), columns=columns)
            await anext(watch)
            publish(stack, [number])
            async for response in watch:
                found = [reading.fields["n"].integer_value for reading in response.readings]
                found += [n for field in response.columns.fields if field.field == "n" for n in field.integers]
                if found:
                    assert found == [number]
                    break
            await watch.aclose()


def test_exports_are_files_that_tools_read(stack: LocalStack, contract: str) -> None:
    """The command writes CSV and Parquet; both have the rows of SQL."""
    target = stack.home / "out.parquet"
    printed = stack.command("readings", "export", contract, "--until", "2024-01-30T00:40:00Z").stdout
    rows = list(csv.DictReader(io.StringIO(printed, newline="")))
    stack.command(
        "readings", "export", contract, "--until", "2024-01-30T00:40:00Z", "--format", "parquet", "--output", str(target)
    )  # fmt: skip
    assert [row["n"] for row in pq.read_table(target).to_pylist()] == [int(row["n"]) for row in rows] == list(range(40))


def test_an_export_to_files_is_a_job(stack: LocalStack, contract: str) -> None:
    """The command waits for the job and names the files, which only their owner reads."""
    done = stack.command("readings", "export", contract, "--format", "parquet", "--to-file", "--json")
    job = json.loads(done.stdout)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    result = job["readings_export"]
    directory = Path(result["directory"])
    assert directory == stack.data_dir / "exports" / job["job_id"]
    assert directory.stat().st_mode & 0o077 == 0
    rows = [row for file in result["files"] for row in pq.read_table(directory / file["name"]).to_pylist()]
    assert {row["n"] for row in rows} >= set(range(40))


def test_exported_quarantine_can_be_sent_again(stack: LocalStack, contract: str) -> None:
    """The lines of ExportQuarantinedToFile are what `dataflow replay` reads; the same items are not quarantined twice."""
    with Client(connection(stack)) as client:
        job = client.jobs.wait(client.quarantine.export_to_file().job_id)
        files = [Path(job.quarantine_export.directory) / file.name for file in job.quarantine_export.files]
        assert job.quarantine_export.rows == 10
        for file in files:
            stack.command("replay", str(file), "--wait-stored")
        assert len(list(client.quarantine.list())) == 10
