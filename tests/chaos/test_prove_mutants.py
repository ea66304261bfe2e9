"""The account of a campaign can fail: each build with one promise broken on purpose is caught by it."""

import asyncio
import json
from pathlib import Path

import pytest
from dataflow_stack.testing import LocalStack

from tests.chaos.prove.campaign import run_campaign
from tests.chaos.prove.mutants import CONTROL, MUTANTS, Mutant, plan_of

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

_FLAGS = ("--no-fleet", "--bridges", "2")
_LOST = "lost: acknowledged, and nowhere"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name or "one-copy")
def test_a_broken_promise_is_named(mutant: Mutant, tmp_path: Path) -> None:
    """What was acknowledged too early is lost, and the report tells when it was sent and what was broken then."""
    with LocalStack.running(_FLAGS, mutant.environ) as stack:
        report = asyncio.run(run_campaign(stack, mutant.plan, tmp_path)).report
    assert _LOST in report.violations, json.dumps(report.document(), indent=2)
    story = "\n".join(report.violations[_LOST])
    assert "sent at" in story
    assert "in no committed batch" in story
    assert f"around it: {report.history.events[0]}" in story


def test_the_same_faults_cost_nothing_where_promises_are_kept(tmp_path: Path) -> None:
    """Else the tests above would show that the faults are too hard, and not that the build is broken."""
    with LocalStack.running(_FLAGS) as stack:
        report = asyncio.run(run_campaign(stack, plan_of(CONTROL), tmp_path)).report
    assert not report.violations, json.dumps(report.document(), indent=2)
