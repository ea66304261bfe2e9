"""The proof that history heals, in small: a stack of its own, killed in the middle, compared as sorted values."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(960)]

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", ["replay", "backfill"])
def test_history_heals_also_when_worker_and_validator_are_killed(part: str) -> None:
    """Rows, quarantine and rollups equal those of a run that had the other contract from the start; twice, too."""
    command = [sys.executable, "-m", "tests.benchmarks.heal", part, "--messages", "20000", "--live", "0", "--json"]
    done = subprocess.run([*command, "--kill"], cwd=_ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode in {0, 1}, done.stderr
    report = json.loads(done.stdout)
    assert report["right"], json.dumps(report, indent=2)
