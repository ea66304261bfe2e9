"""Simulated devices: signals, faults, recorded ones; and what the load generator sends."""

import itertools
import json
import random
from datetime import datetime

import pytest
from dataflow_simulator.faults import NONE, FaultRates, FaultyDevice, Reading
from dataflow_simulator.fleet import recorded_devices, rfc3339, synthetic_devices
from dataflow_simulator.load import lane_logs
from dataflow_simulator.load_connection import split_packets
from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.packets import FIRST_SEQUENCE, LANE_STRIDE, IdKind, PacketMaker, Stamp, lanes_of
from dataflow_simulator.recording import RecordedMessage
from dataflow_simulator.signals import DAY_SECONDS, Signal
from dataflow_simulator.stack import host_port, parse_processes


def test_a_daily_curve_peaks_at_its_hour() -> None:
    """Highest at the peak hour, lowest half a day later, the drift on top."""
    signal = Signal(base=10, daily_amplitude=3, peak_hour=15, drift_per_day=0.5)
    chance = random.Random(0)
    assert signal.value(15 * 3600, 0, chance) == 13
    assert signal.value(3 * 3600, 0, chance) == 7
    assert signal.value(15 * 3600, 2 * DAY_SECONDS, chance) == 14


def test_the_same_seed_gives_the_same_fleet() -> None:
    """Values repeat with the seed, and differ without."""

    def values(seed: int) -> list[object]:
        fleet = synthetic_devices(3, seed, 1.0, 0.0)
        return [list(itertools.islice(device.readings, 5)) for device in fleet]

    assert values(1) == values(1)
    assert values(1) != values(2)


def _pass(rates: FaultRates, count: int = 200) -> list[list[Reading]]:
    device = FaultyDevice(rates, random.Random(3))
    return [device.pass_on(Reading(float(n), {"device_id": "d", "value": n + 0.5})) for n in range(count)]


def test_a_device_without_faults_passes_everything_on() -> None:
    """Nothing is changed."""
    assert _pass(NONE) == [[Reading(float(n), {"device_id": "d", "value": n + 0.5})] for n in range(200)]


@pytest.mark.parametrize("fault", ["dropout", "spike", "stuck", "wrong_type", "clock_skew", "duplicate"])
def test_each_fault_shows(fault: str) -> None:
    """A fault of probability 0.2 leaves its mark, the same one each time."""
    rates = FaultRates(**{fault: 0.2})
    sent = _pass(rates)
    assert sent == _pass(rates)
    flat = list(itertools.chain.from_iterable(sent))
    values = [reading.values["value"] for reading in flat]
    match fault:
        case "dropout":
            assert any(not readings for readings in sent)
        case "duplicate":
            assert any(len(readings) == 2 and readings[0] == readings[1] for readings in sent)
        case "wrong_type":
            assert any(not isinstance(value, float) for value in values)
        case "stuck":
            assert len(set(values)) < len(values) / 2
            assert len({reading.time for reading in flat}) == len(flat)
        case "spike":
            assert any(isinstance(value, float) and value > 201 for value in values)
        case _:
            assert any(abs(reading.time - n) >= 30 for n, reading in enumerate(flat))


def test_a_probability_is_one() -> None:
    """Nothing happens more often than always."""
    with pytest.raises(ValueError, match="spike"):
        FaultRates(spike=1.5)


def test_recorded_devices_repeat_their_own_readings() -> None:
    """One device a topic, its payloads in order and round again."""
    messages = [
        RecordedMessage(n, f"t/{n % 2}", json.dumps({"device_id": f"d{n % 2}", "ts": "x", "n": n}).encode(), "")
        for n in range(4)
    ]
    first, second = recorded_devices(messages)
    assert (first.device_id, second.topic) == ("d0", "t/1")
    assert [reading["n"] for reading in itertools.islice(first.readings, 3)] == [0, 2, 0]


def test_times_are_utc_with_milliseconds() -> None:
    """As RFC 3339 writes them."""
    assert rfc3339(1_400_000_000.5) == "2014-05-13T16:53:20.500Z"
    stamp = Stamp()
    assert stamp(1_400_000_000.5) == b"2014-05-13T16:53:20.500000Z"
    assert stamp(1_400_000_000.9999999) == b"2014-05-13T16:53:21.000000Z"


@pytest.mark.parametrize("kind", ["a", "b", "c", "d"])
@pytest.mark.parametrize("protocol", list(Protocol))
def test_ready_made_packets_are_whole_and_different(kind: IdKind, protocol: Protocol) -> None:
    """Each has the length it says, JSON of about 120 bytes inside, and a packet id and sequence of its own."""
    (lanes,) = lanes_of("run", 3, 1, 1)
    if kind == "b" and protocol is not Protocol.V5:
        with pytest.raises(ValueError, match="MQTT 5"):
            PacketMaker(lanes, kind, protocol)
        return
    packets = split_packets(
        b"".join(PacketMaker(lanes, kind, protocol).burst(65530, 12, b"2014-05-13T16:53:20.500000Z"))
    )
    assert len(packets) == 12
    ids, sequences = [], []
    for packet in packets:
        assert packet[0] == 0x32
        body = packet[3 if packet[1] & 0x80 else 2 :]
        topic_end = 2 + int.from_bytes(body[:2])
        ids.append(int.from_bytes(body[topic_end : topic_end + 2]))
        payload = body[body.index(b'{"device_id"') :]
        document = json.loads(payload)
        assert 100 <= len(payload) <= 140
        assert set(document) == {"device_id", "ts", "seq", "temperature", "humidity", "pressure"}
        assert datetime.fromisoformat(document["ts"]).year == 2014
        assert bytes(body[2:topic_end]).decode().endswith(document["device_id"])
        sequences.append((document["device_id"], document["seq"]))
        if kind == "b":
            assert b"message-id" in body
            assert f"{document['device_id']}-{document['seq']}".encode() in body
    assert ids == [65531, 65532, 65533, 65534, 65535, 1, 2, 3, 4, 5, 6, 7]
    assert len(set(sequences)) == 12


def test_lanes_cover_devices_and_connections() -> None:
    """Fewer devices than connections: several lanes of a device never share a sequence number."""
    spread = lanes_of("r", devices=2, connections=4, contracts=1)
    assert [len(lanes) for lanes in spread] == [1, 1, 1, 1]
    assert {lane.first_sequence for lanes in spread for lane in lanes if lane.device_id == "r-00000"} == {
        FIRST_SEQUENCE, FIRST_SEQUENCE + LANE_STRIDE,
    }  # fmt: skip
    assert sum(map(len, lanes_of("r", devices=10, connections=4, contracts=3))) == 10


def test_the_log_names_what_is_not_acknowledged() -> None:
    """Message numbers of a connection become sequence numbers of its devices."""
    (lanes,) = lanes_of("r", devices=3, connections=1, contracts=1)
    logs = lane_logs(lanes, sent=8, unacknowledged=[4, 7])
    assert [log.published for log in logs] == [3, 3, 2]
    assert [log.unacknowledged for log in logs] == [(), (FIRST_SEQUENCE + 1, FIRST_SEQUENCE + 2), ()]


def test_addresses_and_processes_are_read() -> None:
    """HOST:PORT in its usual spellings; processes that do not run are left out."""
    assert host_port("[::1]:18830") == ("::1", 18830)
    assert host_port("mqtt://localhost") == ("localhost", 1883)
    with pytest.raises(ValueError, match="port"):
        host_port("localhost:mqtt")
    text = '{"processes": [{"name": "bridge-0", "pid": 7}, {"name": "fleet", "pid": null}]}'
    assert [(entry.name, entry.pid) for entry in parse_processes(text)] == [("bridge-0", 7)]
