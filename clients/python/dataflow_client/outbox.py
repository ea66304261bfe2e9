"""What a stream of messages still owes: packing, what is unacknowledged, what to send again. No I/O, no clock of its own."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from dataflow.bridge.v1 import ingest_service_pb2 as pb

from dataflow_client.codes import DataflowError, DeadlineExceededError, InternalError
from dataflow_client.messages import (
    MAX_BATCH_BYTES,
    MAX_BATCH_MESSAGES,
    OutgoingBatch,
    OutgoingMessage,
    Packer,
    PublishResult,
)
from dataflow_client.retry import RetryPolicy, is_unexplained

_MAX_UNANSWERED: Final = 256
"""What a bridge reads ahead of its answers at most."""


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How a stream packs, and how much it keeps until it is acknowledged."""

    max_batch_messages: int = 500
    """Messages of one batch; 1 to 10,000."""
    max_batch_bytes: int = 1024 * 1024
    """Bytes of one batch, at most 4 MiB; a larger message travels alone."""
    max_unacknowledged_batches: int = 32
    """Batches that are kept to be sent again; the input waits while there are so many. 1 to 256."""
    max_unacknowledged_bytes: int = 16 * 1024 * 1024
    """The same in bytes; one batch may go beyond it."""
    linger_seconds: float = 0.01
    """How long the first message of a batch waits for others where the input is slower than the link."""
    stream_seconds: float = 300.0
    """After so long the stream is opened anew, in order and without a gap: so bridges that were added get their share."""

    def __post_init__(self) -> None:
        wrong = (
            not 1 <= self.max_batch_messages <= MAX_BATCH_MESSAGES
            or not 1 <= self.max_batch_bytes <= MAX_BATCH_BYTES
            or not 1 <= self.max_unacknowledged_batches <= _MAX_UNANSWERED
            or self.max_unacknowledged_bytes < 1
            or self.linger_seconds < 0
            or self.stream_seconds <= 0
        )
        if wrong:
            raise ValueError(f"a limit is out of its range: {self}")


class Outbox:
    """The messages between the input and their acknowledgement, in order. Not thread-safe.

    A batch gets its number and its bytes once: a resend is the same request, with the same message ids.
    """

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._packer = Packer(limits.max_batch_messages, MAX_BATCH_BYTES, limits.max_batch_bytes)
        self._packed_since: float | None = None
        self._batches: deque[OutgoingBatch] = deque()
        self._bytes = 0
        self._sent = 0
        self._first_sequence = 1
        self._stalled_since: float | None = None
        self._ended = False
        self.failure: BaseException | None = None
        """Why the input ended, where it did not end by itself."""

    @property
    def has_room(self) -> bool:
        """Whether the input may go on."""
        limits = self._limits
        return len(self._batches) < limits.max_unacknowledged_batches and self._bytes < limits.max_unacknowledged_bytes

    @property
    def is_empty(self) -> bool:
        """Whether everything that came is acknowledged."""
        return not self._batches and self._packed_since is None

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come and all of it is acknowledged."""
        return self._ended and self.is_empty

    @property
    def is_sent(self) -> bool:
        """Whether nothing more will come and all of it is sent."""
        return self._ended and self._sent == len(self._batches) and self._packed_since is None

    @property
    def due(self) -> float | None:
        """When the messages that wait for others are to be sent; None where none wait."""
        return None if self._packed_since is None else self._packed_since + self._limits.linger_seconds

    @property
    def oldest(self) -> OutgoingBatch | None:
        """The batch that is acknowledged next."""
        return self._batches[0] if self._batches else None

    def add(self, message: OutgoingMessage, now: float) -> bool:
        """Takes a message; returns whether a sender that waits should look again.

        Raises:
            ValueError: The message alone is beyond 4 MiB; those before it stay.
        """
        batch = self._packer.add(message)
        if batch is not None:
            self._keep(batch)
            self._packed_since = None
        if self._packer.is_full and (full := self._packer.flush()) is not None:
            self._keep(full)
            self._packed_since = None
            return True
        if self._packed_since is None:
            self._packed_since = now
            return True
        return batch is not None

    def end(self, failure: BaseException | None = None) -> None:
        """Notes that nothing more comes."""
        self._ended = True
        self.failure = failure
        self._flush()

    def take(self, now: float) -> pb.StreamMessagesRequest | None:
        """Returns the next request to send; None where there is none yet."""
        if self._sent == len(self._batches) and (due := self.due) is not None and now >= due:
            self._flush()
        if self._sent == len(self._batches):
            return None
        batch = self._batches[self._sent]
        request = pb.StreamMessagesRequest(sequence=self._first_sequence + self._sent, messages=batch.request.messages)
        self._sent += 1
        if self._stalled_since is None:
            self._stalled_since = now
        return request

    def acknowledge(self, response: pb.StreamMessagesResponse, now: float) -> PublishResult:
        """Lets go of the oldest batch and returns what became of it.

        Raises:
            InternalError: The server answers another batch: nothing it says can be trusted.
        """
        if not self._sent or response.sequence != self._first_sequence:
            raise InternalError(f"batch {response.sequence} was acknowledged, {self._first_sequence} is next")
        self._sent -= 1
        answer = pb.PublishMessagesResponse(accepted_count=response.accepted_count, rejected=response.rejected)
        return self.acknowledge_oldest(answer, now)

    def acknowledge_oldest(self, response: pb.PublishMessagesResponse, now: float) -> PublishResult:
        """Does the same for a batch that was published outside of the stream."""
        batch = self._batches.popleft()
        self._bytes -= batch.request.ByteSize()
        self._first_sequence += 1
        self.touch(now)
        return batch.result(response)

    def rewind(self) -> None:
        """Has everything that is not acknowledged sent again: on a new stream."""
        self._sent = 0

    def touch(self, now: float) -> None:
        """Starts the clock of progress anew: something was acknowledged, or nobody looked for answers."""
        self._stalled_since = now if self._batches else None

    def remaining(self, timeout_seconds: float, now: float) -> float:
        """Returns how many seconds are left for some progress; all of them while nothing is unacknowledged."""
        return timeout_seconds if self._stalled_since is None else self._stalled_since + timeout_seconds - now

    def _flush(self) -> None:
        self._packed_since = None
        if (batch := self._packer.flush()) is not None:
            self._keep(batch)

    def _keep(self, batch: OutgoingBatch) -> None:
        self._batches.append(batch)
        self._bytes += batch.request.ByteSize()


def pause_before_resend(
    policy: RetryPolicy, error: DataflowError, attempt: int, remaining_seconds: float
) -> float | None:
    """Returns the seconds to wait before the stream is opened again, or None to raise the error."""
    return policy.delay(error, attempt, remaining_seconds, transient=is_unexplained(error) or None)


def no_progress(timeout_seconds: float, target: str) -> DeadlineExceededError:
    """Returns the error of a stream on which nothing is acknowledged any more."""
    return DeadlineExceededError(f"nothing was acknowledged for {timeout_seconds:g} s", target=target)
