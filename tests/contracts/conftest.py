"""Where the conformance cases are: all of them when they are at hand, else the samples beside this file."""

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.fixture(scope="session", params=["samples", "full"], ids=["samples", "full"])
def cases(request: pytest.FixtureRequest) -> Path:
    """Give a folder of cases; the full set is skipped where it is not at hand."""
    if request.param == "samples":
        return _HERE / "samples"
    beside = _HERE.parents[2] / "shared" / "cases"
    folder = Path(os.environ.get("DATAFLOW_CASES", beside))
    if not folder.is_dir():
        pytest.skip("the full case data is not here: set DATAFLOW_CASES")
    return folder
