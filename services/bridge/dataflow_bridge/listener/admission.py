"""Letting a client in: from a CONNECT that was read to its identity, session and limits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflow_bridge.listener.dialect import Welcome
from dataflow_bridge.listener.handshake import REFUSAL_CODES, ConnectRefused, check_connect, keep_alive_of
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.seams import Credentials, Identity, Refusal

if TYPE_CHECKING:
    from mqtt5 import ConnectPacket

    from dataflow_bridge.listener.context import ListenerContext
    from dataflow_bridge.listener.limits import Allowance
    from dataflow_bridge.sessions import Holder, Session


@dataclass(frozen=True, slots=True)
class Admission:
    """What a client has once it is in."""

    identity: Identity
    client_id: str
    session: Session
    allowance: Allowance
    keep_alive_seconds: int
    welcome: Welcome


def admit(
    packet: ConnectPacket,
    context: ListenerContext,
    holder: Holder,
    *,
    peer: str,
    certificate_name: str | None,
    five: bool,
) -> Admission:
    """Judge a CONNECT and open its session, taking it from the connection that has it.

    Raises:
        ConnectRefused: With the code to answer.
    """
    settings = context.settings
    if context.connect_rate.spend(1):
        text = "too many clients connect at once"
        raise ConnectRefused(Reason.CONNECTION_RATE_EXCEEDED, text)
    check_connect(packet, settings, context.topics, five=five)
    judged = context.authenticator.authenticate(
        Credentials(packet.client_id, packet.username, packet.password, certificate_name, peer)
    )
    if isinstance(judged, Refusal):
        raise ConnectRefused(REFUSAL_CODES[judged.reason], judged.detail)
    assigned = None if packet.client_id else f"auto-{uuid.uuid4().hex}"
    client_id = assigned or packet.client_id
    expiry = min(packet.session_expiry_interval, settings.max_session_expiry_seconds)
    # Before the limit is looked at: a client that takes its own session over needs no second place.
    session, present = context.sessions.open(
        (judged.name, client_id), holder, clean_start=packet.clean_start, expiry_seconds=expiry
    )
    allowance = context.allowances.enter(judged.device_id)
    if allowance is None:
        context.sessions.detach(session, None, 0)
        text = "the device has as many connections as it may"
        raise ConnectRefused(Reason.QUOTA_EXCEEDED, text)
    keep_alive = keep_alive_of(packet, settings, five=five)
    welcome = Welcome(
        session_present=present,
        session_expiry_seconds=expiry if expiry != packet.session_expiry_interval else None,
        assigned_client_id=assigned,
        server_keep_alive_seconds=keep_alive if keep_alive != packet.keep_alive else None,
        receive_maximum=settings.receive_maximum,
        topic_alias_maximum=settings.topic_alias_maximum,
        max_packet_bytes=settings.max_packet_bytes,
    )
    return Admission(judged, client_id, session, allowance, keep_alive, welcome)
