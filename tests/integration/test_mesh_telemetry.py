"""The Prometheus endpoint, in a process of its own: OpenTelemetry has one provider for each process."""

import re
import subprocess
import sys

SOURCE = """
import asyncio, urllib.error, urllib.request
from dataflow_mesh.names import *
from dataflow_mesh.telemetry import counter, histogram, observe, telemetry, up_down_counter

early = counter(BRIDGE_MESSAGES)
early.add(100, {Attribute.SOURCE: "before"})
with telemetry("bridge", "b1", "127.0.0.1:0") as port:
    early.add(2, {Attribute.SOURCE: "mqtt"})
    counter(BRIDGE_MESSAGES).add(3, {Attribute.SOURCE: "mqtt"})
    up_down_counter(BRIDGE_CONNECTIONS).add(5)
    up_down_counter(BRIDGE_CONNECTIONS).add(-1)
    histogram(BRIDGE_APPEND_DURATION).record(0.003)
    observe(RING_COPIES_MISSING, lambda: [(7.0, {})])
    observe(RING_NODE_HEALTH, lambda: [(1.0, {Attribute.NODE: "n1", Attribute.HEALTH: "SLOW"})])
    print(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
try:
    urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics")
except urllib.error.URLError:
    print("closed")
with telemetry("bridge", "b1") as none:
    print("port", none)
"""


def test_the_endpoint_shows_every_kind_of_metric_under_its_registered_name() -> None:
    """Counters, sums, distributions and gauges are there while the context is open, with unit and attributes."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", SOURCE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = {line.split("{")[0]: line for line in done.stdout.splitlines() if line and not line.startswith("#")}
    samples = [line for line in done.stdout.splitlines() if line.startswith("dataflow_")]

    def value(name: str, *labels: str) -> float:
        named = [line for line in samples if re.match(rf"{name}[{{ ]", line)]
        [found] = [line for line in named if all(label in line for label in labels)]
        return float(found.rpartition(" ")[2])

    assert value("dataflow_bridge_messages_total", 'dataflow_source="mqtt"') == 5
    assert value("dataflow_bridge_connections") == 4
    assert value("dataflow_bridge_append_duration_seconds_bucket", 'le="0.005"') == 1
    assert value("dataflow_bridge_append_duration_seconds_bucket", 'le="0.002"') == 0
    assert value("dataflow_ring_copies_missing") == 7
    assert value("dataflow_ring_node_health", 'dataflow_node="n1"', 'dataflow_health="SLOW"') == 1
    assert 'service_name="dataflow-bridge"' in lines["target_info"]
    assert "before" not in done.stdout
    assert done.stdout.endswith("closed\nport None\n")
