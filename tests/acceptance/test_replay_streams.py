"""Recorded streams of real sensors: what the contract must accept is stored, what it must refuse is kept, exactly."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import dataflow_simulator
import pytest
from dataflow_stack.testing import LocalStack

STREAMS = ("beijing_2014-01_first_3days", "beijing_2014-01_injected_defects", "occupancy_room")
SAMPLES = Path(__file__).parents[1] / "contracts" / "samples" / "replay"
PACKAGED = Path(dataflow_simulator.__file__).parent / "data"
FLAGS = ("--identity", "device_id,ts", "--event-time", "ts")


class Books(Protocol):
    """What is used of the books of a stack."""

    def readings(self, contract: str) -> int: ...
    def quarantined(self, contract: str) -> dict[str, int]: ...
    def judged(self, contract: str) -> dict[str, int]: ...
    def rows(self, sql: str, *arguments: object) -> list[tuple[object, ...]]: ...


@dataclass(frozen=True, slots=True)
class Stream:
    """A recorded stream and what must become of it."""

    lines: Path
    contract: Path
    accept: int
    reject: int
    by_field: dict[str, int]

    def messages(self) -> Iterator[dict[str, object]]:
        """Yields topic and payload of each message."""
        data = self.lines.read_bytes()
        text = gzip.decompress(data) if self.lines.suffix == ".gz" else data
        for line in text.decode().splitlines():
            message = json.loads(line)
            yield {"topic": message["topic"], "payload": message["payload"]}


def recorded(folder: Path, name: str) -> Stream:
    """Reads a stream of the case data."""
    expected = json.loads((folder / f"{name}.expected.json").read_text(encoding="utf-8"))
    assert expected["messages"] == expected["accept"] + expected["reject"]
    return Stream(
        folder / f"{name}.jsonl",
        folder / f"{name}.contract.json",
        expected["accept"],
        expected["reject"],
        expected["rejects_by_field"],
    )


def assert_stored_exactly(
    stack: LocalStack,
    books: Books,
    make_contract: Callable[..., None],
    stream: Stream,
    name: str,
    given_as: str,
    tmp_path: Path,
) -> None:
    """Replays a stream twice under topics of its own, and compares all counts with what is expected."""
    make_contract(name, stream.contract.read_text(encoding="utf-8"), f"{name}/+/+/telemetry", *FLAGS, given_as=given_as)
    messages = list(stream.messages())
    lines = tmp_path / f"{name}.jsonl"
    lines.write_text(
        "".join(json.dumps(message | {"topic": f"{name}/{message['topic']}"}) + "\n" for message in messages),
        encoding="utf-8",
    )

    printed = json.loads(stack.command("replay", str(lines), "--wait-stored", "--json").stdout)

    assert printed["published"] == printed["acknowledged"] == len(messages)
    rows, kept, judged = books.readings(name), books.quarantined(name), books.judged(name)
    assert rows == judged.get("stored", 0)
    assert rows + judged.get("duplicate", 0) + kept.get("CONFLICT", 0) == stream.accept
    assert kept.get("CONFLICT", 0) == judged.get("conflict", 0)
    assert kept.get("REFUSED", 0) + kept.get("UNPARSABLE", 0) == judged.get("quarantined", 0) == stream.reject
    assert set(kept) <= {"REFUSED", "UNPARSABLE", "CONFLICT"}
    assert refusals_by_field(books, name) == stream.by_field
    assert rows == distinct_accepted(books, name)

    again = json.loads(stack.command("replay", str(lines), "--wait-stored", "--json").stdout)

    assert again["acknowledged"] == len(messages)
    assert (again["stored"], again["quarantined"]) == (0, 0)
    assert books.readings(name) == rows
    assert books.quarantined(name) == kept
    assert sum(books.judged(name).values()) == 2 * len(messages)


def refusals_by_field(books: Books, contract: str) -> dict[str, int]:
    """Counts the refused items in which a field is at fault, for each field."""
    sql = """
        SELECT split_part(reason ->> 'path', '/', 2), count(DISTINCT quarantine_id)
        FROM validator.quarantine, jsonb_array_elements(reasons) AS reason
        WHERE contract = $1 AND kind IN ('REFUSED', 'UNPARSABLE') GROUP BY 1"""
    return dict(books.rows(sql, contract))  # type: ignore[arg-type]


def distinct_accepted(books: Books, contract: str) -> int:
    """Counts the rows that differ in device and time: with this identity none may share both."""
    [(number,)] = books.rows(f'SELECT count(DISTINCT (device_id, event_time)) FROM readings."{contract}"')
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize("given_as", ["--json-schema", "--fields"])
@pytest.mark.parametrize("name", STREAMS)
def test_recorded_stream_is_stored_and_refused_as_expected(
    stack: LocalStack,
    books: Books,
    make_contract: Callable[..., None],
    full_cases: Path,
    tmp_path: Path,
    name: str,
    given_as: str,
) -> None:
    """Rows, duplicates and conflicts are what is accepted, refusals are equal field by field; a second time adds nothing."""
    stream = recorded(full_cases / "replay", name)
    contract = f"{name.replace('-', '_')}_{given_as.strip('-')[:4]}"
    assert_stored_exactly(stack, books, make_contract, stream, contract, given_as, tmp_path)


def test_no_recorded_stream_is_left_out(full_cases: Path) -> None:
    """Every stream of the case data has a test above."""
    assert {path.name.removesuffix(".jsonl") for path in (full_cases / "replay").glob("*.jsonl")} == set(STREAMS)


@pytest.mark.parametrize("given_as", ["--json-schema", "--fields"])
@pytest.mark.parametrize("name", STREAMS[1:])
def test_sample_of_a_stream_is_stored_and_refused_as_expected(
    stack: LocalStack, books: Books, make_contract: Callable[..., None], tmp_path: Path, name: str, given_as: str
) -> None:
    """The same holds for the samples that come with the tests."""
    contract = f"sample_{name.replace('-', '_')}_{given_as.strip('-')[:4]}"
    assert_stored_exactly(stack, books, make_contract, recorded(SAMPLES, name), contract, given_as, tmp_path)


@pytest.mark.parametrize(
    ("name", "accept", "reject", "by_field"),
    [
        ("station", 762, 102, {"co": 27, "o3": 91, "no2": 3, "pm10": 1, "pm25": 1, "so2": 2}),
        ("room", 2665, 0, {}),
    ],
)
def test_packaged_recording_is_stored_and_refused_as_expected(
    stack: LocalStack,
    books: Books,
    make_contract: Callable[..., None],
    tmp_path: Path,
    name: str,
    accept: int,
    reject: int,
    by_field: dict[str, int],
) -> None:
    """The same holds for the recordings that the fleet of `dataflow up` sends."""
    stream = Stream(PACKAGED / f"{name}.jsonl.gz", PACKAGED / f"{name}.contract.json", accept, reject, by_field)
    assert_stored_exactly(stack, books, make_contract, stream, f"packaged_{name}", "--fields", tmp_path)
