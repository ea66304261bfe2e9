"""The trial of watches and rollups in small: see tests/benchmarks/watch_rollups.py for the long form."""

import pytest

from tests.benchmarks.watch_rollups import Options, trial

pytestmark = [pytest.mark.chaos, pytest.mark.postgres, pytest.mark.redis]


@pytest.mark.timeout(600)
async def test_watches_and_rollups_are_exact_whatever_dies() -> None:
    """Followers that are killed see every row once in order, and rollups equal a recomputation, under replay and Backfill."""
    report = await trial(Options(seconds=15.0, rate=300.0, validators=2, kill_seconds=4.0))
    assert report["ok"], report
    assert report["validator_kills"]
    assert report["follower_kills"]
    assert {job["state"] for job in report["jobs"].values()} == {"JOB_STATE_SUCCEEDED"}
