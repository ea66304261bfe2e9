"""Judging, in microseconds of CPU per message, beside bare orjson, jsonschema-rs and msgspec in the same run.

Run: python tests/benchmarks/bench_contracts_judge.py [rounds]. Each figure is the best of the rounds, since all else on the
machine only ever adds to it; the rounds go through all cases in turn, so that a busy minute hits every case alike.

What each does: `orjson` parses; `jsonschema-rs` parses with orjson and says valid or not by the very schema that the contract
compiles to; `msgspec` parses and checks types and bounds in one pass by an equal Struct (it knows no patterns of its own
speed: the same ones are given). Neither makes a message id, a content hash, typed columns with moments, or looks for the
device; `judge` does all of it.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import jsonschema_rs
import msgspec
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

MESSAGES = 1000
RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
Payloads = list[dict[str, Any]]

SMALL = ContractSpec(
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
WIDE = replace(
    SMALL,
    name="wide",
    fields=(
        *SMALL.fields[:2],
        *[FieldSpec(f"channel_{index:02d}", FieldType.NUMBER, min=0, max=1000) for index in range(98)],
    ),
)
NESTED = ContractSpec(
    "uplink",
    (
        FieldSpec("ts", FieldType.STRING),
        FieldSpec("/device/id", FieldType.STRING),
        FieldSpec("/device/profile", FieldType.STRING),
        FieldSpec("/radio/frequency", FieldType.INTEGER, min=1),
        FieldSpec("/radio/lora/bandwidth", FieldType.INTEGER),
        FieldSpec("/radio/lora/spreading", FieldType.INTEGER, min=5, max=12),
        FieldSpec("/values/temperature", FieldType.NUMBER, min=-50, max=80),
        FieldSpec("/values/humidity", FieldType.NUMBER, min=0, max=100, required=False),
        FieldSpec(
            "gateways",
            FieldType.ARRAY,
            items=FieldSpec(
                "",
                FieldType.OBJECT,
                members=(
                    FieldSpec("id", FieldType.STRING),
                    FieldSpec("rssi", FieldType.INTEGER, max=0),
                    FieldSpec("snr", FieldType.NUMBER),
                ),
            ),
        ),
    ),
    identity=("ts",),
    event_time="ts",
)


def moment(number: int) -> str:
    """Give each message a time of its own."""
    return f"2025-06-{1 + number % 28:02d}T{number % 24:02d}:{number % 60:02d}:00Z"


def small(number: int) -> dict[str, Any]:
    """Six fields."""
    return {
        "device_id": f"room-{number % 100}",
        "ts": moment(number),
        "temperature": 20.0 + number % 100 / 10,
        "humidity": 26.272,
        "co2": 749.2,
        "occupancy": number % 2,
    }


def wide(number: int) -> dict[str, Any]:
    """A hundred fields."""
    channels = {f"channel_{index:02d}": index + number % 100 / 10 for index in range(98)}
    return {"device_id": f"room-{number % 100}", "ts": moment(number), **channels}


def nested(number: int) -> dict[str, Any]:
    """Objects three levels deep, and a list of objects."""
    return {
        "ts": moment(number),
        "device": {"id": f"dev-{number % 100}", "profile": "default"},
        "radio": {"frequency": 868500000, "lora": {"bandwidth": 125000, "spreading": 7 + number % 5}},
        "values": {"temperature": 20.0 + number % 100 / 10, "humidity": 41.5},
        "gateways": [{"id": f"gw-{index}", "rssi": -35 - index, "snr": 11.5} for index in range(3)],
    }


def small_struct() -> type:
    """The small contract for msgspec."""
    return msgspec.defstruct("Small", [(field.name, _type(field)) for field in SMALL.fields])


def wide_struct() -> type:
    """The wide contract for msgspec."""
    return msgspec.defstruct("Wide", [(field.name, _type(field)) for field in WIDE.fields])


def nested_struct() -> type:
    """The nested contract for msgspec."""
    define = msgspec.defstruct
    negative = Annotated[int, msgspec.Meta(le=0)]
    gateway = define("Gateway", [("id", str), ("rssi", negative), ("snr", float)])
    spreading = Annotated[int, msgspec.Meta(ge=5, le=12)]
    lora = define("Lora", [("bandwidth", int), ("spreading", spreading)])
    radio = define("Radio", [("frequency", Annotated[int, msgspec.Meta(ge=1)]), ("lora", lora)])
    temperature = Annotated[float, msgspec.Meta(ge=-50, le=80)]
    humidity = Annotated[float, msgspec.Meta(ge=0, le=100)]
    measured = define("Values", [("temperature", temperature), ("humidity", humidity, None)])
    device = define("Device", [("id", str), ("profile", str)])
    gateways = list[gateway]  # type: ignore[valid-type]
    return define(
        "Uplink", [("ts", str), ("device", device), ("radio", radio), ("values", measured), ("gateways", gateways)]
    )


def _type(field: FieldSpec) -> Any:
    if field.type is FieldType.STRING:
        return str
    if field.enum:
        return Annotated[int, msgspec.Meta(ge=0, le=1)]
    return Annotated[float, msgspec.Meta(ge=field.min, le=field.max)]


@dataclass
class Case:
    """Something to measure."""

    name: str
    run: Callable[[], None]
    group: str = ""
    best: float = float("inf")


def arrivals(make: Callable[[int], dict[str, Any]], **changes: object) -> list[Arrival]:
    """Make messages."""
    return [
        Arrival("s/x", None, orjson.dumps({**make(number), **changes}), RECEIVED, None, False, bytes(16), number)
        for number in range(MESSAGES)
    ]


def judging(
    spec: ContractSpec, messages: list[Arrival], device: str = "payload:/device_id", *, accepted: bool = True
) -> Callable[[], None]:
    """Judge all messages."""
    contract, rule = compile_contract(spec, 1), DeviceRule.parse(device)
    assert all(isinstance(contract.judge(message, rule)[0], Accepted) is accepted for message in messages)

    def run() -> None:
        judge = contract.judge
        for message in messages:
            judge(message, rule)

    return run


def each(payloads: list[bytes], act: Callable[[bytes], object]) -> Callable[[], None]:
    """Do something with all payloads."""

    def run() -> None:
        for payload in payloads:
            act(payload)

    return run


def beside(
    group: str, spec: ContractSpec, make: Callable[[int], dict[str, Any]], struct: type, device: str
) -> list[Case]:
    """Give the four cases of one contract."""
    messages = arrivals(make)
    payloads = [message.payload for message in messages]
    is_valid = jsonschema_rs.Draft202012Validator(contract_schema(spec)).is_valid
    decode: Callable[[bytes], object] = msgspec.json.Decoder(struct).decode
    assert all(is_valid(orjson.loads(payload)) and decode(payload) for payload in payloads)
    return [
        Case("orjson", each(payloads, orjson.loads), group),
        Case("orjson + jsonschema-rs", each(payloads, lambda payload: is_valid(orjson.loads(payload))), group),
        Case("msgspec", each(payloads, decode), group),
        Case("judge", judging(spec, messages, device), group),
    ]


def others() -> list[Case]:
    """Give the ways of the small contract that cost more or less."""
    plain = arrivals(small)
    items = [orjson.loads(message.payload) for message in plain]

    def hashing() -> None:
        for item in items:
            content_hash(item)

    lossless = replace(SMALL, coerce=Coercion.LOSSLESS, unknown=UnknownFields.KEEP)
    return [
        Case("content hash alone", hashing),
        Case("judge: content id (c)", judging(replace(SMALL, identity=()), plain)),
        Case("judge: bridge id (d)", judging(replace(SMALL, identity=(), event_time=None), plain)),
        Case("judge: lossless, unknown kept", judging(lossless, arrivals(small, temperature="20.5", more=1))),
        Case("judge: one field refused", judging(SMALL, arrivals(small, co2="x"), accepted=False)),
    ]


def measure(cases: list[Case], rounds: int) -> None:
    """Measure CPU time per message, best of the rounds."""
    for _ in range(rounds):
        for case in cases:
            start = time.process_time()
            case.run()
            case.best = min(case.best, (time.process_time() - start) / MESSAGES * 1e6)


def main(rounds: int) -> None:
    """Print the contracts beside others, then the other ways of judging."""
    groups = [
        beside("small, 6 fields", SMALL, small, small_struct(), "payload:/device_id"),
        beside("wide, 100 fields", WIDE, wide, wide_struct(), "payload:/device_id"),
        beside("nested, 9 fields, 3 levels", NESTED, nested, nested_struct(), "payload:/device/id"),
    ]
    rest = others()
    measure([case for group in groups for case in group] + rest, rounds)
    print(
        "| contract | orjson | + jsonschema-rs | msgspec | judge | judge / (orjson + jsonschema-rs) | judge / msgspec |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    for group in groups:
        parsed, valid, decoded, judged = (case.best for case in group)
        print(
            f"| {group[0].group} | {parsed:.2f} | {valid:.2f} | {decoded:.2f} | {judged:.2f} "
            f"| {judged / valid:.2f} | {judged / decoded:.2f} |"
        )
    print()
    for case in rest:
        print(f"{case.name:32s}{case.best:8.2f} us")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
