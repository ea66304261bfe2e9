"""Packing messages into requests within the bridge's limits."""

import json

import pytest
from dataflow_client import OutgoingMessage
from dataflow_client.messages import MAX_BATCH_BYTES, Packer, batches
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def test_each_message_has_an_id_of_its_own_before_it_is_sent() -> None:
    """Two messages differ, and the same object keeps its id however often it is packed."""
    first, second = OutgoingMessage("a", b"1"), OutgoingMessage("a", b"1")
    packed = [batch.request.messages[0].message_id for _ in range(2) for batch in batches([first])]
    assert packed == [first.message_id, first.message_id]
    assert first.message_id != second.message_id


def test_batches_end_at_ten_thousand_messages() -> None:
    """The number of messages of one request is bounded, and none is lost."""
    packed = list(batches(OutgoingMessage("a", b"1") for _ in range(20_001)))
    assert [len(batch.request.messages) for batch in packed] == [10_000, 10_000, 1]
    assert [batch.first_index for batch in packed] == [0, 10_000, 20_000]


def test_batches_stay_within_four_mebibytes_as_sent() -> None:
    """The limit counts the whole request with its framing."""
    packed = list(batches(OutgoingMessage("a", bytes(700_000)) for _ in range(12)))
    assert sum(len(batch.request.messages) for batch in packed) == 12
    assert all(batch.request.ByteSize() <= MAX_BATCH_BYTES for batch in packed)
    assert len(packed) == 3


def test_a_message_beyond_the_limit_is_refused_after_those_before_it() -> None:
    """One impossible message does not take the others with it."""
    packed = batches([OutgoingMessage("good", b"1"), OutgoingMessage("big", bytes(MAX_BATCH_BYTES))])
    assert next(packed).request.messages[0].topic == "good"
    with pytest.raises(ValueError, match="message 1 on 'big' takes"):
        next(packed)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=40), max_size=60), st.integers(1, 7), st.integers(120, 400))
def test_any_packing_is_complete_ordered_and_bounded(payloads: list[bytes], most: int, size: int) -> None:
    """Whatever the sizes, all messages are packed once, in order and within both limits."""
    packer = Packer(most, size)
    closed = [packer.add(OutgoingMessage("t", payload)) for payload in payloads]
    packed = [batch for batch in (*closed, packer.flush()) if batch is not None]
    assert [message.payload for batch in packed for message in batch.request.messages] == payloads
    assert all(len(batch.request.messages) <= most and batch.request.ByteSize() <= size for batch in packed)


def test_payloads_are_sent_in_the_form_that_keeps_them_exact() -> None:
    """Bytes stay bytes, text stays text, and integers of JSON stay exact beyond 2^53."""
    (batch,) = batches([OutgoingMessage("a", b"\xff"), OutgoingMessage("a", "é"), OutgoingMessage("a", {"n": 2**63})])
    raw, text, document = batch.request.messages
    assert raw.payload == b"\xff"
    assert text.text == "é"
    assert json.loads(document.text) == {"n": 2**63}
    assert document.content_type == "application/json"


def test_not_a_number_is_no_json() -> None:
    """What JSON cannot say is refused before it is sent."""
    with pytest.raises(ValueError, match="JSON"):
        list(batches([OutgoingMessage("a", {"n": float("nan")})]))
