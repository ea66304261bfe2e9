"""Answers that nobody waits for leave nothing behind: the short form of `tests/benchmarks/ask_cancel_soak.py`."""

import pytest

from tests.benchmarks.ask_cancel_soak import soak

pytestmark = pytest.mark.postgres


async def test_left_answers_leave_nothing_open() -> None:
    """Left at any moment and in any way, an answer ends with its query, its conversation and its call to the model."""
    # Pools open their last connections only when many queries meet: on a busy machine that took more than 100 answers.
    report = await soak(count=200, concurrency=8, warm_up=500, model=True, rows=20_000)
    # Memory is for the long form: here the allocator is still filling its arenas.
    assert [problem for problem in report.problems() if not problem.startswith("memory")] == []
    assert sum(report.left.values()) == 200
    assert report.model_calls > 0
