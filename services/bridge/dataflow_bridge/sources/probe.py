"""What can be seen of a broker from outside, when a source is made: each finding is a sentence with the way out.

Whether the broker writes its queues to disk (`persistence`, `autosave_interval`) cannot be seen; see docs/operations.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from dataflow_bridge.sources.source import Protocol, Source
from dataflow_bridge.sources.subscriber import SESSION_EXPIRY_SECONDS, BrokerError, BrokerSession, connected

PROBE_SECONDS: Final = 10.0
QUEUE_PROBE_MESSAGES: Final = 1_200
"""Above Mosquitto's default max_queued_messages, 1,000."""
_KEEP_SECONDS: Final = 60
_QUIET_SECONDS: Final = 1.0
_DAY_SECONDS: Final = 86_400


async def probe(source: Source) -> list[str]:
    """Return what is wrong with a broker; takes at most `PROBE_SECONDS`.

    A session of its own is made, left, filled with 1,200 messages of a few bytes on a topic of its own, read again and
    removed. The source's own sessions and subscriptions are not touched.
    """
    found: list[str] = []
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await _probe(source, found.append)
    except TimeoutError:
        found.append(f"the probe of the broker did not end within {PROBE_SECONDS:.0f} s: the rest could not be checked")
    except BrokerError as error:
        found.append(f"the broker could not be probed: {error}")
    return found


async def _probe(source: Source, note: Callable[[str], None]) -> None:
    client_id = f"dataflow-probe-{uuid4().hex[:12]}"
    topic = f"$dataflow/probe/{client_id}"
    back: set[bytes] = set()
    news = asyncio.Event()
    due: list[int] = []

    def receive(
        _topic: str, payload: bytes, _qos: int, packet_id: int, _again: bool, _id: str | None, _type: str | None
    ) -> None:
        back.add(payload)
        due.append(packet_id)
        news.set()

    async with connected(source, client_id, receive, keep_seconds=_KEEP_SECONDS) as session:
        _judge(source, session, note)
        subscribed = await _subscribed(session, topic, note)
    filled = subscribed and await _fill(source, f"{client_id}-p", topic, note)
    async with connected(source, client_id, receive, keep_seconds=_KEEP_SECONDS) as session:
        if not session.granted.session_present:
            note("the broker does not keep sessions: nothing is kept for a bridge that is away")
        elif filled:
            while len(back) < QUEUE_PROBE_MESSAGES and await _more(news):
                session.acknowledge(due)
                due.clear()
            if len(back) < QUEUE_PROBE_MESSAGES:
                note(
                    f"the broker kept {len(back)} of {QUEUE_PROBE_MESSAGES} messages for a session that was away and"
                    " dropped the rest: raise max_queued_messages (Mosquitto: 0 for no limit)"
                )
    async with connected(source, client_id, receive, clean=True):
        pass  # which removes the session


async def _subscribed(session: BrokerSession, topic: str, note: Callable[[str], None]) -> bool:
    """Subscribe the session to a topic of its own; return whether the broker allows it."""
    try:
        refused = await session.subscribe([topic], 1)
    except BrokerError as error:
        refused = {topic: str(error)}
    if refused:
        note(f"queues could not be checked: the user may not subscribe to $dataflow/#: {refused[topic]}")
        return False
    return True


async def _fill(source: Source, client_id: str, topic: str, note: Callable[[str], None]) -> bool:
    try:
        async with connected(source, client_id, lambda *_: None, clean=True) as publisher:
            await publisher.publish_all(topic, [str(i).encode() for i in range(QUEUE_PROBE_MESSAGES)])
    except BrokerError as error:
        note(f"queues could not be checked: the user may not publish to $dataflow/#: {error}")
        return False
    return True


async def _more(news: asyncio.Event) -> bool:
    """Wait for a message; return False after a second without."""
    try:
        async with asyncio.timeout(_QUIET_SECONDS):
            await news.wait()
    except TimeoutError:
        return False
    news.clear()
    return True


def _judge(source: Source, session: BrokerSession, note: Callable[[str], None]) -> None:
    granted = session.granted
    if source.qos > source.subscribed_qos:
        note(
            "subscribed with QoS 1 though QoS 2 is wanted: the client library acknowledges QoS 2 before the ring has the"
            " message"
        )
    if source.qos == 0:
        note("QoS 0: the broker keeps nothing for a bridge that is away, and what is on its way is lost with it")
    if granted.shared_available is False:
        note("the broker has no shared subscriptions: no message will come")
    if granted.maximum_qos == 0:
        note("the broker grants QoS 0 only: nothing is kept for a bridge that is away")
    if granted.session_expiry_seconds is not None and granted.session_expiry_seconds < min(
        _DAY_SECONDS, SESSION_EXPIRY_SECONDS
    ):
        note(
            f"the broker keeps a session for {granted.session_expiry_seconds} s only: raise"
            " persistent_client_expiration"
        )
    if source.protocol is Protocol.MQTT_3_1_1:
        note(
            "MQTT 3.1.1: message ids are not carried, and max_inflight_messages of the broker (Mosquitto: 20) bounds the"
            " rate; MQTT 5 has neither limit"
        )
