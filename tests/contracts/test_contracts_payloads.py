"""Every file of the case data through contracts: verdicts and values are the file's own, or an exception with its reason."""

import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("conformance", Path(__file__).with_name("conformance.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
conformance = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = conformance  # dataclasses look their module up
_SPEC.loader.exec_module(conformance)


@pytest.mark.parametrize("pattern", conformance.KINDS)
def test_all_cases_of_a_kind_come_out_right(cases: Path, pattern: str) -> None:
    """Uplinks of LoRaWAN servers, SenML, home devices, data models, recorded streams and hostile bytes."""
    paths = sorted(cases.glob(pattern))
    assert paths
    for path in paths:
        figures = conformance.Figures(path.name)
        conformance.KINDS[pattern](path, figures)
        assert figures.wrong == []
        assert figures.cases > 0
        assert figures.right == figures.cases
