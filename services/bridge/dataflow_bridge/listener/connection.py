"""One client's connection: its packets in, its acknowledgements out.

`_read_packets` is the hot path of the bridge. Everything else of the protocol happens in `Conversation`, packet by packet.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from dataflow_bridge.listener import wire
from dataflow_bridge.listener.answers import PUBACK_TOKEN, PUBREC_TOKEN, Answers
from dataflow_bridge.listener.context import SOURCE
from dataflow_bridge.listener.conversation import Conversation
from dataflow_bridge.listener.inbox import Inbox
from dataflow_bridge.listener.pause import Pause, PauseKind
from dataflow_bridge.listener.publish import ACKNOWLEDGEMENT_END, count_qos0, sole_message_id
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.seams import MESSAGE_OVERHEAD_BYTES
from dataflow_bridge.listener.violation import Violation

if TYPE_CHECKING:
    from dataflow_bridge.listener.context import ListenerContext
    from dataflow_bridge.listener.publish import Publish
    from dataflow_bridge.listener.seams import TimerHandle
    from dataflow_bridge.listener.transport import ByteTransport

LINGER_SECONDS: Final = 1.0
"""How long a closed connection may take to read its DISCONNECT before it is cut."""


class Connection(asyncio.Protocol):
    """A connection from accept to close.

    Reads only while it holds a permit: there is room in the budget for what it sends, its device keeps its rate, and
    it reads its answers. Otherwise what was received stays unread, for as long as `Pause` allows.
    """

    __slots__ = (
        "_budget",
        "_closed",
        "_context",
        "_conversation",
        "_counters",
        "_linger",
        "_pause",
        "_transport",
        "answers",
        "heard",
        "inbox",
        "peer",
    )

    def __init__(self, context: ListenerContext) -> None:
        """Wait for a transport."""
        self._context = context
        self._budget = context.budget
        self._counters = context.counters
        self._conversation = Conversation(self, context)
        self._pause = Pause(self, context)
        self._transport: ByteTransport | None = None
        self._closed = False
        self._linger: TimerHandle | None = None
        self.inbox = Inbox(context.budget, context.clock)
        """What was received and not read."""
        self.answers = Answers(self, self._conversation, context)
        """Tells the client what is durable."""
        self.heard = 0.0
        """When the last packet was complete, on the monotonic clock."""
        self.peer = ""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clocks."""
        self.opened(cast("ByteTransport", transport))

    def opened(self, transport: ByteTransport) -> None:
        """Start the clocks."""
        self._transport = transport
        self.heard = self._context.clock.monotonic()
        name = transport.get_extra_info("peername")
        self.peer = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name or "")
        self._counters.connections += 1
        self._counters.connections_total += 1
        if self._context.stopping or len(self._context.connections) >= self._context.settings.max_connections:
            self._counters.refusals["too_many_connections"] += 1
            self._closed = True
            transport.abort()
            return
        self._context.connections.add(self)
        transport.set_write_buffer_limits(high=self._context.settings.write_buffer_bytes)
        self._conversation.start(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything; a client that did not say goodbye leaves its Will behind."""
        del exc
        self._counters.connections -= 1
        if self._linger is not None:
            self._linger.cancel()
        self.finish("connection_lost")
        self._transport = None
        self._context.connections.discard(self)
        self._context.note_closed()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read."""
        if not self._closed:
            self._pause.begin(PauseKind.ANSWERS)

    def resume_writing(self) -> None:
        """Read again from a client that reads again."""
        if self._pause.end(PauseKind.ANSWERS):
            self.go_on()

    def data_received(self, data: bytes) -> None:
        """Read all complete packets of a chunk."""
        self._counters.bytes_received += len(data)
        if self._closed:
            return
        if self.inbox or self._pause.kinds:
            if not self.inbox.add(data) or self._pause.kinds:
                return
            data = self.inbox.take()
        self._read(data)

    def go_on(self) -> None:
        """Read what was received before a pause, and then from the transport again, if nothing forbids it."""
        if self._closed or self._pause.kinds:
            return
        if self.inbox:
            self._read(self.inbox.take())
        if not self._closed and not self._pause.kinds:
            self._pause.over()
            self.heard = self._context.clock.monotonic()
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    @property
    def accepted(self) -> bool:
        """Whether CONNECT was answered with success."""
        return self._conversation.accepted

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, though its transport may still linger."""
        return self._closed

    @property
    def paused(self) -> bool:
        """Whether the connection is not read now: then its keep-alive does not run."""
        return bool(self._pause.kinds)

    def hold(self) -> None:
        """Read nothing until the client has its session."""
        self._pause.begin(PauseKind.SESSION)

    def unhold(self) -> None:
        """Go on: the client is in."""
        if self._pause.end(PauseKind.SESSION):
            self.go_on()

    def note_keep_alive(self, keep_alive_seconds: int) -> None:
        """Bound pauses by the keep-alive of the client."""
        self._pause.note_keep_alive(keep_alive_seconds)

    def stop_reading(self) -> None:
        """Take no more messages since the bridge stops; say goodbye once all acknowledgements are out."""
        if self._closed:
            return
        self._pause.over()
        self.halt_reading()
        if not self.answers.inflight:
            self._conversation.drained()

    def halt_reading(self) -> None:
        """Take no more bytes from the transport."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    # Reading.

    def _read(self, data: bytes) -> None:
        """Read the complete packets of `data`; keep the rest."""
        inbox = self.inbox
        inbox.need = 0
        if not self._conversation.accepted and self._budget.taken_bytes >= self._budget.limit_bytes:
            # Every new connection is a message, too (and so is its end): without room nobody new comes in.
            inbox.keep(data, 0)
            self._pause.begin(PauseKind.ROOM)
            return
        try:
            start = self._conversation.read_connect(data) if not self._conversation.accepted else 0
            if self._conversation.accepted:
                start = self._read_packets(data, start)
        except Violation as violation:
            self._conversation.violated(violation)
            return
        if self._closed:
            return
        if start:
            self.heard = self._context.clock.monotonic()
        inbox.keep(data, start)
        if not inbox.hold() or self._budget.taken_bytes >= self._budget.limit_bytes:
            self._pause.begin(PauseKind.ROOM)

    def _read_packets(self, data: bytes, start: int) -> int:
        """Read complete packets from `start`; return where the first incomplete or unaffordable one begins.

        A PUBLISH that is plainly in order (QoS 0 or 1, a known topic, no DUP, no property but a message id) is taken
        apart here, without an object but its payload; every other one goes to the `PublishReader`.

        Raises:
            Violation: The connection has to end.
        """
        context = self._context
        conversation = self._conversation
        budget = self._budget
        submit = context.intake.submit
        topics = context.topics.known
        now = context.clock.wall_us()
        device_id = conversation.device_id
        five = conversation.five
        fast = context.settings.device_limits.payload_bytes is None
        max_packet = context.settings.max_packet_bytes
        room = budget.limit_bytes - budget.taken_bytes
        empty = not budget.taken_bytes
        answers = self.answers
        qos2 = conversation.qos2
        allowed = conversation.receive_maximum - answers.inflight - qos2.unreleased
        spent = zeros = ones = 0
        at = start
        size = len(data)
        try:
            while size - at > 1:
                head = data[at]
                length = data[at + 1]
                body = at + 2
                if length > 127:
                    read = wire.read_size(data, at + 1, size)
                    if read is None:
                        break
                    length, body = read
                end = body + length
                if end > size or end - at > max_packet:
                    self.inbox.need = end - at
                    if end - at > max_packet:
                        text = f"packet is longer than {max_packet} bytes"
                        raise Violation(Reason.PACKET_TOO_LARGE, text)
                    break
                if fast and length > 4 and (head == 0x32 or head == 0x30):  # noqa: PLR1714 - faster than a tuple
                    behind = body + 2 + (data[body] << 8 | data[body + 1])
                    topic = topics.get(data[body + 2 : behind])
                    payload_at = behind + five + (head & 2)
                    message_id = None
                    known = topic is not None and payload_at <= end
                    if known and five and (properties := data[payload_at - 1]):
                        message_id = sole_message_id(data, payload_at, properties)
                        payload_at += properties
                        known = message_id is not None and payload_at <= end
                    if known and topic is not None and (head == 0x30 or data[behind] or data[behind + 1]):
                        payload = data[payload_at:end]
                        cost = len(topic) + len(payload) + MESSAGE_OVERHEAD_BYTES
                        if spent + cost > room and (spent or not empty):
                            self._pause.begin(PauseKind.ROOM)
                            break
                        if head == 0x30:
                            zeros += 1
                            submit(topic, payload, device_id, None, message_id, False, now, SOURCE, None, 0)
                        elif ones < allowed:
                            ones += 1
                            token = PUBACK_TOKEN | data[behind] << 8 | data[behind + 1]
                            submit(topic, payload, device_id, None, message_id, False, now, SOURCE, answers, token)
                        else:
                            conversation.too_many_in_flight()
                        spent += cost
                        at = end
                        continue
                if head >> 4 == wire.PUBLISH:
                    publish = conversation.publishes.read(data, at, end)
                    cost = len(publish.topic) + len(publish.payload) + MESSAGE_OVERHEAD_BYTES
                    if spent + cost > room and (spent or not empty):
                        self._pause.begin(PauseKind.ROOM)
                        break
                    # The counts of this loop are settled first: the slow path reads and changes them.
                    answers.inflight += ones
                    allowed -= ones
                    zeros, ones = self._count(zeros, ones)
                    before = answers.inflight + qos2.unreleased
                    if self._take(publish, now, allowed):
                        spent += cost
                    allowed -= answers.inflight + qos2.unreleased - before
                else:
                    answers.inflight += ones
                    zeros, ones = self._count(zeros, ones)
                    conversation.read(data[at:end])
                    if self._closed:
                        return end
                    allowed = conversation.receive_maximum - answers.inflight - qos2.unreleased
                at = end
        finally:
            answers.inflight += ones
            self._count(zeros, ones)
            budget.taken_bytes += spent
        return at

    def _count(self, zeros: int, ones: int) -> tuple[int, int]:
        """Count messages of QoS 0 and 1 and spend them from the device's rate; return fresh counts."""
        if zeros or ones:
            self._counters.messages_qos0 += zeros
            self._counters.messages_qos1 += ones
            self._spend(zeros + ones)
        return 0, 0

    def _spend(self, messages: int) -> None:
        """Slow a device down that sends more than it may."""
        rate = self._conversation.rate
        if rate is not None:
            debt_seconds = rate.spend(messages)
            if debt_seconds:
                self._pause.begin(PauseKind.RATE, debt_seconds)

    def _take(self, publish: Publish, now: int, allowed: int) -> bool:
        """Take one PUBLISH that was read with all rules; tell whether it was handed over."""
        conversation = self._conversation
        if publish.refused is not None:
            conversation.refuse_publish(publish, publish.refused)
            return False
        if publish.qos and allowed <= 0:
            conversation.too_many_in_flight()
        if publish.qos == 2 and not conversation.qos2.begin(publish.packet_id):
            return False
        ack = self.answers if publish.qos else None
        token = 0
        if publish.qos == 1:
            token = PUBACK_TOKEN | publish.packet_id
            self._counters.messages_qos1 += 1
        elif publish.qos == 2:
            token = PUBREC_TOKEN | publish.packet_id
            self.answers.qos2_inflight += 1
            self._counters.messages_qos2 += 1
        else:
            self._counters.messages_qos0 += 1
        self.answers.inflight += 1 if ack else 0
        self._spend(1)
        self._context.intake.submit(
            publish.topic,
            publish.payload,
            conversation.device_id,
            publish.content_type,
            publish.message_id,
            publish.duplicate,
            now,
            SOURCE,
            ack,
            token,
        )
        if publish.topic.endswith(ACKNOWLEDGEMENT_END):
            conversation.command_acknowledged(publish)
        return True

    # Answering.

    def write(self, packet: bytes) -> None:
        """Send bytes, unless the connection is closed."""
        transport = self._transport
        # A lost transport is closing before it says so by `connection_lost`, and uvloop raises on writing to it.
        if transport is not None and packet and not self._closed and not transport.is_closing():
            self._counters.bytes_sent += len(packet)
            transport.write(packet)

    # Ending.

    def end(self, code: Reason, text: str) -> None:
        """Say why and close; the client gets a moment to read it."""
        if self._closed:
            return
        goodbye = self._conversation.goodbye(code, text)
        self.write(goodbye)
        self._counters.qos0_lost += count_qos0(self.inbox.take())
        self.finish(code.name.lower())
        if self._transport is None or self._transport.is_closing():
            return
        if goodbye:
            # Closing with unread bytes resets the connection, and the client would never see the reason: so let it
            # read, throw away what it sends, and cut it after a moment.
            try:
                if self._transport.can_write_eof():
                    self._transport.write_eof()
            except (OSError, RuntimeError):
                # The client was faster: asyncio says the one, uvloop the other.
                self._transport.abort()
                return
            if not self._transport.is_reading():
                self._transport.resume_reading()
            self._linger = self._context.clock.call_later(LINGER_SECONDS, self.cut)
        else:
            self._close(code.name.lower())

    def close(self) -> None:
        """Close a connection that was never accepted, after sending what was written."""
        self._close("refused")

    def leave(self, reason: str) -> None:
        """Close a connection whose client said goodbye."""
        self._close(reason)

    def cut(self, reason: str = "cut") -> None:
        """Close at once."""
        self.finish(reason)
        if self._transport is not None:
            self._transport.abort()

    def _close(self, reason: str) -> None:
        """Close after sending what was written, or after a moment when the client does not read it."""
        self.finish(reason)
        if self._transport is not None:
            self._transport.close()
            self._linger = self._context.clock.call_later(LINGER_SECONDS, self.cut)

    def finish(self, reason: str) -> None:
        """Leave the session and stop all clocks; once."""
        if self._closed:
            return
        self._closed = True
        self._pause.over()
        self.inbox.clear()
        self._conversation.finish(reason)
