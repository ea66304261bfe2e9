"""PUBACKs leave in the order of the PUBLISH packets [MQTT-4.6.0-2], though batches become durable in any order."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import paho.mqtt.client as paho
import pytest
from dataflow_stack.testing import LocalStack
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

MESSAGES = 4_000
NEIGHBOURS = 4
FIELDS = json.dumps([{"name": "device_id", "type": "string"}, {"name": "n", "type": "integer"}])


class Books(Protocol):
    """What is used of the books of a stack."""

    def judged(self, contract: str) -> dict[str, int]: ...
    def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]: ...


class Publisher:
    """A client that keeps many messages on the way and notes the acknowledgements as they come."""

    def __init__(self, mqtt: tuple[str, int], device: str, version: MQTTProtocolVersion) -> None:
        self.device = device
        self.sent: list[int] = []
        self.acknowledged: list[int] = []
        self._some, self._all = threading.Event(), threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=device, protocol=version)
        self._client.max_inflight_messages_set(1000)
        self._client.on_publish = self._note
        self._client.connect(*mqtt)
        self._client.loop_start()

    def publish(self) -> None:
        """Publishes all messages, of very different sizes."""
        for n in range(MESSAGES):
            document = {"device_id": self.device, "n": n, "rest": "x" * (5000 if n % 97 == 0 else n % 50)}
            self.sent.append(self._client.publish(f"order/{self.device}", json.dumps(document), qos=1).mid)

    def wait_for_some(self) -> None:
        """Returns when the first tenth of the messages is acknowledged, so that most are still to come."""
        assert self._some.wait(60)

    def wait_for_all(self) -> None:
        """Returns when all messages are acknowledged."""
        assert self._all.wait(60), f"{len(self.acknowledged)} acknowledgements"

    def close(self) -> None:
        """Says goodbye."""
        self._client.disconnect()
        self._client.loop_stop()

    def _note(self, _client: object, _data: object, mid: int, _code: object, _properties: object) -> None:
        self.acknowledged.append(mid)
        if len(self.acknowledged) == MESSAGES // 10:
            self._some.set()
        if len(self.acknowledged) == MESSAGES:
            self._all.set()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stops a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module", autouse=True)
def _contract(make_contract: Callable[..., None]) -> None:
    make_contract("ordered", FIELDS, "order/+", "--identity", "device_id,n")


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("freeze", [False, True], ids=["healthy ring", "a node freezes"])
def test_acknowledgements_come_in_the_order_of_publishing(
    stack: LocalStack, books: Books, mqtt: tuple[str, int], version: MQTTProtocolVersion, freeze: bool
) -> None:
    """Under load of others, and while batches wait for a frozen node, each client sees its own order; each is a row."""
    prefix = f"{'frozen' if freeze else 'healthy'}-{int(version)}"
    node = stack.process("redis-1")["pid"]
    with ExitStack() as cleanup:
        publishers = [Publisher(mqtt, f"{prefix}-{number}", version) for number in range(NEIGHBOURS + 1)]
        for publisher in publishers:
            cleanup.callback(publisher.close)
        threads = [threading.Thread(target=publisher.publish) for publisher in publishers]
        for thread in threads:
            thread.start()
        if freeze:
            publishers[0].wait_for_some()
            with frozen(node):
                publishers[0].wait_for_all()
        for thread in threads:
            thread.join(60)
        for publisher in publishers:
            publisher.wait_for_all()
        for publisher in publishers:
            assert publisher.acknowledged == publisher.sent
    expected = {publisher.device: MESSAGES for publisher in publishers}
    sql = """SELECT device_id, count(DISTINCT n) FROM readings."ordered" WHERE device_id LIKE $1 GROUP BY 1"""
    stack.eventually(lambda: dict(books.rows(sql, f"{prefix}-%")) == expected)
    assert set(books.judged("ordered")) == {"stored"}
