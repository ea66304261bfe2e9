"""Judging, in microseconds of CPU per message, beside bare orjson and jsonschema-rs in the same run.

Run: python tests/benchmarks/bench_contracts_judge.py [rounds]. Each figure is the best of the rounds, since all else on the
machine only ever adds to it.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import jsonschema_rs
import orjson
from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    Coercion,
    ContractSpec,
    DeviceRule,
    FieldSpec,
    FieldType,
    UnknownFields,
    compile_contract,
)
from dataflow_validator.contracts.canonical import content_hash
from dataflow_validator.contracts.schema import contract_schema

MESSAGES = 2000
RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)

ROOM = ContractSpec(
    "room",
    (
        FieldSpec("device_id", FieldType.STRING),
        FieldSpec("ts", FieldType.STRING),
        FieldSpec("temperature", FieldType.NUMBER, min=-20, max=50),
        FieldSpec("humidity", FieldType.NUMBER, min=0, max=100),
        FieldSpec("co2", FieldType.NUMBER, min=300, max=5000),
        FieldSpec("occupancy", FieldType.INTEGER, enum=(0, 1)),
    ),
    identity=("device_id", "ts"),
    event_time="ts",
)


def payload(number: int, **changes: object) -> bytes:
    """Write one message of six fields."""
    item = {
        "device_id": f"room-{number % 100}",
        "ts": f"2025-06-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:00Z",
        "temperature": 20.0 + number % 100 / 10,
        "humidity": 26.272,
        "co2": 749.2,
        "occupancy": number % 2,
    }
    return orjson.dumps({**item, **changes})


def microseconds(run: Callable[[], None], rounds: int) -> float:
    """Measure CPU time per message, best of the rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best / MESSAGES * 1e6


def main(rounds: int) -> None:
    """Print one line per case."""
    rule = DeviceRule.parse("payload:/device_id")

    def arrivals(**changes: object) -> list[Arrival]:
        return [
            Arrival("s/x", None, payload(number, **changes), RECEIVED, None, False, bytes(16), number)
            for number in range(MESSAGES)
        ]

    def judging(spec: ContractSpec, messages: list[Arrival], *, accepted: bool = True) -> Callable[[], None]:
        contract = compile_contract(spec, 1)
        assert all(isinstance(contract.judge(message, rule)[0], Accepted) is accepted for message in messages)

        def run() -> None:
            judge = contract.judge
            for message in messages:
                judge(message, rule)

        return run

    plain = arrivals()
    bare_validator = jsonschema_rs.Draft202012Validator(contract_schema(ROOM))
    items = [orjson.loads(message.payload) for message in plain]

    def bare(*, validate: bool) -> None:
        for message in plain:
            item = orjson.loads(message.payload)
            if validate:
                bare_validator.is_valid(item)

    def hashing() -> None:
        for item in items:
            content_hash(item)

    cases: dict[str, Callable[[], None]] = {
        "bare orjson": partial(bare, validate=False),
        "bare orjson + jsonschema-rs": partial(bare, validate=True),
        "content hash alone": hashing,
        "judge: identity (a)": judging(ROOM, plain),
        "judge: content id (c)": judging(replace(ROOM, identity=()), plain),
        "judge: bridge id (d)": judging(replace(ROOM, identity=(), event_time=None), plain),
        "judge: lossless, unknown kept": judging(
            replace(ROOM, coerce=Coercion.LOSSLESS, unknown=UnknownFields.KEEP), arrivals(temperature="20.5", more=1)
        ),
        "judge: one field refused": judging(ROOM, arrivals(co2="x"), accepted=False),
    }
    for name, run in cases.items():
        print(f"{name:32s}{microseconds(run, rounds):8.2f} us")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
