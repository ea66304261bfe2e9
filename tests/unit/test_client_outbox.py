"""What a stream owes, without a server and without a clock."""

import pytest
from dataflow.bridge.v1 import ingest_service_pb2 as pb
from dataflow_client import OutgoingMessage, StreamLimits, errors
from dataflow_client.codes import CancelledError, ErrorDetails, InternalError, PermissionDeniedError, UnavailableError
from dataflow_client.outbox import Outbox, pause_before_resend
from dataflow_client.retry import RetryPolicy, is_unexplained

PAIRS = StreamLimits(max_batch_messages=2, max_unacknowledged_batches=2, linger_seconds=1.0)


def outbox_of(count: int, limits: StreamLimits = PAIRS) -> Outbox:
    outbox = Outbox(limits)
    for number in range(count):
        outbox.add(OutgoingMessage("t", str(number), message_id=f"m{number}"), now=0.0)
    return outbox


def ids(request: pb.StreamMessagesRequest | None) -> list[str]:
    assert request is not None
    return [message.message_id for message in request.messages]


def done(sequence: int, count: int = 2) -> pb.StreamMessagesResponse:
    return pb.StreamMessagesResponse(sequence=sequence, accepted_count=count)


def test_a_full_batch_is_sent_at_once_and_a_part_after_its_linger() -> None:
    """Slow input is not held back for long."""
    outbox = outbox_of(3)
    assert ids(outbox.take(0.0)) == ["m0", "m1"]
    assert outbox.take(0.5) is None
    assert outbox.due == 1.0
    assert ids(outbox.take(1.0)) == ["m2"]
    assert outbox.due is None


def test_what_is_unacknowledged_is_sent_again_as_it_was() -> None:
    """A resend is the same request."""
    outbox = outbox_of(4)
    first, second = outbox.take(0.0), outbox.take(0.0)
    outbox.acknowledge(done(1), 0.0)
    outbox.rewind()
    assert outbox.take(0.0) == second
    assert outbox.take(0.0) is None
    assert first is not None
    assert second is not None
    assert (first.sequence, second.sequence) == (1, 2)


def test_the_input_waits_while_the_window_is_full() -> None:
    """What is kept is bounded, in batches and in bytes."""
    outbox = outbox_of(4)
    room = [outbox.has_room]
    outbox.take(0.0)
    outbox.acknowledge(done(1), 0.0)
    room.append(outbox.has_room)
    assert room == [False, True]
    small = StreamLimits(max_batch_messages=1, max_unacknowledged_bytes=10)
    assert not outbox_of(1, small).has_room


def test_results_count_positions_over_the_whole_input() -> None:
    """A rejected message is found again by its position and its id."""
    outbox = outbox_of(4)
    outbox.take(0.0)
    outbox.take(0.0)
    outbox.acknowledge(done(1), 0.0)
    answer = done(2, 1)
    answer.rejected.add(index=1, error_message="no")
    result = outbox.acknowledge(answer, 0.0)
    assert result.accepted_count == 1
    assert [(entry.index, entry.message_id) for entry in result.rejected] == [(3, "m3")]


@pytest.mark.parametrize("sequence", [0, 2])
def test_an_answer_to_another_batch_is_not_believed(sequence: int) -> None:
    """A batch counts as stored only by its own number."""
    outbox = outbox_of(4)
    outbox.take(0.0)
    outbox.take(0.0)
    with pytest.raises(InternalError):
        outbox.acknowledge(done(sequence), 0.0)


def test_an_answer_to_nothing_is_not_believed() -> None:
    """Also where its number would fit."""
    with pytest.raises(InternalError):
        outbox_of(2).acknowledge(done(1), 0.0)


def test_it_is_done_when_the_input_has_ended_and_all_is_acknowledged() -> None:
    """The end flushes what waits for others."""
    outbox = outbox_of(1)
    outbox.end()
    states = [(outbox.is_sent, outbox.is_done)]
    assert ids(outbox.take(0.0)) == ["m0"]
    states.append((outbox.is_sent, outbox.is_done))
    outbox.acknowledge(done(1, 1), 0.0)
    states.append((outbox.is_sent, outbox.is_done))
    assert states == [(False, False), (True, False), (True, True)]


def test_time_without_progress_counts_only_while_something_is_owed() -> None:
    """An idle stream is not a stalled one."""
    outbox = outbox_of(4)
    assert outbox.remaining(10.0, now=1_000.0) == 10.0
    outbox.take(1_000.0)
    outbox.rewind()
    assert outbox.remaining(10.0, now=1_004.0) == 6.0
    outbox.take(1_004.0)
    outbox.acknowledge(done(1), 1_005.0)
    assert outbox.remaining(10.0, now=1_006.0) == 9.0
    outbox.take(1_006.0)
    outbox.acknowledge(done(2), 1_007.0)
    assert outbox.remaining(10.0, now=2_000.0) == 10.0


def test_a_message_beyond_the_wanted_size_travels_alone() -> None:
    """A batch is small by choice, a message is as large as it is."""
    outbox = Outbox(StreamLimits(max_batch_bytes=100))
    for name, size in (("a", 1), ("b", 1_000), ("c", 1)):
        outbox.add(OutgoingMessage("t", b"x" * size, message_id=name), now=0.0)
    outbox.end()
    assert [ids(outbox.take(0.0)) for _ in range(3)] == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_batch_messages": 0},
        {"max_batch_messages": 10_001},
        {"max_batch_bytes": 5 * 1024 * 1024},
        {"max_unacknowledged_batches": 257},
        {"max_unacknowledged_bytes": 0},
        {"linger_seconds": -1.0},
        {"stream_seconds": 0.0},
    ],
)
def test_limits_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    """A bridge would refuse or stall what they allow."""
    with pytest.raises(ValueError, match="out of its range"):
        StreamLimits(**wrong)  # type: ignore[arg-type]


def test_only_what_no_service_said_is_unexplained() -> None:
    """An INTERNAL with a reason is a defect that a resend would meet again; one without may be the link."""
    policy = RetryPolicy(max_attempts=3, first_delay_seconds=0.0)
    core = InternalError("Internal error from Core")
    defect = errors.InternalError("defect", ErrorDetails(reason="INTERNAL"))
    assert is_unexplained(core)
    assert is_unexplained(CancelledError())
    assert not is_unexplained(defect)
    assert pause_before_resend(policy, core, 1, 10.0) is not None
    assert pause_before_resend(policy, core, 3, 10.0) is None
    assert pause_before_resend(policy, UnavailableError(), 1, 10.0) is not None
    assert pause_before_resend(policy, defect, 1, 10.0) is None
    assert pause_before_resend(policy, PermissionDeniedError(), 1, 10.0) is None
