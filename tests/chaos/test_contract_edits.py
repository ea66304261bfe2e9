"""The short form of the trial of contract edits: many revisions under load, every verdict checked."""

import asyncio

from dataflow_stack.testing import LocalStack

from tests.benchmarks.contract_edits.trial import ENVIRON, FLAGS, Settings, problems, run

_SETTINGS = Settings(edits=30, rate=1_000.0, pace=4.0, field_every=5, hold_seconds=0.5, warm_seconds=2.0)


def test_edits_under_load_lose_nothing_and_judge_by_whole_revisions() -> None:
    """Every message is one row or one refusal, with the verdict of exactly the revision that it carries."""
    with LocalStack.running(FLAGS, ENVIRON) as stack:
        report = asyncio.run(run(stack, _SETTINGS))
    assert problems(report) == []
    assert report["edits"] == _SETTINGS.edits
    assert report["rows"] > 0
    assert report["refused"] > 0
