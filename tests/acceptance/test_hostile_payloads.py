"""Hostile bytes from clients: each acknowledged item becomes a row, a duplicate, a conflict or is kept in quarantine."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import grpc
import paho.mqtt.client as paho
import pytest
from dataflow.bridge.v1 import ingest_service_pb2 as pb
from dataflow.bridge.v1 import ingest_service_pb2_grpc as pb_grpc
from dataflow_stack.testing import LocalStack
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

VERSIONS = pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
BRIDGE_LIMIT_KIB = 300 * 1024
DEEP = 100_000
MEBIBYTE = 1 << 20
MANY = 10_000
ANYTHING = "{}"
NAUGHTY = json.dumps(
    [
        {"name": "n", "type": "integer"},
        {"name": "id", "type": "string", "required": False},
        {"name": "text", "type": "string", "required": False},
    ]
)
MEASURED = json.dumps(
    [
        {"name": "device_id", "type": "string"},
        {"name": "ts", "type": "timestamp"},
        {"name": "value", "type": "number", "min": 0},
    ]
)

MakeContract = Callable[..., None]


class Books(Protocol):
    """What is used of the books of a stack."""

    def readings(self, contract: str) -> int: ...
    def quarantined(self, contract: str) -> dict[str, int]: ...
    def judged(self, contract: str) -> dict[str, int]: ...
    def sums(self) -> dict[str, int]: ...
    def tables(self) -> int: ...
    def quarantine(self) -> dict[str, int]: ...
    def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]: ...
    def count(self, sql: str, *arguments: object) -> int: ...


def connect(
    mqtt: tuple[str, int], client_id: str, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311
) -> paho.Client | None:
    """Connects a client, or returns None where it is refused."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version, reconnect_on_failure=False)
    answered = threading.Event()
    welcome: list[bool] = []

    def on_connect(_client: object, _data: object, _flags: object, code: Any, _properties: object) -> None:
        welcome.append(not code.is_failure)
        answered.set()

    client.on_connect = on_connect
    client.on_disconnect = lambda *_: answered.set()
    client.connect(*mqtt)
    client.loop_start()
    assert answered.wait(30)
    if welcome != [True]:
        client.loop_stop()
        return None
    return client


def leave(client: paho.Client) -> None:
    """Says goodbye."""
    client.disconnect()
    client.loop_stop()


class GoodClient:
    """A well-behaved device beside the hostile ones; counts what it was told is safe."""

    def __init__(self, mqtt: tuple[str, int]) -> None:
        client = connect(mqtt, "good")
        assert client is not None
        self.client = client
        self.acknowledged = 0

    def publish(self) -> None:
        """Publishes one message and waits for its acknowledgement."""
        info = self.client.publish("good/one", json.dumps({"n": self.acknowledged}), qos=1)
        info.wait_for_publish(30)
        assert info.is_published()
        self.acknowledged += 1


class Hostile:
    """Publishes hostile messages, a well-behaved one after every few, and returns once all are acknowledged."""

    def __init__(self, mqtt: tuple[str, int], good: GoodClient) -> None:
        self._mqtt = mqtt
        self._good = good

    def publish(
        self,
        messages: Sequence[tuple[str, bytes]],
        client_id: str = "hostile",
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> None:
        """Publishes all of them over one connection with QoS 1."""
        client = connect(self._mqtt, client_id, version)
        assert client is not None
        try:
            for start in range(0, len(messages), 20):
                sent = [client.publish(topic, payload, qos=1) for topic, payload in messages[start : start + 20]]
                self._good.publish()
                for position, info in enumerate(sent, start):
                    info.wait_for_publish(30)
                    assert info.is_published(), messages[position]
        finally:
            leave(client)


@pytest.fixture(scope="module")
def good(mqtt: tuple[str, int], make_contract: MakeContract) -> Iterator[GoodClient]:
    """Keeps one well-behaved client connected all the time."""
    make_contract("good", NAUGHTY, "good/+", device="topic:2")
    client = GoodClient(mqtt)
    yield client
    leave(client.client)


@pytest.fixture(scope="module")
def attack(mqtt: tuple[str, int], good: GoodClient) -> Hostile:
    """Gives the hostile client."""
    return Hostile(mqtt, good)


@pytest.fixture(scope="module")
def ingest(stack: LocalStack, admin_token: str) -> Iterator[Callable[[Sequence[tuple[str, bytes]]], int]]:
    """Gives a publisher over gRPC, in requests of at most 2 MiB; returns how many are durable."""
    with grpc.insecure_channel(stack.status()["grpc.bridge"]) as channel:
        stub = pb_grpc.IngestServiceStub(channel)
        metadata = (("authorization", f"Bearer {admin_token}"),)

        def publish(messages: Sequence[tuple[str, bytes]]) -> int:
            accepted = 0
            batch: list[pb.PublishMessage] = []
            for position, (topic, payload) in enumerate(messages, 1):
                batch.append(pb.PublishMessage(topic=topic, payload=payload))
                if position == len(messages) or sum(len(message.payload) for message in batch) > MEBIBYTE:
                    request = pb.PublishMessagesRequest(messages=batch)
                    response = stub.PublishMessages(request, metadata=metadata, timeout=60)
                    assert response.accepted_count + len(response.rejected) == len(batch)
                    accepted += response.accepted_count
                    batch = []
            return accepted

        yield publish


@pytest.fixture(autouse=True)
def _nothing_breaks(stack: LocalStack, books: Books, good: GoodClient) -> Iterator[None]:
    """After each test all processes are those from before, the bridge is small, and the books are balanced."""
    before = {entry["name"]: (entry["pid"], entry["restarts"]) for entry in stack.status()["processes"]}
    yield
    stack.eventually(lambda: books.readings("good") >= good.acknowledged)
    after = stack.status()["processes"]
    assert {entry["name"]: (entry["pid"], entry["restarts"]) for entry in after} == before
    assert {entry["health"] for entry in after} == {"SERVING"}
    assert peak_kib(before["bridge-0"][0]) < BRIDGE_LIMIT_KIB
    assert books.readings("good") == good.acknowledged
    sums = books.sums()
    assert sums["items"] == sums["stored"] + sums["duplicate"] + sums["conflict"] + sums["quarantined"]
    assert sums["parked"] == 0
    kept = books.quarantine()
    assert books.tables() == sums["stored"]
    assert kept.pop("CONFLICT", 0) == sums["conflict"]
    assert sum(kept.values()) == sums["quarantined"]


def peak_kib(pid: int) -> int:
    """Returns the largest resident size that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


def json_cases(hostile: Path) -> list[tuple[str, bytes, int]]:
    """Returns verdict, bytes and number of items of each byte string of the parser suite."""
    cases = []
    for line in (hostile / "json_parsing_y_n.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        payload = base64.b64decode(case["b64"])
        document = json.loads(payload) if case["expect"] == "accept" else None
        cases.append((case["expect"], payload, max(1, len(document)) if isinstance(document, list) else 1))
    return cases


def naughty(hostile: Path) -> list[str]:
    """Returns the naughty strings."""
    strings: list[str] = json.loads((hostile / "blns.json").read_text(encoding="utf-8"))
    return strings


def assert_devices_have(stack: LocalStack, books: Books, contract: str, expected: Mapping[str, int]) -> None:
    """Compares ledger, and rows and quarantine together, with the number of items of each device."""
    total = sum(expected.values())
    stack.eventually(lambda: sum(books.judged(contract).values()) >= total)
    by_ledger = """
        SELECT device.key, sum(device.value::bigint)::bigint
        FROM validator.ledger, jsonb_each(counts -> $1) AS outcome, jsonb_each_text(outcome.value) AS device GROUP BY 1"""
    assert dict(books.rows(by_ledger, contract)) == expected
    by_table = f"""
        SELECT device_id, sum(items)::bigint FROM (
            SELECT device_id, count(*) AS items FROM readings."{contract}" GROUP BY 1
            UNION ALL SELECT device_id, count(*) FROM validator.quarantine WHERE contract = $1 GROUP BY 1
        ) AS found GROUP BY 1"""
    assert dict(books.rows(by_table, contract)) == expected


def assert_each_number_once(stack: LocalStack, books: Books, contract: str, numbers: set[int]) -> None:
    """Looks each message up by the number `n` that it carries: one row or one quarantined item."""
    stack.eventually(lambda: sum(books.judged(contract).values()) >= len(numbers))
    found = Counter(number for (number,) in books.rows(f'SELECT n FROM readings."{contract}"'))
    kept = books.rows("SELECT payload FROM validator.quarantine WHERE contract = $1", contract)
    found.update(json.loads(payload)["n"] for (payload,) in kept)
    assert found == dict.fromkeys(numbers, 1)
    assert sum(books.judged(contract).values()) == len(numbers)


@VERSIONS
def test_each_byte_string_of_the_json_suite_is_accounted_for(
    stack: LocalStack,
    books: Books,
    make_contract: MakeContract,
    attack: Hostile,
    hostile: Path,
    version: MQTTProtocolVersion,
) -> None:
    """What is no JSON is UNPARSABLE, what is JSON is judged item by item; under a contract and under none."""
    name = f"json_mqtt{int(version)}"
    make_contract(name, ANYTHING, f"{name}/+", given_as="--json-schema", device="topic:2")
    cases = json_cases(hostile)
    attack.publish([(f"{name}/m{n}", payload) for n, (_, payload, _) in enumerate(cases)], version=version)
    attack.publish([(f"nowhere{int(version)}/m{n}", payload) for n, (_, payload, _) in enumerate(cases)])
    assert_devices_have(stack, books, name, {f"m{n}": items for n, (_, _, items) in enumerate(cases)})
    unparsable = books.rows(
        "SELECT device_id FROM validator.quarantine WHERE contract = $1 AND kind = 'UNPARSABLE'", name
    )
    assert {device for (device,) in unparsable} == {
        f"m{n}" for n, (expect, _, _) in enumerate(cases) if expect == "reject"
    }
    unrouted = "SELECT count(DISTINCT topic) FROM validator.quarantine WHERE kind = 'UNROUTED' AND topic LIKE $1"
    stack.eventually(lambda: books.count(unrouted, f"nowhere{int(version)}/%") == len(cases))


@pytest.mark.parametrize("by", ["mqtt", "grpc"])
def test_naughty_strings_as_device_ids_and_values_are_kept_exactly(
    stack: LocalStack,
    books: Books,
    make_contract: MakeContract,
    attack: Hostile,
    ingest: Callable[[Sequence[tuple[str, bytes]]], int],
    hostile: Path,
    by: str,
) -> None:
    """Each string is the device of its row and a value in it, unchanged, or its message is kept with a reason."""
    name = f"naughty_{by}"
    make_contract(name, NAUGHTY, f"{name}/#", device="payload:/id")
    strings = [*naughty(hostile), "\0", "a\0b", "\U0010ffff", "x" * 100_000]
    escaped = ['"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"']
    payloads = [
        json.dumps({"n": n, "id": text, "text": text}, ensure_ascii=n % 2 == 0).encode()
        for n, text in enumerate(strings)
    ]
    payloads += [f'{{"n": {n}, "id": {text}, "text": {text}}}'.encode() for n, text in enumerate(escaped, len(strings))]
    messages = [(f"{name}/t", payload) for payload in payloads]
    if by == "mqtt":
        attack.publish(messages)
    else:
        assert ingest(messages) == len(messages)
    assert_each_number_once(stack, books, name, set(range(len(payloads))))
    rows = books.rows(f'SELECT n, device_id, text FROM readings."{name}"')
    assert {n: (device, text) for n, device, text in rows} == {n: (strings[n], strings[n]) for n, _, _ in rows}
    assert len(rows) >= len([text for text in strings if text and len(text.encode()) <= 256 and "\0" not in text])


@VERSIONS
def test_naughty_strings_as_topics_are_accounted_for(
    stack: LocalStack,
    books: Books,
    make_contract: MakeContract,
    attack: Hostile,
    hostile: Path,
    version: MQTTProtocolVersion,
) -> None:
    """Whatever a topic may be, its message is a row or kept; the device is the level that the route names."""
    name = f"topics_mqtt{int(version)}"
    make_contract(name, NAUGHTY, f"{name}/#", device="topic:2")
    topics = [text for text in naughty(hostile) if not set(text) & set("+#\0")]
    attack.publish(
        [(f"{name}/{text}", json.dumps({"n": n}).encode()) for n, text in enumerate(topics)], version=version
    )
    assert_each_number_once(stack, books, name, set(range(len(topics))))
    rows = books.rows(f'SELECT n, device_id FROM readings."{name}"')
    assert dict(rows) == {n: topics[n].split("/")[0] for n, _ in rows}


@VERSIONS
def test_naughty_strings_as_client_ids_are_accounted_for(
    stack: LocalStack,
    books: Books,
    make_contract: MakeContract,
    mqtt: tuple[str, int],
    good: GoodClient,
    hostile: Path,
    version: MQTTProtocolVersion,
) -> None:
    """Whoever is let in under whatever name has the message stored that was acknowledged."""
    name = f"clients_mqtt{int(version)}"
    make_contract(name, NAUGHTY, f"{name}/+", device="topic:2")
    acknowledged = set()
    ids = naughty(hostile)
    for n, client_id in enumerate(ids):
        client = connect(mqtt, client_id, version)
        if client is not None:
            info = client.publish(f"{name}/d", json.dumps({"n": n}), qos=1)
            info.wait_for_publish(30)
            if info.is_published():
                acknowledged.add(n)
            leave(client)
        if n % 50 == 0:
            good.publish()
    assert len(acknowledged) >= len(ids) * 9 // 10
    assert_each_number_once(stack, books, name, acknowledged)


def test_naughty_strings_as_message_ids_are_accounted_for(
    stack: LocalStack, books: Books, make_contract: MakeContract, mqtt: tuple[str, int], good: GoodClient, hostile: Path
) -> None:
    """Two messages with one id and other content are a row and a conflict; the same with the same content is a duplicate."""
    make_contract("labels", NAUGHTY, "labels/+", device="topic:2")
    labels = [text for text in naughty(hostile) if 0 < len(text.encode()) <= 255]
    client = connect(mqtt, "labels", MQTTProtocolVersion.MQTTv5)
    assert client is not None
    for n, label in enumerate([*labels, *labels]):
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = ("message-id", label)
        properties.ContentType = label
        # The second half repeats the first: every other one with the same content.
        number = n if n % 2 else n % len(labels)
        info = client.publish("labels/d", json.dumps({"n": number}), qos=1, properties=properties)
        info.wait_for_publish(30)
        assert info.is_published()
        if n % 50 == 0:
            good.publish()
    leave(client)
    stack.eventually(lambda: sum(books.judged("labels").values()) >= 2 * len(labels))
    judged, rows = books.judged("labels"), books.readings("labels")
    assert sum(judged.values()) == 2 * len(labels)
    assert rows == judged["stored"] == len(set(labels))
    assert books.quarantined("labels") == {"CONFLICT": judged["conflict"]}


def test_huge_and_deep_payloads_are_accounted_for(
    stack: LocalStack,
    books: Books,
    make_contract: MakeContract,
    attack: Hostile,
    ingest: Callable[[Sequence[tuple[str, bytes]]], int],
) -> None:
    """1 MiB of anything, 100,000 levels, nothing, and NUL are each one item, over MQTT and over gRPC."""
    payloads = {
        "empty": b"",
        "nul": b"\0",
        "nuls": bytes(MEBIBYTE),
        "text": json.dumps({"text": "x" * (MEBIBYTE - 12)}).encode(),
        "digits": b"1" * MEBIBYTE,
        "exponent": b'{"text": 1e' + b"9" * (MEBIBYTE - 20) + b"}",
        "garbage": b"\xff" * MEBIBYTE,
        "spaces": b" " * MEBIBYTE,
        "keys": ("{" + ",".join(f'"k{n}": 0' for n in range(80_000)) + "}").encode(),
        "open arrays": b"[" * DEEP,
        "arrays": b"[" * DEEP + b"]" * DEEP,
        "open objects": b'{"a":' * DEEP,
        "objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "nested": b'{"text": ' + b"[" * DEEP + b"]" * DEEP + b"}",
        "quotes": b'"' * MEBIBYTE,
        "backslashes": b'{"text": "' + b"\\" * (MEBIBYTE - 20) + b'"}',
        "too many": b"[" + b"{}," * (MANY * 2) + b"{}]",
    }
    assert all(len(payload) <= MEBIBYTE for payload in payloads.values())
    for name, by_grpc in (("huge_mqtt", False), ("huge_grpc", True)):
        make_contract(name, NAUGHTY, f"{name}/+", device="topic:2")
        make_contract(f"{name}_loose", ANYTHING, f"{name}_loose/+", given_as="--json-schema", device="topic:2")
        for contract in (name, f"{name}_loose"):
            messages = [(f"{contract}/{what}", payload) for what, payload in payloads.items()]
            if by_grpc:
                assert ingest(messages) == len(messages)
            else:
                attack.publish(messages)
            assert_devices_have(stack, books, contract, dict.fromkeys(payloads, 1))


def test_flood_of_huge_messages_is_stored_within_the_budget(
    stack: LocalStack, books: Books, make_contract: MakeContract, mqtt: tuple[str, int], good: GoodClient
) -> None:
    """More 1 MiB messages at once than the bridge may hold: clients are slowed, every one is stored, memory stays bounded."""
    rules = ("--identity", "device_id,n", "--unknown", "ignore")
    fields = json.dumps([{"name": "device_id", "type": "string"}, {"name": "n", "type": "integer"}])
    make_contract("flood", fields, "flood/+", *rules)
    devices, each = 32, 4
    clients, sent = [], []
    for device in range(devices):
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"flood-{device}")
        client.connect(*mqtt)
        clients.append(client)
        for n in range(each):
            document = {"device_id": f"flood-{device}", "n": n, "rest": "x" * (MEBIBYTE - 100)}
            sent.append(client.publish(f"flood/{device}", json.dumps(document), qos=1))
    for client in clients:
        client.loop_start()
    good.publish()
    for info in sent:
        info.wait_for_publish(60)
        assert info.is_published()
    for client in clients:
        leave(client)
    stack.eventually(lambda: books.readings("flood") >= devices * each)
    rows = books.rows('SELECT device_id, n FROM readings."flood"')
    assert Counter(rows) == {(f"flood-{device}", n): 1 for device in range(devices) for n in range(each)}
    assert books.quarantined("flood") == {}


def test_arrays_of_bad_elements_cost_exactly_their_elements(
    stack: LocalStack, books: Books, make_contract: MakeContract, attack: Hostile
) -> None:
    """10,000 bad elements are 10,000 quarantined items, and a good one among them is a row."""
    make_contract("arrays", MEASURED, "arrays/+", "--event-time", "ts", "--identity", "device_id,ts")
    one = {"device_id": "d", "ts": "2026-01-01T00:00:00Z", "value": 1}
    arrays: list[list[object]] = [
        [1] * MANY,
        [None] * MANY,
        [[]] * MANY,
        [{}] * MANY,
        ["\0"] * MANY,
        [one | {"value": -n} for n in range(1, MANY + 1)],
        [*[{"value": "x"}] * (MANY - 1), one | {"device_id": "alone"}],
    ]
    attack.publish([("arrays/x", json.dumps(array).encode()) for array in arrays])
    stack.eventually(lambda: sum(books.judged("arrays").values()) >= len(arrays) * MANY)
    assert books.judged("arrays") == {"quarantined": len(arrays) * MANY - 1, "stored": 1}
    assert books.readings("arrays") == 1
    assert sum(books.quarantined("arrays").values()) == len(arrays) * MANY - 1


def test_arrays_of_the_same_element_are_one_row(
    stack: LocalStack, books: Books, make_contract: MakeContract, attack: Hostile
) -> None:
    """10,000 equal elements are one row and duplicates; 10,000 with one key and other content are conflicts."""
    make_contract("same", MEASURED, "same/+", "--event-time", "ts", "--identity", "device_id,ts")
    one = {"device_id": "d", "ts": "2026-01-01T00:00:00Z", "value": 0}
    attack.publish([("same/x", json.dumps([one] * MANY).encode())])
    stack.eventually(lambda: sum(books.judged("same").values()) >= MANY)
    assert books.judged("same") == {"stored": 1, "duplicate": MANY - 1}
    attack.publish([("same/x", json.dumps([one | {"value": n} for n in range(1, MANY + 1)]).encode())])
    stack.eventually(lambda: sum(books.judged("same").values()) >= 2 * MANY)
    assert books.judged("same") == {"stored": 1, "duplicate": MANY - 1, "conflict": MANY}
    assert (books.readings("same"), books.quarantined("same")) == (1, {"CONFLICT": MANY})


def test_the_same_bytes_over_grpc_are_accounted_for(
    stack: LocalStack,
    books: Books,
    make_contract: MakeContract,
    ingest: Callable[[Sequence[tuple[str, bytes]]], int],
    hostile: Path,
    good: GoodClient,
) -> None:
    """PublishMessages takes the same payloads; a topic that is none is rejected with its position."""
    make_contract("json_grpc", ANYTHING, "json_grpc/+", given_as="--json-schema", device="topic:2")
    cases = json_cases(hostile)
    assert ingest([(f"json_grpc/m{n}", payload) for n, (_, payload, _) in enumerate(cases)]) == len(cases)
    good.publish()
    assert_devices_have(stack, books, "json_grpc", {f"m{n}": items for n, (_, _, items) in enumerate(cases)})
    make_contract("topics_grpc", NAUGHTY, "topics_grpc/#", device="topic:2")
    strings = naughty(hostile)
    usable = {n for n, text in enumerate(strings) if not set(text) & set("+#\0")}
    messages = [(f"topics_grpc/{text}", json.dumps({"n": n}).encode()) for n, text in enumerate(strings)]
    assert ingest(messages) == len(usable)
    assert_each_number_once(stack, books, "topics_grpc", usable)


def test_garbage_instead_of_a_request_is_refused(stack: LocalStack, admin_token: str, good: GoodClient) -> None:
    """Bytes that are no PublishMessagesRequest, and messages that break its rules, end the call and nothing else."""
    metadata = (("authorization", f"Bearer {admin_token}"),)
    deep_struct = b""
    for _ in range(2000):  # a Value that holds a ListValue that holds a Value ...
        inner = b"\x0a" + varint(len(deep_struct)) + deep_struct
        deep_struct = b"\x32" + varint(len(inner)) + inner
    with grpc.insecure_channel(stack.status()["grpc.bridge"]) as channel:
        call: Any = channel.unary_unary("/dataflow.bridge.v1.IngestService/PublishMessages")
        for garbage in (b"", b"\0", b"\xff" * 1000, b"\x0a\xff\xff\xff\xff\x0f", deep_struct, b"\x0a\x00" * 10_001):
            with pytest.raises(grpc.RpcError) as refused:
                call(garbage, metadata=metadata, timeout=30)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            good.publish()


def varint(number: int) -> bytes:
    """Encodes a number as protobuf does."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
