"""`dataflow readings watch` and `export` against a scripted server: what they send, keep and print."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from dataflow.validator.v1 import (
    device_data_pb2,
    file_export_pb2,
    job_pb2,
    quarantine_service_pb2,
    reading_pb2,
    reading_stream_pb2,
)
from dataflow_cli.root import dataflow
from dataflow_client.testing import Failure, Script, serving


class Stack:
    """A data directory that points to a scripted server, and the command."""

    def __init__(self, script: Script, data_dir: Path) -> None:
        self.script = script
        self.data_dir = data_dir

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(dataflow, [*arguments, "--data-dir", str(self.data_dir)])


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


def response(cursor: str, *temps: float) -> reading_stream_pb2.WatchReadingsResponse:
    readings = [
        reading_pb2.Reading(device_id="d1", fields={"temp": reading_pb2.Value(number_value=temp)}) for temp in temps
    ]
    return reading_stream_pb2.WatchReadingsResponse(readings=readings, cursor=cursor)


_GONE = Failure(grpc.StatusCode.UNAVAILABLE, "the validator stops", "SHUTTING_DOWN")


def test_a_watch_goes_on_at_its_cursor_when_its_validator_goes_away(stack: Stack) -> None:
    """After a broken stream the next call has the last cursor, and nothing is shown twice."""
    stack.script.on("WatchReadings", [response("c0"), response("c1", 1.5), _GONE], [response("c2", 2.5, 3.5)])
    result = stack.run("readings", "watch", "weather", "--limit", "3", "--json")
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["fields"]["temp"] for line in result.stdout.splitlines()] == [1.5, 2.5, 3.5]
    first, second = stack.script.requests("WatchReadings")
    assert (first.WhichOneof("from"), second.cursor) == (None, "c1")


def test_a_cursor_file_carries_a_watch_from_one_run_to_the_next(stack: Stack, tmp_path: Path) -> None:
    """The second run begins at the cursor that the first one kept, whatever start it names."""
    stack.script.on("WatchReadings", [response("c0"), response("c1", 1.5)], [response("c2", 2.5)])
    arguments = (
        "readings",
        "watch",
        "weather",
        "--from-beginning",
        "--cursor-file",
        str(tmp_path / "at"),
        "--limit",
        "1",
    )
    for _ in range(2):
        assert stack.run(*arguments).exit_code == 0
    first, second = stack.script.requests("WatchReadings")
    assert (first.start, second.cursor) == (reading_stream_pb2.WATCH_START_BEGINNING, "c1")
    assert (tmp_path / "at").read_text() == "c2\n"


def test_a_watch_that_cannot_begin_fails(stack: Stack) -> None:
    """A cursor of another database ends the command with the server's words."""
    stack.script.on("WatchReadings", Failure(grpc.StatusCode.FAILED_PRECONDITION, "another database", "CURSOR_FOREIGN"))
    result = stack.run("readings", "watch", "weather", "--cursor", "c")
    assert result.exit_code == 1
    assert "another database" in result.output
    assert stack.run("readings", "watch", "weather", "--cursor", "c", "--from-beginning").exit_code == 2


def parts(data: bytes, digest: str = "") -> list[Any]:
    answer = reading_stream_pb2.ExportReadingsResponse
    trailer = reading_stream_pb2.ExportTrailer(
        rows=1, bytes=len(data), sha256=digest or hashlib.sha256(data).hexdigest()
    )
    return [
        answer(header=reading_stream_pb2.ExportHeader(file_name="weather.csv")),
        answer(data=data[:4]),
        answer(data=data[4:]),
        answer(trailer=trailer),
    ]


def test_an_export_writes_the_file_when_it_is_whole(stack: Stack, tmp_path: Path) -> None:
    """The bytes arrive under the name asked for, and the request says what was wanted."""
    stack.script.on("ExportReadings", parts(b"a,b\r\n1,2\r\n"))
    target = tmp_path / "out.parquet"
    result = stack.run(
        "readings", "export", "weather", "--format", "parquet", "--hourly", "--field", "temp", "--output", str(target), "--json"
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"] == 1
    assert target.read_bytes() == b"a,b\r\n1,2\r\n"
    export = stack.script.requests("ExportReadings")[0].export
    assert (export.format, export.rows, list(export.fields)) == (
        reading_stream_pb2.FILE_FORMAT_PARQUET,
        reading_stream_pb2.EXPORT_ROWS_HOURLY,
        ["temp"],
    )


@pytest.mark.parametrize("broken", [parts(b"a,b\r\n")[:-1], parts(b"a,b\r\n", "0" * 64)])
def test_an_export_that_is_not_whole_leaves_no_file(stack: Stack, tmp_path: Path, broken: list[Any]) -> None:
    """Without the end, or with other bytes than were sent, the command fails and the file is not there."""
    stack.script.on("ExportReadings", broken)
    result = stack.run("readings", "export", "weather", "--output", str(tmp_path / "out.csv"))
    assert result.exit_code == 3
    assert not [path for path in tmp_path.iterdir() if "out.csv" in path.name]


@pytest.mark.parametrize(
    ("method", "member", "arguments"),
    [
        ("ExportReadingsToFile", "readings_export", ("readings", "export", "weather", "--to-file")),
        (
            "ExportQuarantinedToFile",
            "quarantine_export",
            ("quarantine", "export", "--contract", "weather", "--to-file"),
        ),
    ],
)
def test_exports_to_files_show_what_the_job_wrote(
    stack: Stack, method: str, member: str, arguments: tuple[str, ...]
) -> None:
    """The command waits for its job, lists the files, and fails where the job did."""
    response: Any = {
        "ExportReadingsToFile": reading_stream_pb2.ExportReadingsToFileResponse,
        "ExportQuarantinedToFile": quarantine_service_pb2.ExportQuarantinedToFileResponse,
    }[method]
    files = file_export_pb2.FileExportResult(
        directory="/exports/j", rows=5, files=[device_data_pb2.ExportedFile(name="part-00000-00000.csv", rows=5)]
    )
    done = job_pb2.Job(job_id="j", state=job_pb2.JOB_STATE_SUCCEEDED)
    getattr(done, member).CopyFrom(files)
    stack.script.on(method, response(job=done))
    result = stack.run(*arguments)
    assert result.exit_code == 0, result.output
    assert "part-00000-00000.csv" in result.output
    assert stack.script.requests(method)[0].request_id
    error = job_pb2.JobError(reason="EXPORT_UNAVAILABLE", message="set export_dir")
    stack.script.on(method, response(job=job_pb2.Job(job_id="j", state=job_pb2.JOB_STATE_FAILED, error=error)))
    result = stack.run(*arguments)
    assert (result.exit_code, "set export_dir" in result.output) == (1, True)
