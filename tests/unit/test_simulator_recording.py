"""Recordings: what a line becomes."""

import gzip
from pathlib import Path

import pytest
from dataflow_simulator.packaged import RECORDINGS, packaged_contract, packaged_recording
from dataflow_simulator.recording import RecordingError, parse_recording, read_recording


def _payload(line: bytes) -> bytes:
    (message,) = parse_recording([line])
    return message.payload


@pytest.mark.parametrize(
    ("line", "payload"),
    [
        (b'{"topic": "t", "payload": {"a": 1, "b": [true, null]}}', b'{"a":1,"b":[true,null]}'),
        (b'{"topic": "t", "payload": [1, 2]}', b"[1,2]"),
        (b'{"topic": "t", "payload": "not {json"}', b"not {json"),
        (b'{"topic": "t", "payload": null}', b"null"),
        (b'{"topic": "t", "payload_base64": "/wA="}', b"\xff\x00"),
        (b'{"topic": "t", "payload": {"a": 12345678901234567890123, "b": 1e999, "c": 1.10}}',
         b'{"a":12345678901234567890123,"b":1e999,"c":1.10}'),
        (b'{"topic": "t", "payload": {"a": "\\ud800"}}', b'{"a":"\\ud800"}'),
        ('{"topic": "t", "payload": {"ä": "ö"}}'.encode(), '{"ä":"ö"}'.encode()),
    ],
)  # fmt: skip
def test_payloads_are_passed_on_as_they_are(line: bytes, payload: bytes) -> None:
    """Values as compact JSON with their numbers as spelled, strings as text, base64 as bytes."""
    assert _payload(line) == payload


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[]", "not a JSON object"),
        (b'{"payload": 1}', "no topic"),
        (b'{"topic": "t"}', "neither payload"),
        (b'{"topic": "t", "payload_base64": "?"}', "line 2"),
        (b"{", "line 2"),
        (b'{"topic": "t", "payload": ' + b"[" * 100_000, "line 2"),
    ],
)
def test_a_bad_line_is_named(line: bytes, problem: str) -> None:
    """The error says which line, and why."""
    with pytest.raises(RecordingError, match=problem) as error:
        list(parse_recording([b'{"topic": "t", "payload": 1}', line]))
    assert "line 2" in str(error.value)


def test_message_ids_are_stable_and_different() -> None:
    """The same recording gives the same ids; equal messages at two places have two."""
    lines = [b'{"topic": "t", "payload": 1}', b"\n", b'{"topic": "t", "payload": 1}']
    first, second = parse_recording(lines)
    assert [first, second] == list(parse_recording(lines))
    assert first.message_id != second.message_id
    assert (first.number, second.number) == (0, 1)


def test_packed_files_are_unpacked(tmp_path: Path) -> None:
    """A .gz is read as what is inside."""
    path = tmp_path / "messages.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"topic": "t", "payload": 1}\n'))
    assert [message.payload for message in read_recording(path)] == [b"1"]


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_packaged_recordings_fit_their_contracts(name: str) -> None:
    """Each recording goes where its contract's route looks, and has the contract's fields."""
    contract = packaged_contract(name)  # type: ignore[arg-type]
    prefix = contract.topic_filter.partition("+")[0]
    messages = list(packaged_recording(name))  # type: ignore[arg-type]
    assert len(messages) == {"station": 864, "room": 2665}[name]
    assert all(message.topic.startswith(prefix) for message in messages)
    assert list(contract.spec.identity) == ["device_id", "ts"]
