"""A batch's header is read without its messages, whatever the bytes are."""

import zstandard
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_ring.header import Header, peek_header


def batch(messages: int = 1, bridge_id: str = "bridge-0") -> Batch:
    """Make a batch of large messages."""
    made = Batch(
        batch_id=new_batch_id(), bridge_id=bridge_id, boot_id=new_boot_id(), sequence=7, acknowledged_through=5
    )
    for number in range(messages):
        made.messages.add(topic=f"t/{number}", payload=b"x" * 5_000)
    return made


def test_the_header_is_that_of_the_whole_batch() -> None:
    """With no message, with one, and with many."""
    for messages in (0, 1, 300):
        made = batch(messages)
        assert peek_header(pack(made)) == Header(made.batch_id, "bridge-0", made.boot_id, 7, messages, 5)


def test_the_header_of_a_truncated_batch_is_still_known() -> None:
    """Its messages cannot be read; whose sequence it accounts for can."""
    made = batch(300)
    for message in made.messages:
        message.payload = new_batch_id() * 300
    data = pack(made)
    header = peek_header(data[: len(data) // 2])
    assert header is not None
    assert header.sequence == 7


def test_what_is_no_batch_has_no_header() -> None:
    """Not compressed, nothing, another message, a batch without ids."""
    compress = zstandard.ZstdCompressor().compress
    for data in (b"", b"no frame", compress(b""), compress(b"\xff" * 2_000), compress(b"\x08\x01"), pack(Batch())):
        assert peek_header(data) is None


def test_a_frame_that_would_fill_the_memory_is_not_unpacked() -> None:
    """A few kilobytes that say that they are a gigabyte."""
    bomb = zstandard.ZstdCompressor(level=19).compressobj(size=1 << 30)
    data = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(1 << 10)) + bomb.flush()
    assert peek_header(data) is None


def test_a_header_longer_than_what_is_looked_at_is_none() -> None:
    """No bridge has such a name."""
    assert peek_header(pack(batch(bridge_id="b" * 5_000))) is None
