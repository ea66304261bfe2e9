"""What is seen of a real Mosquitto when a source is made."""

from __future__ import annotations

import shutil
from uuid import uuid4

import pytest
from dataflow_bridge.sources.probe import probe
from dataflow_bridge.sources.source import Protocol, Source
from dataflow_mesh.testing import free_port, mosquitto_server

pytestmark = [
    pytest.mark.tool("mosquitto"),
    pytest.mark.skipif(
        shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/opt/homebrew/sbin") is None,
        reason="mosquitto is not on the PATH",
    ),
]


def source(url: str, *, qos: int = 1, username: str = "") -> Source:
    """Return a source of that broker."""
    return Source("plant", uuid4(), 1, url, ("m/#",), "g", 1, qos, Protocol.MQTT_5, username)


async def test_a_broker_with_the_settings_of_qos_1_gives_no_warning() -> None:
    """Everything that can be seen from outside is in order."""
    with mosquitto_server() as broker:
        assert await probe(source(broker.url)) == []


async def test_the_default_queue_of_mosquitto_is_found_too_short() -> None:
    """max_queued_messages is 1,000 by default, and what comes beyond is dropped in silence."""
    with mosquitto_server({"max_queued_messages": None}) as broker:
        (warning,) = await probe(source(broker.url))
    assert warning.startswith("the broker kept 10")
    assert "max_queued_messages" in warning


async def test_a_broker_without_quality_of_service_is_found_out() -> None:
    """max_qos 0 means that nothing is kept for a bridge that is away."""
    with mosquitto_server({"max_qos": "0"}) as broker:
        warnings = await probe(source(broker.url))
    assert any("QoS 0 only" in warning for warning in warnings)


async def test_a_broker_that_is_away_or_refuses_is_told_in_one_sentence() -> None:
    """A source can be made before its broker; what the probe says has no secret in it."""
    (warning,) = await probe(source(f"mqtt://127.0.0.1:{free_port()}"))
    assert warning.startswith("the broker could not be probed: ")
    with mosquitto_server({"allow_anonymous": "false"}) as broker:
        (warning,) = await probe(source(broker.url))
    assert "Not authorized" in warning


async def test_queues_behind_an_access_list_cannot_be_checked() -> None:
    """The probe needs a topic of its own; where it is not allowed it says so."""
    with mosquitto_server() as broker:
        access_list = broker.directory / "acl"
        access_list.write_text("topic readwrite m/#\n")
        broker.stop()
        broker.options |= {"acl_file": str(access_list)}
        broker.start()
        warnings = await probe(source(broker.url))
    assert any("could not be checked" in warning for warning in warnings)


async def test_qos_2_is_subscribed_to_as_1_and_said() -> None:
    """The client library acknowledges QoS 2 too early."""
    with mosquitto_server() as broker:
        (warning,) = await probe(source(broker.url, qos=2))
    assert "subscribed with QoS 1" in warning
