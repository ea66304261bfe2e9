"""When the ring's fill is an alarm, and how it is told."""

from dataflow_stack.buffer import Buffer, buffer_of, line
from dataflow_stack.counters import buffer_left
from dataflow_stack.node_probe import NodeFill


def fill(share: float) -> NodeFill:
    """Returns a node that uses a share of its memory."""
    return NodeFill(depth=10, used_bytes=int(share * 1_000_000), limit_bytes=1_000_000)


def test_half_full_node_is_an_alarm_and_a_full_one_another() -> None:
    """Below 50 % nothing is said; from 80 % on it is said that bridges append nothing more."""
    buffer = buffer_of({"redis-0": fill(0.49), "redis-1": fill(0.5), "redis-2": fill(0.8)}, [7200.0, 600.0])
    assert [alarm.split(" ")[0] for alarm in buffer.alarms()] == ["redis-1", "redis-2"]
    assert "append nothing more" not in buffer.alarms()[0]
    assert "append nothing more" in buffer.alarms()[1]
    assert all("10 min of buffer left" in alarm for alarm in buffer.alarms())


def test_node_that_does_not_answer_says_nothing_about_the_others() -> None:
    """Its fill is not known, and is not taken for empty or full."""
    assert buffer_of({"redis-0": None, "redis-1": fill(0.3)}, []).document() == {
        "share": 0.3,
        "shares": {"redis-1": 0.3},
        "buffer_left_seconds": None,
        "alarms": [],
    }


def test_time_left_is_told_in_words_only_while_something_arrives() -> None:
    """Nobody can say how long an idle ring lasts."""
    assert line(Buffer({"redis-0": 0.25}, 5400.0).document()) == "ring 25% full, 90 min of buffer left"
    assert line(Buffer({"redis-0": 0.25}, None).document()) == "ring 25% full"


def test_time_left_is_read_from_what_bridges_show() -> None:
    """Each bridge that gets something shows its own figure."""
    assert buffer_left(["dataflow_ring_buffer_left_seconds 12.5\n", "# nothing\n"]) == [12.5]
