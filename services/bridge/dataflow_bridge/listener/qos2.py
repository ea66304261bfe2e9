"""The handshake of QoS 2 on one connection; what has to survive the connection stands in its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqtt5 import PubRelPacket

from dataflow_bridge.listener.answers import PUBREC_TOKEN
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.violation import protocol_error

if TYPE_CHECKING:
    from dataflow_bridge.listener.connection import Connection
    from dataflow_bridge.listener.conversation import Conversation
    from dataflow_bridge.listener.dialect import Dialect
    from dataflow_bridge.sessions.memory import Session


class Qos2:
    """Messages between PUBLISH and PUBCOMP."""

    __slots__ = ("_awaited", "_connection", "_conversation", "_maximum", "_session", "unreleased")

    def __init__(self, connection: Connection, conversation: Conversation, session: Session, maximum: int) -> None:
        """Go on where the session was left; at most `maximum` messages may wait in it."""
        self._connection = connection
        self._conversation = conversation
        self._session = session
        self._maximum = maximum
        self._awaited: set[int] = set()
        self.unreleased = 0
        """Messages of this connection between PUBREC and PUBCOMP."""

    def begin(self, packet_id: int) -> bool:
        """Tell whether a message is new in this session; if it is not, answer it again when it is durable.

        Raises:
            Violation: Too many messages wait for their PUBREL.
        """
        known = self._session.incoming.get(packet_id)
        if known is None:
            if len(self._session.incoming) >= self._maximum:
                self._conversation.too_many_in_flight()
            self._session.incoming[packet_id] = False
            return True
        if known:
            self._connection.answers.send_in_order(_pubrec(packet_id))
        else:
            self._awaited.add(packet_id)
        return False

    def durable(self, packet_id: int) -> None:
        """Note in the session that a message of this connection is durable."""
        self._awaited.discard(packet_id)
        self.unreleased += 1
        self._session.durable(packet_id, self._conversation)

    def failed(self, packet_id: int) -> None:
        """Forget a message that could not be made durable: the client will send it again."""
        self._session.incoming.pop(packet_id, None)

    def recorded(self, packet_id: int) -> None:
        """Answer a message that an earlier connection had handed over and this one has sent again."""
        if packet_id in self._awaited:
            self._awaited.remove(packet_id)
            self._connection.write(_pubrec(packet_id))

    def release(self, packet: PubRelPacket, dialect: Dialect) -> None:
        """Answer PUBREL: the packet id is free again.

        Raises:
            Violation: PUBREC was not sent yet.
        """
        durable = self._session.incoming.get(packet.packet_id)
        if durable is False:
            text = "PUBREL before PUBREC"
            raise protocol_error(text)
        self._session.incoming.pop(packet.packet_id, None)
        self.unreleased = max(0, self.unreleased - 1)
        code = Reason.PACKET_ID_NOT_FOUND if durable is None else Reason.SUCCESS
        self._connection.write(dialect.pubcomp(packet.packet_id, code))


def _pubrec(packet_id: int) -> bytes:
    """Write a PUBREC of success, the same in both versions."""
    return (PUBREC_TOKEN | packet_id).to_bytes(4, "big")
