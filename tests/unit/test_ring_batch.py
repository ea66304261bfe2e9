"""The bytes of a batch: what is packed is unpacked, what is not ours is refused before it costs memory."""

import tracemalloc

import pytest
import zstandard
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_ring.batch import MAX_UNPACKED_BYTES, BatchUnreadableError, new_batch_id, new_boot_id, pack, unpack


def test_a_batch_comes_back_as_it_was() -> None:
    """Version and count are set by packing."""
    batch = Batch(batch_id=new_batch_id(), boot_id=new_boot_id(), bridge_id="b", sequence=7)
    batch.messages.add(topic="t", payload=b"p")
    assert unpack(pack(batch)) == batch


@pytest.mark.parametrize("data", [b"", b"no frame", zstandard.compress(b"no batch")])
def test_what_is_no_batch_is_refused(data: bytes) -> None:
    """Whatever its bytes are, the reader lives."""
    with pytest.raises(BatchUnreadableError):
        unpack(data)


def test_a_frame_that_would_fill_the_memory_is_refused_unread() -> None:
    """A few kilobytes may say that they are gigabytes."""
    data = zstandard.compress(bytes(MAX_UNPACKED_BYTES + 1))
    tracemalloc.start()
    try:
        with pytest.raises(BatchUnreadableError, match="more than"):
            unpack(data)
        assert tracemalloc.get_traced_memory()[1] < MAX_UNPACKED_BYTES // 8
    finally:
        tracemalloc.stop()
