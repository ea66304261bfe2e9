"""What the Compose campaign publishes with paho, and its log of what was acknowledged to whom and when."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, Final

import paho.mqtt.client as paho
from dataflow.validator.v1 import contract_pb2
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

_KEEP_ALIVE_SECONDS: Final = 5
_WINDOW: Final = 500
"""Messages of one publisher that may be without an answer; then it waits."""
_TICK_SECONDS: Final = 0.02

KINDS: Final = ("a", "b", "c")
"""Of message ids, by which a resend is recognised: docs/message-ids.md."""


def contract_of(kind: str) -> str:
    """Returns the contract of a kind."""
    return f"compose_{kind}"


def topic_filter_of(kind: str) -> str:
    """Returns the route's filter of a kind."""
    return f"compose/{kind}/+/telemetry"


def spec_of(kind: str) -> contract_pb2.ContractSpec:
    """Returns the rules of a kind's contract."""
    types = {
        "device_id": contract_pb2.FIELD_TYPE_STRING,
        "n": contract_pb2.FIELD_TYPE_INTEGER,
        "ts": contract_pb2.FIELD_TYPE_STRING,
    }
    spec = contract_pb2.ContractSpec(
        fields=[contract_pb2.Field(name=name, type=type_) for name, type_ in types.items()],
        identity=["device_id", "n"] if kind == "a" else [],
    )
    spec.event_time_field = "ts"
    return spec


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a publisher publishes.

    Attributes:
        way: "listener" (a bridge, behind the balancer) or "mosquitto" (the broker).
    """

    way: str
    host: str
    port: int
    username: str
    password: str


@dataclass(slots=True)
class Account:
    """What one publisher knows.

    Attributes:
        sent: Messages given to the client.
        acknowledged: When each was acknowledged, by its number; seconds since the epoch.
        refused: Messages that were answered with a refusal.
    """

    sent: int = 0
    acknowledged: dict[int, float] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)


class PahoPublisher(threading.Thread):
    """One client that publishes at a steady rate with QoS 1, and waits where answers are missing.

    Args:
        endpoint: Where.
        kind: Of its message ids.
        rate: Messages a second.
        first: Number of its first message; nobody else uses it or those above it.
        log: One JSON line for each acknowledgement.
    """

    def __init__(self, endpoint: Endpoint, kind: str, rate: float, first: int, log: IO[str]) -> None:
        super().__init__(name=f"{endpoint.way}-{kind}", daemon=True)
        self.account = Account()
        self.way, self.kind = endpoint.way, kind
        self._endpoint = endpoint
        self._rate = rate
        self._next = first
        self._log = log
        self._ending = threading.Event()
        # paho calls back while it holds its own lock: the callback only notes, this thread does the rest.
        self._answers: deque[tuple[int, bool, float]] = deque()
        self._waiting: dict[int, int] = {}
        version = MQTTProtocolVersion.MQTTv5 if kind == "b" else MQTTProtocolVersion.MQTTv311
        options: dict[str, Any] = {} if kind == "b" else {"clean_session": False}
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"compose-{self.name}-{first}", protocol=version, **options
        )
        self._client.username_pw_set(endpoint.username, endpoint.password)
        self._client.reconnect_delay_set(min_delay=1, max_delay=2)
        self._client.max_inflight_messages_set(100)
        self._client.on_publish = self._on_publish

    def run(self) -> None:
        """Publishes until `finish`, then waits for answers."""
        self._client.connect_async(self._endpoint.host, self._endpoint.port, keepalive=_KEEP_ALIVE_SECONDS)
        self._client.loop_start()
        due = time.monotonic()
        while not self._ending.is_set():
            self._take_answers()
            if time.monotonic() < due or len(self._waiting) >= _WINDOW:
                self._ending.wait(_TICK_SECONDS)
                due = max(due, time.monotonic() - 1.0)  # never more than a second's worth at once
                continue
            due += 1.0 / self._rate
            self._publish()

    def finish(self, seconds: float) -> int:
        """Ends publishing, waits for the answers that are missing, and returns how many are missing for good."""
        self._ending.set()
        self.join()
        deadline = time.monotonic() + seconds
        while self._waiting and time.monotonic() < deadline:
            time.sleep(_TICK_SECONDS)
            self._take_answers()
        self._client.disconnect()
        self._client.loop_stop()
        return len(self._waiting)

    def _publish(self) -> None:
        number, self._next = self._next, self._next + 1
        device = f"{self.way}-{self.kind}-{number % 5}"
        payload = json.dumps({"device_id": device, "n": number, "ts": datetime.now(UTC).isoformat()})
        properties = None
        if self.kind == "b":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = ("message-id", str(uuid.uuid4()))
        sent = self._client.publish(f"compose/{self.kind}/{device}/telemetry", payload, qos=1, properties=properties)
        assert sent.rc in {MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN}, sent.rc
        self._waiting[sent.mid] = number
        self.account.sent += 1

    def _on_publish(self, client: object, userdata: object, mid: int, reason: ReasonCode, properties: object) -> None:
        self._answers.append((mid, not reason.is_failure, time.time()))

    def _take_answers(self) -> None:
        while self._answers:
            mid, good, moment = self._answers.popleft()
            number = self._waiting.pop(mid)
            if not good:
                self.account.refused.append(number)
                continue
            self.account.acknowledged[number] = moment
            self._log.write(json.dumps({"way": self.way, "kind": self.kind, "n": number, "time": moment}) + "\n")
