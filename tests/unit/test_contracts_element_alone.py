"""An element of an array that is judged by itself: the same row, refusal and id as within its message."""

from datetime import UTC, datetime

import pytest
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.outcome import Accepted, Arrival
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.elements import SplitMessage

_FIELDS = (
    FieldSpec("device_id", FieldType.STRING),
    FieldSpec("ts", FieldType.TIMESTAMP, required=False),
    FieldSpec("n", FieldType.NUMBER, max=40),
)
_PAYLOAD = (
    b'[{"device_id": "d", "ts": "2026-09-20T10:00:00Z", "n": 1}, {"n": 99},\n {"device_id": "d", "ts": 5, "n": 1e16},'
    b' 7, {"device_id": "d\\u0000", "n": 2}, {"device_id": "d", "ts": "2026-09-20T10:00:01Z", "n": 20000000000000000001}]'
)


@pytest.mark.parametrize(
    ("identity", "event_time", "sender_id", "kind"),
    [
        (("device_id", "ts"), "ts", None, IdKind.IDENTITY),
        ((), "ts", "own-id", IdKind.SENDER),
        ((), "ts", None, IdKind.CONTENT),
        ((), None, None, IdKind.BRIDGE),
    ],
)
def test_an_element_alone_has_the_outcome_that_it_has_within_its_message(
    identity: tuple[str, ...], event_time: str | None, sender_id: str | None, kind: IdKind
) -> None:
    """For ids of each kind, good and bad elements."""
    contract = compile_contract(ContractSpec("c", _FIELDS, identity=identity, event_time=event_time), 1)
    rule = DeviceRule.parse("payload:/device_id")
    whole = Arrival("t/x", None, _PAYLOAD, datetime(2026, 9, 20, 10, tzinfo=UTC), sender_id, True, b"b" * 16, 3)
    outcomes = contract.judge(whole, rule)
    assert len(outcomes) == 6
    assert isinstance(outcomes[0], Accepted)
    assert outcomes[0].id_kind is kind
    split = SplitMessage(_PAYLOAD)
    for index, outcome in enumerate(outcomes):
        piece = split.element(index)
        assert piece is not None
        alone = whole._replace(payload=piece, message_sha1=split.digest)
        assert contract.judge_element(alone, rule, index) == outcome
