"""Acknowledgements of one connection: in the order of PUBLISH, many in one write."""

from __future__ import annotations

import sys
from array import array
from collections import deque
from typing import TYPE_CHECKING, Final

from dataflow_bridge.listener.reason import Reason

if TYPE_CHECKING:
    from dataflow_bridge.listener.connection import Connection
    from dataflow_bridge.listener.context import ListenerContext
    from dataflow_bridge.listener.conversation import Conversation

PUBACK_TOKEN: Final = 0x40020000
"""A token is the four bytes of the acknowledgement itself: PUBACK with its packet id (reason code success)."""
PUBREC_TOKEN: Final = 0x50020000
"""The same for QoS 2."""
_SWAP: Final = sys.byteorder == "little"


class Answers:
    """The `Ack` of one connection's messages."""

    __slots__ = ("_answered", "_connection", "_context", "_conversation", "_late", "inflight", "qos2_inflight")

    def __init__(self, connection: Connection, conversation: Conversation, context: ListenerContext) -> None:
        """Start with nothing to answer."""
        self._connection = connection
        self._conversation = conversation
        self._context = context
        self._answered = 0
        self._late: deque[tuple[int, bytes]] = deque()
        self.inflight = 0
        """Messages handed over whose acknowledgement is still to come; the connection counts them up."""
        self.qos2_inflight = 0
        """How many of them have QoS 2."""

    def acknowledged(self, tokens: list[int]) -> None:
        """Send PUBACK and PUBREC for messages that are durable, all in one write."""
        self.inflight -= len(tokens)
        if self.qos2_inflight or self._late:
            self._connection.write(self._in_order(tokens))
        else:
            self._answered += len(tokens)
            self._connection.write(_packed(tokens))
        if self._context.stopping and not self.inflight:
            self._conversation.drained()

    def failed(self, tokens: list[int]) -> None:
        """Close without PUBACK: the messages stay with the client."""
        self.inflight -= len(tokens)
        for token in tokens:
            if token & 0xFFFF0000 == PUBREC_TOKEN:
                self.qos2_inflight -= 1
                self._conversation.qos2.failed(token & 0xFFFF)
        self._connection.end(Reason.SERVER_SHUTTING_DOWN, "the bridge stops before your messages are safe")

    def send_in_order(self, packet: bytes) -> None:
        """Send an answer to a PUBLISH behind the acknowledgements of all PUBLISHes before it [MQTT-4.6.0-2].

        Raises:
            Violation: So many such answers wait already that the client can not have kept the Receive Maximum.
        """
        if not self.inflight:
            self._connection.write(packet)
            return
        if len(self._late) >= self._context.settings.receive_maximum:
            self._conversation.too_many_in_flight()
        self._late.append((self._answered + self.inflight, packet))

    def _in_order(self, tokens: list[int]) -> bytes:
        """Return acknowledgements where QoS 2 or refused messages are between the others."""
        out: list[bytes] = []
        for token in tokens:
            if token & 0xFFFF0000 == PUBREC_TOKEN:
                self.qos2_inflight -= 1
                self._conversation.qos2.durable(token & 0xFFFF)
            out.append(token.to_bytes(4, "big"))
            self._answered += 1
            while self._late and self._late[0][0] <= self._answered:
                out.append(self._late.popleft()[1])
        return b"".join(out)


def _packed(tokens: list[int]) -> bytes:
    """Write tokens in network byte order."""
    words = array("I", tokens)
    if _SWAP:
        words.byteswap()
    return words.tobytes()
