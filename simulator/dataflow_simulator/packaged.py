"""The data that comes with the package, and the contracts that judge it (see data/PROVENANCE.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Final, Literal

from dataflow.validator.v1 import contract_pb2
from dataflow_cli.field_list import fields_of

from dataflow_simulator.recording import RecordedMessage, read_recording

ContractName = Literal["station", "room", "climate"]
RecordingName = Literal["station", "room"]

RECORDINGS: Final[tuple[RecordingName, ...]] = ("station", "room")


@dataclass(frozen=True, slots=True)
class PackagedContract:
    """A contract and the route that leads to it."""

    name: str
    spec: contract_pb2.ContractSpec
    topic_filter: str


def packaged_contract(name: ContractName) -> PackagedContract:
    """Reads a contract of the package: `station`, `room`, or `climate` for synthetic devices."""
    text = (files("dataflow_simulator") / "data" / f"{name}.contract.json").read_text(encoding="utf-8")
    document = json.loads(text)
    spec = contract_pb2.ContractSpec(
        fields=fields_of(text),
        identity=document["identity"],
        event_time_field=document["event_time_field"],
        description=document["description"],
    )
    return PackagedContract(document["name"], spec, document["route"])


def packaged_recording(name: RecordingName) -> Iterator[RecordedMessage]:
    """Reads a recording of the package, with its original times."""
    with as_file(files("dataflow_simulator") / "data" / f"{name}.jsonl.gz") as path:
        yield from read_recording(path)
