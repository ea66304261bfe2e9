"""What a program publishes, and packing it into requests within the bridge's limits."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dataflow.bridge.v1 import ingest_service_pb2 as pb

MAX_BATCH_MESSAGES = 10_000
"""Most messages of one request."""
MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Most bytes of one request, as it is sent."""

Json = Mapping[str, object] | Sequence[object]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to publish.

    Its id is chosen here, before the first try: publishing the same object again, after whatever failure, stores it once.
    """

    topic: str
    """MQTT topic without wildcards."""
    payload: bytes | str | Json
    """Bytes as they are, text as UTF-8, anything else as JSON with exact integers."""
    content_type: str = ""
    """Media type; empty: `application/json` for JSON, else none."""
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    """The sender's own id."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that was not taken; sending it again unchanged will not help."""

    index: int
    """Its position among the messages of the call, from 0."""
    message_id: str
    """Its id."""
    error_message: str
    """What is wrong and the way out."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What became of the messages."""

    accepted_count: int = 0
    """How many are durable now."""
    rejected: tuple[Rejected, ...] = ()
    """Those that were not taken, in order."""

    def __add__(self, other: "PublishResult") -> "PublishResult":
        return PublishResult(self.accepted_count + other.accepted_count, self.rejected + other.rejected)


@dataclass(frozen=True, slots=True)
class OutgoingBatch:
    """One request and where its messages stand among all."""

    request: pb.PublishMessagesRequest
    """Within the limits."""
    first_index: int
    """Position of its first message, from 0."""

    def result(self, response: pb.PublishMessagesResponse) -> PublishResult:
        """Returns the response with positions counted over all messages of the call."""
        return PublishResult(
            response.accepted_count,
            tuple(
                Rejected(self.first_index + entry.index, self._message_id(entry.index), entry.error_message)
                for entry in response.rejected
            ),
        )

    def _message_id(self, index: int) -> str:
        return self.request.messages[index].message_id if index < len(self.request.messages) else ""


class Packer:
    """Packs messages one by one, so that both finite and endless input stays bounded."""

    def __init__(
        self,
        max_messages: int = MAX_BATCH_MESSAGES,
        max_bytes: int = MAX_BATCH_BYTES,
        wanted_bytes: int | None = None,
    ) -> None:
        """Makes an empty packer.

        Args:
            max_messages: Of one batch.
            max_bytes: No batch and no message goes beyond it.
            wanted_bytes: A batch closes when it would pass this size; only a message alone may. None: `max_bytes`.
        """
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._wanted_bytes = max_bytes if wanted_bytes is None else wanted_bytes
        self._packed: list[pb.PublishMessage] = []
        self._bytes = 0
        self._first_index = 0

    def add(self, message: OutgoingMessage) -> OutgoingBatch | None:
        """Takes a message; returns the batch before it when it does not fit in any more.

        Raises:
            ValueError: The message alone is beyond the limit; the ones before it are kept.
        """
        packed = _packed(message)
        size = _size_in_request(packed)
        if size > self._max_bytes:
            position = self._first_index + len(self._packed)
            raise ValueError(
                f"message {position} on {message.topic!r} takes {size} bytes, more than the {self._max_bytes} of a request"
            )
        full = self.is_full or self._bytes + size > self._wanted_bytes
        batch = self.flush() if full else None
        self._packed.append(packed)
        self._bytes += size
        return batch

    @property
    def is_full(self) -> bool:
        """Whether the next message opens another batch."""
        return len(self._packed) >= self._max_messages

    def flush(self) -> OutgoingBatch | None:
        """Returns what is left; None where nothing is."""
        if not self._packed:
            return None
        batch = OutgoingBatch(pb.PublishMessagesRequest(messages=self._packed), self._first_index)
        self._first_index += len(self._packed)
        self._packed, self._bytes = [], 0
        return batch


def batches(messages: Iterable[OutgoingMessage]) -> Iterator[OutgoingBatch]:
    """Yields requests of at most 10,000 messages and 4 MiB, in order.

    Raises:
        ValueError: A message alone is beyond the limit; everything before it was yielded.
    """
    packer = Packer()
    for message in messages:
        try:
            batch = packer.add(message)
        except ValueError:
            if (rest := packer.flush()) is not None:
                yield rest
            raise
        if batch is not None:
            yield batch
    if (last := packer.flush()) is not None:
        yield last


def _packed(message: OutgoingMessage) -> pb.PublishMessage:
    packed = pb.PublishMessage(message_id=message.message_id, topic=message.topic, content_type=message.content_type)
    if isinstance(message.payload, bytes | bytearray | memoryview):
        packed.payload = bytes(message.payload)
    elif isinstance(message.payload, str):
        packed.text = message.payload
    else:
        # As text: google.protobuf.Struct would turn integers beyond 2^53 into other numbers.
        packed.text = json.dumps(message.payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        packed.content_type = message.content_type or "application/json"
    return packed


def _size_in_request(message: pb.PublishMessage) -> int:
    size = message.ByteSize()
    return 1 + max(1, (size.bit_length() + 6) // 7) + size
