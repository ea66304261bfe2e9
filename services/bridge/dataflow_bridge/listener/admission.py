"""Letting a client in: from a CONNECT that was read to its identity, session and limits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dataflow_bridge.listener.dialect import Welcome
from dataflow_bridge.listener.handshake import REFUSAL_CODES, ConnectRefused, check_connect, keep_alive_of
from dataflow_bridge.listener.publish import MESSAGE_ID_PROPERTY
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.seams import Credentials, Identity, Refusal
from dataflow_bridge.sessions.store import Claim, StoredWill

if TYPE_CHECKING:
    from mqtt5 import ConnectPacket, Will

    from dataflow_bridge.listener.context import ListenerContext
    from dataflow_bridge.listener.limits import Allowance
    from dataflow_bridge.sessions.memory import Session


@dataclass(frozen=True, slots=True)
class Applicant:
    """A client that may come in, once it has its session."""

    identity: Identity
    claim: Claim
    welcome: Welcome
    """Without Session Present, which is not known yet."""
    keep_alive_seconds: int
    receive_maximum: int
    """Messages to the client that may be unacknowledged."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a client has once it is in."""

    identity: Identity
    client_id: str
    session: Session
    allowance: Allowance
    keep_alive_seconds: int
    welcome: Welcome


def judge(
    packet: ConnectPacket, context: ListenerContext, *, peer: str, certificate_name: str | None, five: bool
) -> Applicant:
    """Judge a CONNECT.

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
    expiry = min(packet.session_expiry_interval, settings.max_session_expiry_seconds)
    will = packet.will
    claim = Claim(
        (judged.name, assigned or packet.client_id),
        judged.device_id,
        packet.clean_start,
        expiry,
        None if will is None else _stored(will, judged.device_id),
        0 if will is None else will.will_delay_interval,
    )
    keep_alive = keep_alive_of(packet, settings, five=five)
    welcome = Welcome(
        session_present=False,
        session_expiry_seconds=expiry if expiry != packet.session_expiry_interval else None,
        assigned_client_id=assigned,
        server_keep_alive_seconds=keep_alive if keep_alive != packet.keep_alive else None,
        receive_maximum=settings.receive_maximum,
        topic_alias_maximum=settings.topic_alias_maximum,
        max_packet_bytes=settings.max_packet_bytes,
    )
    return Applicant(judged, claim, welcome, keep_alive, packet.receive_max)


def admit(applicant: Applicant, context: ListenerContext, session: Session, *, present: bool) -> Admission:
    """Let a client in that has its session.

    Raises:
        ConnectRefused: With the code to answer.
    """
    # Only now the limit is looked at: a client that takes its own session over needs no second place.
    allowance = context.allowances.enter(applicant.identity.device_id)
    if allowance is None:
        text = "the device has as many connections as it may"
        raise ConnectRefused(Reason.QUOTA_EXCEEDED, text)
    return Admission(
        applicant.identity,
        applicant.claim.key[1],
        session,
        allowance,
        applicant.keep_alive_seconds,
        replace(applicant.welcome, session_present=present),
    )


def _stored(will: Will, device_id: str | None) -> StoredWill:
    """Return what of a Will is published."""
    message_id = next((value for name, value in will.user_properties if name == MESSAGE_ID_PROPERTY), None)
    return StoredWill(will.topic, will.payload or b"", device_id, will.content_type, message_id)
