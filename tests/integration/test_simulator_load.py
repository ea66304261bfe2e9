"""The load generator, the replay and the fleet against a server that acknowledges, cuts, or stays silent."""

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest
from dataflow_simulator.faults import FaultRates
from dataflow_simulator.fleet import FleetSettings, run_fleet, synthetic_devices
from dataflow_simulator.load import LoadGenerator, LoadResult, LoadSettings, Progress
from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.null_server import Behaviour, NullServer
from dataflow_simulator.publisher import ClientSettings
from dataflow_simulator.recording import RecordedMessage, RecordingError
from dataflow_simulator.replay import ReplaySettings, replay


def _settings(server: NullServer) -> LoadSettings:
    return LoadSettings("127.0.0.1", server.port, "run", 2000, seconds=0.5, connections=5, devices=20, drain_seconds=10)


async def _generate(settings: LoadSettings) -> tuple[LoadResult, list[Progress]]:
    progress: list[Progress] = []
    return await asyncio.to_thread(LoadGenerator(settings, progress.append).run), progress


def _keys(server: NullServer) -> list[tuple[str, int]]:
    documents = [json.loads(message.payload) for message in server.received]
    return [(document["device_id"], document["seq"]) for document in documents]


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_the_schedule_is_sent_whole_and_logged(protocol: Protocol) -> None:
    """Rate times seconds messages, each once, every device's sequence without a gap, all in the log."""
    async with NullServer(Behaviour(keep=True)) as server:
        result, progress = await _generate(replace(_settings(server), protocol=protocol))
        assert result.published == result.acknowledged == 1000
        assert progress[-1].acknowledged == progress[-1].offered == 1000
        keys = _keys(server)
        assert len(set(keys)) == len(keys) == 1000
        logged = {(lane.device_id, lane.first_sequence + n) for lane in result.lanes for n in range(lane.published)}
        assert logged == set(keys)
        assert result.puback_p99_ms is not None


async def test_cut_connections_lose_nothing() -> None:
    """What was in flight when a connection died goes out again with DUP, and is acknowledged in the end."""
    async with NullServer(Behaviour(keep=True, drop_after=[30, 50, 70, 20, 10, 15])) as server:
        result, _ = await _generate(replace(_settings(server), burst=4))
        assert result.published == result.acknowledged == 1000
        assert result.reconnects >= 5
        seen = Counter(_keys(server))
        assert len(seen) == 1000
        assert result.resent >= sum(seen.values()) - 1000 > 0
        unmarked = Counter(
            key for message, key in zip(server.received, _keys(server), strict=True) if not message.duplicate
        )
        assert set(unmarked.values()) == {1}, "only a first sending may be without DUP"


async def test_silence_is_logged_as_unacknowledged_and_the_window_holds() -> None:
    """A server that acknowledges nothing gets one window a connection; the log claims nothing."""
    async with NullServer(Behaviour(silent=True)) as server:
        result, progress = await _generate(replace(_settings(server), window=8, seconds=0.2, drain_seconds=0.3))
        assert (result.published, result.acknowledged) == (40, 0)
        assert sum(len(lane.unacknowledged) for lane in result.lanes) == 40
        assert result.puback_p50_ms is None
        assert progress[-1].offered == 400, "the schedule goes on whatever the server does"


async def test_what_waits_too_long_for_the_window_is_given_up_and_counted() -> None:
    """A client that may hold back little sends less than the schedule wants, and says how much less."""
    async with NullServer(Behaviour(silent=True)) as server:
        settings = replace(_settings(server), window=8, seconds=0.2, drain_seconds=0.3, waiting_limit=2)
        result, _ = await _generate(settings)
        assert (result.published, result.acknowledged) == (40, 0)
        assert result.given_up == 400 - 40 - 5 * 2, "each connection holds back two bursts of one message"


async def test_a_refusing_reason_code_is_no_acknowledgement() -> None:
    """0x80 and above: answered, not taken."""
    async with NullServer(Behaviour(reason_code=0x97)) as server:
        result, _ = await _generate(replace(_settings(server), protocol=Protocol.V5))
        assert (result.published, result.acknowledged, result.refused) == (1000, 0, 1000)


async def test_latency_counts_from_the_intended_time() -> None:
    """What a full window holds back is late, though the server answers each message at once when it comes."""
    async with NullServer(Behaviour(drop_after=[1, 1, 1, 1, 1])) as server:
        result, _ = await _generate(_settings(server))
        assert result.acknowledged == 1000
        assert result.puback_p99_ms is not None
        assert result.puback_p99_ms >= 200, "a connection is opened again only after 250 ms"


async def test_without_a_rate_the_windows_are_kept_full() -> None:
    """More than any schedule would ask for, and all of it acknowledged."""
    async with NullServer() as server:
        result, _ = await _generate(replace(_settings(server), rate=None, seconds=0.2, connections=2))
        assert result.published == result.acknowledged == server.count > 0


def _messages(count: int) -> list[RecordedMessage]:
    return [RecordedMessage(n, f"t/{n % 7}", b"%d" % n, f"id-{n}") for n in range(count)]


@pytest.mark.parametrize("qos", [1, 2])
async def test_replay_keeps_the_order_of_each_topic(qos: int) -> None:
    """Spread over clients, each topic arrives as recorded; with MQTT 5 each message carries its id."""
    async with NullServer(Behaviour(keep=True, receive_maximum=3)) as server:
        settings = ReplaySettings(
            "127.0.0.1", server.port, clients=3, qos=qos, protocol=Protocol.V5, send_message_ids=True
        )
        counts = await replay(_messages(300), settings)
        assert counts.published == counts.acknowledged == 300
        for topic in range(7):
            received = [message for message in server.received if message.topic == f"t/{topic}"]
            assert [int(message.payload) for message in received] == list(range(topic, 300, 7))
            assert len({message.connection for message in received}) == 1
        assert all(message.properties.endswith(b"id-" + message.payload) for message in server.received)


async def test_a_bad_line_ends_a_replay_with_its_name() -> None:
    """The error comes through as itself, after what stood before it."""

    def lines() -> list[RecordedMessage]:
        raise RecordingError("line 3: no topic")

    async with NullServer() as server:
        with pytest.raises(RecordingError, match="line 3"):
            await replay((message for _ in range(1) for message in lines()), ReplaySettings("127.0.0.1", server.port))


async def test_a_fleet_sends_its_devices_readings() -> None:
    """Every device sends in each interval; a duplicated reading is the same bytes twice."""
    async with NullServer(Behaviour(keep=True)) as server:
        settings = FleetSettings(
            ClientSettings("127.0.0.1", server.port, "fleet"), 0.05, seconds=0.2, faults=FaultRates(duplicate=1.0)
        )
        counts = await run_fleet(synthetic_devices(5, 0, 0.05, 0.0), settings, 0.0)
        assert counts.published == counts.acknowledged == len(server.received)
        by_topic = Counter(message.topic for message in server.received)
        assert len(by_topic) == 5
        assert all(count % 2 == 0 and count <= 8 for count in by_topic.values())
        assert set(Counter((m.topic, m.payload) for m in server.received).values()) == {2}
