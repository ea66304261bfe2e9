"""The contract engine against hostile payloads: right verdicts, and no crash."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    CompiledContract,
    ContractSpec,
    DeviceRule,
    FieldSpec,
    FieldType,
    RefusalKind,
    Refused,
    UnknownFields,
    compile_contract,
)

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
TOPIC_DEVICE = DeviceRule.parse("topic:1")
ANYTHING = ContractSpec("anything", json_schema=True, unknown=UnknownFields.KEEP, fields_from_schema=True)


def arrive(payload: bytes, topic: str = "dev") -> Arrival:
    return Arrival(topic, None, payload, RECEIVED, None, maybe_duplicate=True, batch_id=bytes(16), position=0)


@pytest.fixture(scope="module")
def anything() -> CompiledContract:
    return compile_contract(ANYTHING, 1)


def test_json_parsing_verdicts_are_those_of_the_suite(cases: Path, anything: CompiledContract) -> None:
    """What must be accepted is, what must be rejected is UNPARSABLE, and the undecided does not crash."""
    wrong = []
    for line in (cases / "hostile" / "json_parsing_y_n.jsonl").read_text().splitlines():
        case = json.loads(line)
        outcomes = anything.judge(arrive(base64.b64decode(case["b64"])), TOPIC_DEVICE)
        unparsable = any(isinstance(item, Refused) and item.kind is RefusalKind.UNPARSABLE for item in outcomes)
        if not outcomes or case["expect"] not in {"accept", "reject"} or unparsable == (case["expect"] == "accept"):
            wrong.append((case["name"], outcomes))
    assert wrong == []


def test_naughty_strings_are_kept_or_explained(cases: Path) -> None:
    """As a value each string is stored exactly; as a device id it is exact, or refused with a reason."""
    contract = compile_contract(ContractSpec("naughty", (FieldSpec("text", FieldType.STRING),)), 1)
    for text in json.loads((cases / "hostile" / "blns.json").read_text()):
        payload = json.dumps({"text": text, "id": text}).encode()
        [by_topic] = contract.judge(arrive(payload), TOPIC_DEVICE)
        assert isinstance(by_topic, Accepted)
        assert by_topic.row[6] == text
        [by_payload] = contract.judge(arrive(payload), DeviceRule.parse("payload:/id"))
        if text and len(text.encode()) <= 512:
            assert isinstance(by_payload, Accepted)
            assert by_payload.row[0] == text
        else:
            assert isinstance(by_payload, Refused)
            assert [why.path for why in by_payload.reasons] == ["/id"]


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'"' + b'\\"' * 500_000,
        b"[" * 200 + b'"' * 100_001,
        b"9" * 5000,
        b"1e400",
        b"-" * 1_000_000,
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"a":"\xed\xa0\x80"}',
        b"x" * (1024 * 1024 + 1),
    ],
    ids=lambda payload: repr(payload[:12]),
)
def test_hopeless_payloads_are_unparsable_with_one_reason(payload: bytes, anything: CompiledContract) -> None:
    """Depth, size, encoding and garbage cost one UNPARSABLE outcome each."""
    [outcome] = anything.judge(arrive(payload), TOPIC_DEVICE)
    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.UNPARSABLE
    assert [why.rule for why in outcome.reasons] == ["json"]
    assert outcome.device_id == "dev"


@pytest.mark.parametrize(
    "payload", [b'{"a":"\\u0000"}', b'{"a":"\\ud800"}', b'{"\\udfff":1}', b'{"a":{"b":["\\u0000"]}}']
)
def test_text_that_postgres_cannot_hold_is_unstorable(payload: bytes, anything: CompiledContract) -> None:
    """NUL and lone surrogates are valid JSON, found before SQL, and their reasons can be stored."""
    [outcome] = anything.judge(arrive(payload), TOPIC_DEVICE)
    assert isinstance(outcome, Refused)
    assert outcome.kind is RefusalKind.UNSTORABLE
    for why in outcome.reasons:
        assert why.rule == "storable"
        for part in why:
            assert "\0" not in part
            part.encode()


def test_an_escaped_backslash_before_u0000_is_plain_text(anything: CompiledContract) -> None:
    """An escape that is escaped itself, as text, is no NUL."""
    [outcome] = anything.judge(arrive(b'{"a":"\\\\u0000"}'), TOPIC_DEVICE)
    assert isinstance(outcome, Accepted)


def test_unstorable_text_in_an_ignored_member_costs_nothing() -> None:
    """What is not stored need not be storable."""
    contract = compile_contract(ContractSpec("some", (FieldSpec("n", FieldType.INTEGER),)), 1)
    for rest in ("\\u0000", "\\ud800"):
        [outcome] = contract.judge(arrive(f'{{"n":1,"junk":"{rest}"}}'.encode()), TOPIC_DEVICE)
        assert isinstance(outcome, Accepted)
        assert outcome.row[6:] == (1, None)


def test_a_costly_pattern_is_bounded() -> None:
    """A pattern that backtracks without end refuses the item instead of stalling its batch."""
    field = FieldSpec("a", FieldType.STRING, pattern=r"^(?=(a+)+b)(a+)+\2$")
    contract = compile_contract(ContractSpec("costly", (field,)), 1)
    [outcome] = contract.judge(arrive(b'{"a":"' + b"a" * 5000 + b'c"}'), TOPIC_DEVICE)
    assert isinstance(outcome, Refused)


def test_long_values_make_short_reasons() -> None:
    """A megabyte of text gives a reason of a few hundred bytes."""
    contract = compile_contract(replace(ANYTHING, json_schema={"type": "object", "maxProperties": 0}), 1)
    [outcome] = contract.judge(arrive(b'{"' + b"k" * 500_000 + b'":"' + b"v" * 500_000 + b'"}'), TOPIC_DEVICE)
    assert isinstance(outcome, Refused)
    assert sum(len(part) for why in outcome.reasons for part in why) < 2000


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded_exactly(opening: bytes, closing: bytes, anything: CompiledContract) -> None:
    """128 levels are read, one more is not; brackets inside text are no levels."""
    for depth, kind in ((128, Accepted), (129, Refused)):
        payload = b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"
        assert [type(item) for item in anything.judge(arrive(payload), TOPIC_DEVICE)] == [kind]
    [outcome] = anything.judge(arrive(b'{"a":"' + b"[" * 1000 + b'"}'), TOPIC_DEVICE)
    assert isinstance(outcome, Accepted)


def test_a_huge_item_is_explained_within_bounds() -> None:
    """Tens of thousands of members and a hundred broken rules do not multiply."""
    fields = tuple(FieldSpec(f"f{number}", FieldType.INTEGER) for number in range(200))
    wide = json.dumps({f"k{number}": number for number in range(50_000)}).encode()
    for unknown in UnknownFields:
        [outcome] = compile_contract(ContractSpec("wide", fields, unknown=unknown), 1).judge(arrive(wide), TOPIC_DEVICE)
        assert isinstance(outcome, Refused)
        assert len(outcome.reasons) == 100
    raw = replace(ANYTHING, json_schema={"required": [f"f{number}" for number in range(200)]})
    [outcome] = compile_contract(raw, 1).judge(arrive(wide), TOPIC_DEVICE)
    assert isinstance(outcome, Refused)
    assert [why.rule for why in outcome.reasons] == ["required"]


def test_an_array_of_too_many_items_is_refused_as_one(anything: CompiledContract) -> None:
    """One message cannot become hundreds of thousands of quarantined items."""
    [outcome] = anything.judge(arrive(b"[" + b"1," * 10_000 + b"1]"), TOPIC_DEVICE)
    assert isinstance(outcome, Refused)
    assert [why.rule for why in outcome.reasons] == ["items"]
    assert len(anything.judge(arrive(b"[" + b"1," * 9_999 + b"1]"), TOPIC_DEVICE)) == 10_000
