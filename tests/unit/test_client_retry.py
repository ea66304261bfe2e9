"""When a call is tried again, and after how long."""

import pytest
from dataflow_client import RetryPolicy, errors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def upper(_low: float, high: float) -> float:
    return high


def overloaded(seconds: float | None) -> errors.DataflowError:
    return errors.BridgeOverloadedError("full", errors.ErrorDetails(reason="BRIDGE_OVERLOADED", retry_after=seconds))


def test_delay_doubles_up_to_its_limit() -> None:
    """Pauses grow exponentially and stay below the limit."""
    policy = RetryPolicy(max_attempts=9, first_delay_seconds=0.1, max_delay_seconds=0.5)
    pauses = [policy.delay(errors.UnavailableError(), attempt, 60, upper) for attempt in range(1, 6)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])


def test_delay_honours_what_the_server_asks_for() -> None:
    """RetryInfo is a minimum, also beyond the policy's own limit."""
    policy = RetryPolicy(first_delay_seconds=0.1, max_delay_seconds=1)
    assert policy.delay(overloaded(7.0), 1, 60, lambda low, _: low) == 7.0
    assert policy.delay(overloaded(7.0), 1, 60, upper) == pytest.approx(7.1)


def test_delay_gives_up_where_the_deadline_would_pass() -> None:
    """No pause is made that leaves no time for the try after it."""
    assert RetryPolicy().delay(overloaded(7.0), 1, 5.0) is None


def test_delay_gives_up_after_the_last_attempt() -> None:
    """The number of tries is a limit."""
    assert RetryPolicy(max_attempts=2).delay(errors.UnavailableError(), 1, 60) is not None
    assert RetryPolicy(max_attempts=2).delay(errors.UnavailableError(), 2, 60) is None


@pytest.mark.parametrize("error", [overloaded(None), errors.QueryTooExpensiveError(), errors.ContractInvalidError()])
def test_delay_never_repeats_what_stays_so(error: errors.DataflowError) -> None:
    """RESOURCE_EXHAUSTED without RetryInfo and errors of the request are final."""
    assert RetryPolicy().delay(error, 1, 60) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 10_000), st.floats(0.001, 10), st.floats(0.001, 100))
def test_delay_is_bounded_for_any_policy(attempt: int, first: float, limit: float) -> None:
    """Full jitter stays between nothing and the limit, at any attempt."""
    policy = RetryPolicy(max_attempts=20_000, first_delay_seconds=first, max_delay_seconds=limit)
    pause = policy.delay(errors.UnavailableError(), attempt, float("inf"))
    assert pause is not None
    assert 0 <= pause <= limit
