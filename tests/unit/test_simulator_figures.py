"""How figures are made of samples: histogram, trend, visibility of transactions, rows against the log."""

import pytest
from dataflow_simulator.bench import BenchRun, report
from dataflow_simulator.bench_rows import RowCounts, StoredLane, count_lost
from dataflow_simulator.histogram import Histogram, quantile_of_buckets
from dataflow_simulator.load import LaneLog, LoadResult
from dataflow_simulator.trend import between, difference, slope, value_at
from dataflow_simulator.visibility import Snapshot, first_seen, parse_snapshot
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.floats(20e-6, 100), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_never_too_low_and_at_most_one_percent_too_high(values: list[float], fraction: float) -> None:
    """The histogram may not flatter."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    wanted = fraction * len(values)
    exact = next(value for rank, value in enumerate(sorted(values), start=1) if rank >= wanted)
    found = histogram.quantile(fraction)
    assert found is not None
    assert exact <= found <= exact * 1.0101


def test_weights_count_as_often_as_they_say() -> None:
    """One record of a hundred equal values is a hundred records."""
    histogram = Histogram()
    histogram.record(0.001, 100)
    histogram.record(1.0, 1)
    assert histogram.total == 101
    median, last = histogram.quantile(0.5), histogram.quantile(1.0)
    assert median is not None
    assert last is not None
    assert median < 0.0011
    assert last >= 1.0
    assert Histogram().quantile(0.5) is None


def test_quantile_of_buckets() -> None:
    """The bucket in which the fraction is reached."""
    assert quantile_of_buckets({3: 1, 1: 98, 2: 1}, 0.98) == 1
    assert quantile_of_buckets({3: 1, 1: 98, 2: 1}, 0.99) == 2
    assert quantile_of_buckets({}, 0.5) is None


def test_slope_of_a_line() -> None:
    """What grows by three a second has the slope three, wherever it starts."""
    assert slope([(time, 7 + 3 * time) for time in range(10)]) == pytest.approx(3)
    assert slope([(1, 5)]) == 0
    assert slope([(1, 5), (1, 9)]) == 0


def test_backlog_is_offered_less_accounted() -> None:
    """Two series of different times are subtracted at the times of the second."""
    offered = [(0.0, 0.0), (10.0, 100.0)]
    assert value_at(offered, 2.5) == 25
    assert value_at(offered, 11) == 100
    assert difference(offered, [(1.0, 4.0), (5.0, 50.0)]) == [(1.0, 6.0), (5.0, 0.0)]
    assert between([(1.0, 0.0), (2.0, 0.0), (3.0, 0.0)], 2, 3) == [(2.0, 0.0), (3.0, 0.0)]


def test_a_transaction_is_seen_by_the_first_snapshot_in_which_it_is_over() -> None:
    """Neither before it began, nor while it runs, also when later ones are over already."""
    snapshots = [
        parse_snapshot(1.0, "10:10:"),
        parse_snapshot(2.0, "10:13:10,12"),
        parse_snapshot(3.0, "12:14:12"),
        parse_snapshot(4.0, "14:14:"),
    ]
    assert snapshots[1] == Snapshot(2.0, 10, 13, frozenset({10, 12}))
    assert first_seen([9, 10, 11, 12, 13, 14], snapshots) == {9: 1.0, 11: 2.0, 10: 3.0, 13: 3.0, 12: 4.0}


def test_lost_is_what_was_acknowledged_and_has_no_row() -> None:
    """A row of an unacknowledged message does not stand in for a missing acknowledged one."""
    lanes = [LaneLog("a", 0, 100, 10, (105,)), LaneLog("b", 0, 100, 10, ())]
    stored = {("a", 100): StoredLane(rows=9, different=9), ("b", 100): StoredLane(rows=12, different=10)}
    assert count_lost(lanes, stored, unacknowledged_rows=0) == (21, 19, 0)
    assert count_lost(lanes, stored, unacknowledged_rows=1) == (21, 19, 1)
    assert count_lost(lanes, {("b", 100): StoredLane(10, 10)}, 0) == (10, 10, 9)


def _run(growth: float) -> BenchRun:
    """Makes a run of 60 s at 1,000/s whose backlog grows."""
    load = LoadResult(60_000, 60_000, 0, 0, 0, 0, 60.0, 1000.0, 6.0, 1.0, 2.0, 256, 1, ())
    seconds = range(61)
    return BenchRun(
        load,
        offered=[(1000.0 + s, 1000.0 * s) for s in seconds],
        accounted=[(1000.0 + s, 5.0 + (1000.0 - growth) * s) for s in seconds],
        counts=RowCounts(60_001, 60_000, 0, 0),
        complete=True,
    )


def test_a_kept_rate_is_the_offered_one() -> None:
    """A backlog that grows by at most one percent of the rate is noise."""
    result = report(_run(growth=9.0), 1000.0)
    assert result["backlog_slope"] == pytest.approx(9)
    assert result["sustained_rate"] == 1000.0
    assert (result["stored"], result["duplicates"], result["lost"]) == (60_000, 1, 0)
    assert result["cpu_seconds_per_100k"]["generator"] == 10.0


def test_a_rate_that_was_not_kept_is_what_was_committed() -> None:
    """A growing backlog shows what the system really does."""
    assert report(_run(growth=100.0), 1000.0)["sustained_rate"] == pytest.approx(900)
    assert report(_run(growth=100.0), None)["sustained_rate"] == pytest.approx(900)


def test_the_report_has_the_frozen_keys() -> None:
    """Acceptance reads these names."""
    assert list(report(_run(0.0), 1000.0)) == [
        "sustained_rate", "seconds", "published", "acknowledged", "stored", "lost", "duplicates", "backlog_slope",
        "puback_p50_ms", "puback_p99_ms", "row_p50_ms", "row_p99_ms", "cpu_seconds_per_100k", "rss_mb",
    ]  # fmt: skip
