"""Live counters survive the death of the processes that they are read from."""

from dataflow_stack.counters import Counters, counts, lag_seconds, ledger

METRICS = """# HELP dataflow_bridge_messages_total Messages that arrived.
dataflow_bridge_messages_total{dataflow_source="listener",otel_scope_name="dataflow"} 7.0
dataflow_bridge_messages_total{dataflow_source="grpc"} 3.0
dataflow_validator_items_total{dataflow_outcome="stored"} 5.0
dataflow_validator_items_total{dataflow_outcome="quarantined"} 1.0
dataflow_validator_lag_seconds{dataflow_node="redis-0"} 0.25
python_info{version="3.11"} 1.0
"""


def test_counters_add_up_over_their_attributes() -> None:
    """Messages of all sources are published; items count by their outcome."""
    assert counts(METRICS) == {"published": 10.0, "stored": 5.0, "quarantined": 1.0}


def test_lag_is_that_of_the_slowest_node() -> None:
    """The oldest entry of any node counts."""
    assert lag_seconds([METRICS, METRICS.replace("0.25", "1.5")]) == 1.5
    assert lag_seconds([]) == 0.0


def test_the_ledger_is_unwell_while_any_validator_shows_a_loss() -> None:
    """All validators follow the same rows; the first to see a loss is believed."""
    whole, broken = (f"dataflow_validator_ledger_missing {missing}.0" for missing in (0, 3))
    assert ledger([METRICS]) == {"health": "UNKNOWN", "missing": 0}
    assert ledger([METRICS, whole]) == {"health": "SERVING", "missing": 0}
    assert ledger([whole, broken]) == {"health": "NOT_SERVING", "missing": 3}


def test_totals_survive_a_restart_of_a_process() -> None:
    """A process that begins at zero again adds to what it had counted before."""
    counters = Counters()
    counters.update(0.0, {("validator-0", 1): {"stored": 10.0}})
    counters.update(1.0, {("validator-0", 2): {"stored": 4.0}})
    assert counters.totals["stored"] == 14.0
    assert counters.rates["stored"] == 4.0


def test_silent_process_changes_no_total() -> None:
    """A process that did not answer is counted on from where it was."""
    counters = Counters()
    counters.update(0.0, {("validator-0", 1): {"stored": 10.0}})
    counters.update(1.0, {})
    counters.update(2.0, {("validator-0", 1): {"stored": 12.0}})
    assert counters.totals["stored"] == 12.0
