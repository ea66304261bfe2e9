"""What is a device's in a batch, and the batch without it."""

import json
from types import MappingProxyType

import pytest
from dataflow.ring.v1.batch_pb2 import Batch, Message
from dataflow_ring import keys
from dataflow_ring.batch import decompress, is_erased, new_batch_id, new_boot_id, pack, unpack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog.registry import Catalog
from dataflow_validator.catalog.routes import Route, RouteTable
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.devices.logged import may_name
from dataflow_validator.devices.owned import Owned, erase, owned_by
from dataflow_validator.judged import JudgedBatch, judge_batch
from dataflow_validator.rejudge.logged import Choice, judge_logged


def rules(rule: str = "payload:/id", topic_filter: str = "s/#") -> Rules:
    spec = ContractSpec(
        "pump",
        fields=(
            FieldSpec("id", FieldType.STRING),
            FieldSpec("t", FieldType.TIMESTAMP),
            FieldSpec("v", FieldType.NUMBER),
        ),
        event_time="t",
    )
    compiled = compile_contract(spec, 1)
    return Rules(
        Catalog(
            version=1,
            routes=RouteTable([Route(topic_filter, "pump", DeviceRule.parse(rule))]),
            active=MappingProxyType({"pump": 1}),
            revisions=MappingProxyType({("pump", 1): compiled}),
        )
    )


def batch(*messages: Message) -> Batch:
    return Batch(batch_id=new_batch_id(), boot_id=new_boot_id(), bridge_id="b", messages=messages)


def item(device: str, second: int = 0, value: object = 1.5) -> dict[str, object]:
    return {"id": device, "t": f"2024-01-01T00:00:{second:02}Z", "v": value}


def message(
    content: object, topic: str = "s/x", device_id: str = "", message_id: str = "", source: str = ""
) -> Message:
    return Message(
        topic=topic,
        payload=json.dumps(content).encode(),
        receive_time_us=1_700_000_000_000_000,
        device_id=device_id,
        message_id=message_id,
        source=source,
    )


def judged(given: Batch, by: Rules) -> JudgedBatch:
    data = pack(given)
    entry = Entry("n1", keys.BATCHES, b"1-0", given.batch_id, data, Origin.SUSPECT)
    return judge_batch(entry, unpack(data), by)


def outcome(result: JudgedBatch) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What is stored and refused, by values."""
    rows = [row for lane in result.lanes.values() for row in lane.rows]
    refused: list[tuple[object, ...]] = [
        (row.device_id, row.payload, row.message_id, row.element, row.message_sha1) for row in result.refused
    ]
    return rows, refused


def test_accepted_and_refused_items_are_found_by_their_device() -> None:
    """Judging says whose they are."""
    given = batch(message(item("a")), message(item("b")), message(item("a", value="bad")), message({"id": "a"}))
    assert owned_by("a", given, rules()) == [Owned(0, (), 1), Owned(2, (), 1), Owned(3, (), 1)]


def test_others_are_judged_as_before_when_a_device_is_erased() -> None:
    """Rows, refusals, ids and positions of the others stay what they were, whole messages and elements alike."""
    given = batch(
        message(item("a")),
        message([item("a", 1), item("b", 1), item("b", 2, "bad"), item("a", 2)]),
        message(item("b", 3)),
        message([item("a", 4), item("a", 5)]),
        message([item("c", 4), {"id": "a"}], message_id="own-1"),
    )
    by = rules()
    before = outcome(judged(given, by))
    erase(given, owned_by("a", given, by))
    after = judged(given, by)
    rows, refused = outcome(after)
    assert rows == [row for row in before[0] if row[0] != "a"]
    assert refused == [row for row in before[1] if row[0] != "a"]
    assert after.items == 4
    assert [is_erased(one) for one in given.messages] == [True, False, False, True, False]
    assert b'"a"' not in given.SerializeToString()
    assert owned_by("a", given, by) == []


def test_two_devices_of_one_array_are_erased_one_after_the_other() -> None:
    """The ids of what is left are still made of the payload as it arrived."""
    given = batch(message([item("a"), item("b"), item("c")]))
    by = rules()
    before = outcome(judged(given, by))
    erase(given, owned_by("a", given, by))
    erase(given, owned_by("b", given, by))
    assert outcome(judged(given, by))[0] == [row for row in before[0] if row[0] == "c"]
    erase(given, owned_by("c", given, by))
    assert is_erased(given.messages[0])


def test_a_message_without_a_route_is_its_senders() -> None:
    """As the sender was authenticated."""
    given = batch(message({}, topic="other", device_id="a"), message({}, topic="other", device_id="b"))
    assert owned_by("a", given, rules()) == [Owned(0, (), 1)]


def test_what_a_gateway_sends_for_others_is_not_the_gateways() -> None:
    """The route says whose it is; only what has no device is the sender's."""
    given = batch(message(item("a"), device_id="gw"), message({"t": 1}, device_id="gw"))
    assert owned_by("gw", given, rules()) == [Owned(1, (), 1)]


def test_an_erased_message_leaves_nothing_but_its_time() -> None:
    """Topic, ids and payload are gone: they may name the device."""
    given = batch(message({"v": 1}, topic="s/pump-7", device_id="pump-7", message_id="pump-7/1", source="mqtt"))
    erase(given, owned_by("pump-7", given, rules("topic:2")))
    assert b"pump-7" not in given.SerializeToString()
    assert given.messages[0].receive_time_us == 1_700_000_000_000_000


@pytest.mark.parametrize("content", ['{"x": [{"y": "a"}]}', '{"x": "a"}', '"a"'])
def test_what_only_names_the_device_is_found_when_asked_for(content: str) -> None:
    """For batches of a time when the routes were others."""
    given = batch(Message(topic="q/w", payload=content.encode()), Message(topic="q/a", payload=b"1"))
    assert owned_by("a", given, rules()) == []
    assert owned_by("a", given, rules(), named=True) == [Owned(0, (), 1), Owned(1, (), 1)]


def test_a_backfill_judges_what_is_left_of_a_batch_as_before() -> None:
    """Also where a route takes every topic: what was erased has none."""
    given = batch(
        message(item("a")),
        message([item("a", 1), item("b", 1), item("b", 2, "bad"), item("a", 2)]),
        message(item("b", 3)),
    )
    by = rules(topic_filter="#")
    everything = Choice()
    before = [case.outcome for case in judge_logged(given, by.resolve, {}, everything)]
    erase(given, owned_by("a", given, by))
    after = [case.outcome for case in judge_logged(given, by.resolve, {}, everything)]
    assert len(before) == 6
    assert after == [before[2], before[3], before[5]]


@pytest.mark.parametrize(
    ("device", "payload", "expected"),
    [
        ("pump-7", '{"id": "pump-7"}', True),
        ("pump-7", '{"id": "pump-8"}', False),
        ("pump-7", '{"id": "pump\\u002d7"}', True),
        ("pump-7", '{"path": "a\\/b", "quote": "\\""}', False),
        ("a/b", '{"id": "a\\/b"}', True),
        ("7", '{"id": 6}', True),
    ],
)
def test_batches_that_cannot_name_a_device_are_told_by_their_bytes(device: str, payload: str, expected: bool) -> None:
    """However the name may be spelled."""
    given = batch(Message(topic="t", payload=payload.encode()))
    assert may_name(device, decompress(pack(given))) is expected
