"""The protocol of one connection beside its stream of messages: CONNECT, QoS 2, subscriptions, the end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NoReturn

from mqtt5 import (
    AuthPacket,
    ConnectPacket,
    DisconnectPacket,
    PingReqPacket,
    PubAckPacket,
    PubRelPacket,
    SubscribePacket,
    UnsubscribePacket,
)

from dataflow_bridge.listener import handshake
from dataflow_bridge.listener.admission import Admission, admit, judge
from dataflow_bridge.listener.deadlines import Deadlines
from dataflow_bridge.listener.mqtt5_dialect import Mqtt5
from dataflow_bridge.listener.outgoing import Outgoing
from dataflow_bridge.listener.publish import PublishReader
from dataflow_bridge.listener.qos2 import Qos2
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.subscriptions import (
    acknowledged_command,
    config_filter,
    own_filters,
    subscribe,
    unsubscribe,
)
from dataflow_bridge.listener.violation import Violation, protocol_error

if TYPE_CHECKING:
    from dataflow_bridge.listener.admission import Applicant
    from dataflow_bridge.listener.connection import Connection
    from dataflow_bridge.listener.context import Event, ListenerContext
    from dataflow_bridge.listener.dialect import Dialect
    from dataflow_bridge.listener.limits import Rate
    from dataflow_bridge.listener.publish import Publish, Refused
    from dataflow_bridge.listener.transport import ByteTransport
    from dataflow_bridge.sessions.memory import Session
    from dataflow_bridge.sessions.store import Claim

_PINGRESP: Final = b"\xd0\x00"
_UNLIMITED: Final = 1 << 30
_MAX_OUTGOING: Final = 100
"""Unacknowledged messages to one client, whatever more it would take."""
_MAX_SUBSCRIPTION_FILTERS: Final = 1000
_log: Final = logging.getLogger(__name__)


class Conversation:
    """What was said on one connection; the `Holder` of its session."""

    __slots__ = (
        "_admission",
        "_certificate_name",
        "_claim",
        "_connection",
        "_context",
        "_deadlines",
        "_dialect",
        "_keep_will",
        "_outgoing",
        "_own_filters",
        "_qos2",
        "_taken_over",
        "device_id",
        "five",
        "publishes",
        "rate",
        "receive_maximum",
    )

    def __init__(self, connection: Connection, context: ListenerContext) -> None:
        """Know nothing yet."""
        self._connection = connection
        self._context = context
        self._deadlines = Deadlines(connection, context)
        self._dialect: Dialect | None = None
        self._admission: Admission | None = None
        self._qos2: Qos2 | None = None
        self._certificate_name: str | None = None
        self._claim: Claim | None = None
        self._keep_will = True
        self._taken_over = False
        self._own_filters: frozenset[str] = frozenset()
        self._outgoing: Outgoing | None = None
        self.device_id: str | None = None
        self.five = False
        self.receive_maximum = _UNLIMITED
        """Messages that may be unacknowledged; MQTT 3.1.1 clients can not be told a number."""
        self.rate: Rate | None = None
        self.publishes = PublishReader(context.topics, context.settings, five=False)

    @property
    def accepted(self) -> bool:
        """Whether a CONNECT was answered with success."""
        return self._admission is not None

    @property
    def qos2(self) -> Qos2:
        """The handshakes of QoS 2; only once accepted."""
        assert self._qos2 is not None
        return self._qos2

    @property
    def _admitted(self) -> Admission:
        """What the client has; only once accepted."""
        assert self._admission is not None
        return self._admission

    def start(self, transport: ByteTransport) -> None:
        """Wait for CONNECT; take the name of a client certificate, which TLS has verified."""
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert() if tls is not None else None
        for relative_name in (certificate or {}).get("subject", ()):
            for kind, value in relative_name:
                if kind == "commonName":
                    self._certificate_name = str(value)
        self._deadlines.expect_connect()

    # CONNECT.

    def read_connect(self, data: bytes) -> int:
        """Read and answer CONNECT once it is complete; return the offset behind it, 0 if it is not or is refused.

        Raises:
            Violation: What came is no CONNECT.
        """
        end = handshake.first_packet(data, self._context.settings.max_connect_bytes)
        if end > len(data):
            self._connection.inbox.need = end
            return 0
        packet = data[:end]
        try:
            dialect = handshake.dialect_of(packet)
        except handshake.ConnectRefused as refused:
            self._dialect = handshake.refusal_dialect(packet)
            self._refuse(refused.code, refused.text)
            return 0
        self._dialect = dialect
        read = dialect.read(packet)
        if not isinstance(read, ConnectPacket):
            text = "the first packet is not CONNECT"
            raise protocol_error(text)
        if isinstance(dialect, Mqtt5):
            dialect.note_connect(read)
            self.five = True
        try:
            self._apply(read)
        except handshake.ConnectRefused as refused:
            self._refuse(refused.code, refused.text)
            return 0
        return end

    def _apply(self, packet: ConnectPacket) -> None:
        """Judge a client and ask for its session; it is let in when it has that.

        Raises:
            ConnectRefused: With the code to answer.
        """
        context = self._context
        applicant = judge(
            packet, context, peer=self._connection.peer, certificate_name=self._certificate_name, five=self.five
        )
        context.sessions.begin(
            applicant.claim, self, lambda session, present: self._opened(applicant, session, present=present)
        )
        if not self.accepted and not self._connection.closed:
            self._connection.hold()

    def _opened(self, applicant: Applicant, session: Session, *, present: bool) -> None:
        """Let a client in whose session was opened, unless it has gone meanwhile."""
        context, dialect = self._context, self._dialect
        assert dialect is not None
        if self._connection.closed or context.stopping:
            context.sessions.detach(session, self, None, 0)
            self._connection.close()
            return
        try:
            admission = admit(applicant, context, session, present=present)
        except handshake.ConnectRefused as refused:
            context.sessions.detach(session, self, None, 0)
            self._refuse(refused.code, refused.text)
            return
        self._admission = admission
        self._claim = applicant.claim
        self.device_id = admission.identity.device_id
        self.rate = admission.allowance.rate
        self._own_filters = own_filters(self.device_id)
        self.publishes = PublishReader(context.topics, context.settings, five=self.five)
        self._qos2 = Qos2(self._connection, self, admission.session, context.settings.receive_maximum)
        if self.five:
            self.receive_maximum = context.settings.receive_maximum
        self._connection.note_keep_alive(admission.keep_alive_seconds)
        self._deadlines.connected(admission.keep_alive_seconds)
        context.counters.connects_accepted += 1
        self._connection.write(dialect.welcome(admission.welcome))
        self._publish_event("connected", "session_resumed" if admission.welcome.session_present else "new_session")
        if context.postmaster is not None and self.device_id is not None and self._own_filters:
            self._outgoing = Outgoing(
                self._connection,
                dialect,
                context.postmaster,
                context.clock,
                device_id=self.device_id,
                client_id=admission.client_id,
                receive_maximum=min(applicant.receive_maximum, _MAX_OUTGOING),
                max_packet_bytes=dialect.max_packet_bytes if isinstance(dialect, Mqtt5) else _UNLIMITED,
            )
            self._note_granted(session)
        self._connection.unhold()

    def _refuse(self, code: Reason, text: str) -> None:
        """Answer a CONNECT with a refusal and close."""
        self._context.counters.refusals[code.name.lower()] += 1
        _log.info(
            "connect refused",
            extra={"action": "connect_refused", "reason": code.name.lower(), "peer": self._connection.peer},
        )
        if self._dialect is not None:
            self._connection.write(self._dialect.refuse(code, text))
        self._connection.close()

    # Packets after CONNECT, without PUBLISH.

    def read(self, packet: bytes) -> None:
        """Read and answer one control packet.

        Raises:
            Violation: The connection has to end.
        """
        if packet == b"\xc0\x00":
            self._connection.write(_PINGRESP)
            return
        dialect = self._dialect
        assert dialect is not None
        session = self._admitted.session
        match dialect.read(packet):
            case PubRelPacket() as released:
                self.qos2.release(released, dialect)
            case SubscribePacket() as asked:
                if asked.subscription_id is not None:
                    text = "subscription identifiers are not supported"
                    raise Violation(Reason.SUBSCRIPTION_IDS_NOT_SUPPORTED, text)
                _bound(len(asked.topic_filters))
                codes = subscribe(asked.topic_filters, self._own_filters, session.subscriptions)
                self._context.sessions.subscribed(session)
                self._connection.write(dialect.suback(asked.packet_id, codes))
                if self._outgoing is not None:
                    config = config_filter(self._outgoing.device_id)
                    self._outgoing.config_wanted |= any(one.pattern == config for one in asked.topic_filters)
                    self._note_granted(session)
            case UnsubscribePacket() as asked:
                _bound(len(asked.patterns))
                codes_back = unsubscribe(asked.patterns, session.subscriptions)
                self._context.sessions.subscribed(session)
                self._connection.write(dialect.unsuback(asked.packet_id, codes_back))
                self._note_granted(session)
            case PubAckPacket() as taken if self._outgoing is not None:
                self._outgoing.acknowledged(taken.packet_id, int(taken.reason_code))
            case DisconnectPacket() as said:
                self._disconnect(session, said)
            case PingReqPacket():
                self._connection.write(_PINGRESP)
            case ConnectPacket():
                text = "a second CONNECT"
                raise protocol_error(text)
            case AuthPacket():
                text = "AUTH without an authentication method in CONNECT"
                raise protocol_error(text)
            case unexpected:
                # Acknowledgements of messages that the bridge would have sent; it has sent none.
                text = f"{type(unexpected).__name__} for a message that was never sent"
                raise protocol_error(text)

    def _note_granted(self, session: Session) -> None:
        """Send from now on what the session is subscribed to."""
        outgoing, postmaster = self._outgoing, self._context.postmaster
        if outgoing is not None and postmaster is not None:
            outgoing.granted = dict(session.subscriptions)
            if outgoing.granted:
                postmaster.enter(outgoing)
            else:
                postmaster.leave(outgoing)

    def command_acknowledged(self, publish: Publish) -> None:
        """Take note of a message by which the device may answer a command."""
        command_id = acknowledged_command(publish.topic, self.device_id)
        if command_id is not None and self._context.postmaster is not None and self.device_id is not None:
            self._context.postmaster.acknowledged(self.device_id, command_id, publish.payload)

    def _disconnect(self, session: Session, said: DisconnectPacket) -> None:
        """Let the client go."""
        interval = said.session_expiry_interval
        if interval is not None:
            if interval and not session.expiry_seconds:
                text = "session expiry can not be set by DISCONNECT when CONNECT said 0"
                raise protocol_error(text)
            session.expiry_seconds = min(interval, self._context.settings.max_session_expiry_seconds)
        self._keep_will = int(said.reason_code) != Reason.SUCCESS
        name = said.reason_code.name.lower()
        self._connection.leave("client_disconnect" if not self._keep_will else f"client_{name}")

    # Refusals and the end.

    def refuse_publish(self, publish: Publish, refused: Refused) -> None:
        """Refuse a message for good: with a PUBACK or PUBREC where the version has codes, else by ending.

        Raises:
            Violation: The client can not be told otherwise.
        """
        assert self._dialect is not None
        self._context.counters.refusals[refused.code.name.lower()] += 1
        write = self._dialect.pubrec if publish.qos == 2 else self._dialect.puback
        answer = write(publish.packet_id, refused.code, refused.text) if publish.qos else b""
        if not answer:
            raise Violation(refused.code, refused.text)
        self._connection.answers.send_in_order(answer)

    def too_many_in_flight(self) -> NoReturn:
        """End a connection with more unacknowledged messages than it may have.

        Raises:
            Violation: Always.
        """
        text = f"more than {self._context.settings.receive_maximum} messages are unacknowledged"
        raise Violation(Reason.RECEIVE_MAX_EXCEEDED, text)

    def violated(self, violation: Violation) -> None:
        """End a connection whose client broke a rule; without CONNECT it is told by CONNACK, or not at all."""
        if self.accepted:
            self._connection.end(violation.code, violation.text)
            return
        self._context.counters.refusals[violation.code.name.lower()] += 1
        if isinstance(self._dialect, Mqtt5):
            self._connection.write(self._dialect.refuse(violation.code, violation.text))
        self._connection.close()

    def goodbye(self, code: Reason, text: str) -> bytes:
        """Return the DISCONNECT to send; empty before CONNECT and in MQTT 3.1.1."""
        return self._dialect.disconnect(code, text) if self._dialect is not None and self.accepted else b""

    def displaced(self) -> None:
        """End, since the same client id connected again."""
        self._taken_over = True
        self._context.counters.take_overs += 1
        self._connection.end(Reason.SESSION_TAKEN_OVER, "the client id connected again")

    def recorded(self, packet_id: int) -> None:
        """Answer a QoS 2 message that an earlier connection of the session had handed over."""
        self.qos2.recorded(packet_id)

    def drained(self) -> None:
        """End, since the bridge stops and all acknowledgements are out."""
        self._connection.end(Reason.SERVER_SHUTTING_DOWN, "the bridge stops, connect to another one")

    def finish(self, reason: str) -> None:
        """Leave the session; publish the Will, now or when its delay is over, if the client did not take it back."""
        self._deadlines.stop()
        if self._admission is None:
            return
        session = self._admission.session
        context = self._context
        context.allowances.leave(self.device_id, self._admission.allowance)
        context.counters.disconnects[reason] += 1
        if self._outgoing is not None and context.postmaster is not None:
            context.postmaster.leave(self._outgoing)
        # When the bridge stops, its clients go to another one: they are not lost.
        claim = self._claim if self._keep_will and not context.stopping else None
        if claim is None:
            context.sessions.detach(session, self, None, 0)
        else:
            context.sessions.detach(session, self, claim.will, claim.will_delay_seconds)
        self._publish_event("take_over" if self._taken_over else "disconnected", reason)

    def _publish_event(self, event: Event, reason: str) -> None:
        """Tell what happened to this connection."""
        assert self._dialect is not None
        self._context.publish_event(
            event,
            identity=self._admitted.identity,
            client_id=self._admitted.client_id,
            reason=reason,
            protocol=f"MQTT {self._dialect.version}",
            peer=self._connection.peer,
        )


def _bound(filters: int) -> None:
    """Bound the work of one SUBSCRIBE or UNSUBSCRIBE."""
    if filters > _MAX_SUBSCRIPTION_FILTERS:
        text = f"more than {_MAX_SUBSCRIPTION_FILTERS} topic filters in one packet"
        raise Violation(Reason.QUOTA_EXCEEDED, text)
