"""How much a worker rests for live data, and for a rate."""

import pytest
from dataflow_validator.contracts.reasons import Reason
from dataflow_validator.jobs.contract_test.counts import Counts
from dataflow_validator.jobs.contract_test.request import TestRequest
from dataflow_validator.jobs.pressure import Pressure, rest_for_rate


def test_worker_does_not_rest_while_live_data_does_not_wait() -> None:
    """A quarter of a second, and a quarter of the queue, are everyday."""
    assert Pressure(0.2, 0.2).rest_after(1.0) == 0.0


@pytest.mark.parametrize("pressure", [Pressure(5.0, 0.0), Pressure(0.0, 1.0), Pressure(float("inf"), 1.0)])
def test_worker_nearly_stops_while_live_data_waits(pressure: Pressure) -> None:
    """It never stops quite: a job must end some day."""
    assert pressure.work_share == pytest.approx(0.05)
    assert pressure.rest_after(0.5) == 2.0


def test_worker_works_less_the_longer_live_data_waits() -> None:
    """Gradually, so that it does not swing."""
    shares = [Pressure(lag, 0.0).work_share for lag in (0.0, 0.5, 1.0, 1.5, 2.0)]
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) == len(shares)


def test_rate_is_kept_by_resting() -> None:
    """What a step took counts."""
    assert rest_for_rate(100, 50.0, 0.5) == 1.5
    assert rest_for_rate(10, 50.0, 0.5) == 0.0
    assert rest_for_rate(100, None, 0.5) == 0.0


def test_counts_of_parts_add_up_and_stay_bounded() -> None:
    """Places in arrays are one place; beyond a thousand places only their number is kept."""
    parts = []
    for first in (0, 900):
        counts = Counts(2, {})
        for number in range(first, first + 900):
            counts.refused("REFUSED", [Reason(f"/m{number}x/{number}", "type", "", "", "")])
        counts.refused("REFUSED", [Reason("/a/1/b", "type", "", "", ""), Reason("/a/22/b", "type", "", "", "")])
        parts.append(counts.to_json())
    total = Counts(2, {})
    for part in parts:
        total.add(part)
    result = total.result(TestRequest("room"))
    assert result["refused"] == 1_802
    assert result["clauses"][0] == {"path": "/a/*/b", "rule": "type", "items": 2}
    assert len(result["clauses"]) == 1_000
    assert result["clauses_left_off"] == 1_802 - 2 - 999
