"""What a summary may say of a movement and of a day's course, held against plain computations."""

import math
import random
import statistics
from collections.abc import Sequence
from itertools import pairwise

import pytest
from dataflow_insight.summaries.daily import Daily, Hour, judge_day
from dataflow_insight.summaries.movement import Movement, critical, of_difference, of_trend


def trend_of(means: Sequence[float]) -> Movement:
    """Judges the line through the means of hours one after the other, computed in plain Python."""
    places = list(range(len(means)))
    slope, base = statistics.linear_regression(places, means)
    rest = [mean - base - slope * place for place, mean in zip(places, means, strict=True)]
    squares = sum(item**2 for item in rest)
    dependence = sum(a * b for a, b in pairwise(rest)) / squares if squares else 0.0
    dependence = min(0.99, max(0.0, dependence))
    freedom = len(means) * (1 - dependence) / (1 + dependence) - 2
    spread = sum((place - statistics.fmean(places)) ** 2 for place in places)
    error = math.sqrt(squares / freedom / spread) if freedom > 0 and squares else None
    return of_trend(
        len(means),
        slope * (len(means) - 1),
        math.sqrt(squares / max(1, len(means) - 2)),
        slope / error if error else None,
        freedom,
        statistics.fmean(means),
    )


def noise(count: int, size: float = 1.0, seed: int = 1) -> list[float]:
    """Returns values around 0 that depend on nothing."""
    values = random.Random(seed)
    return [values.gauss(0.0, size) for _ in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_noise_around_a_level_is_stable(seed: int) -> None:
    """Values that only vary by chance are not said to rise or fall, but for about one in a hundred."""
    judged = [trend_of([20 + item for item in noise(24, 0.5, seed * 100 + part)]) for part in range(20)]
    assert sum(movement is not Movement.STABLE for movement in judged) <= 2


def test_rise_far_beyond_the_noise_is_a_rise() -> None:
    """Ten degrees in a day with half a degree of noise have risen."""
    assert trend_of([20 + hour / 2.4 + item for hour, item in enumerate(noise(24, 0.5))]) is Movement.ROSE


def test_fall_less_than_twice_the_noise_is_slight() -> None:
    """What falls by one and a half times the noise in a week has fallen slightly."""
    week = [20 - hour / 168 * 0.75 + item for hour, item in enumerate(noise(168, 0.5))]
    assert trend_of(week) is Movement.FELL_SLIGHTLY


def test_line_without_noise_is_a_movement_however_small() -> None:
    """An exact line moves; a constant does not, and neither does the rounding of doubles."""
    assert trend_of([20 + hour / 1000 for hour in range(24)]) is Movement.ROSE
    assert trend_of([20.1] * 24) is Movement.STABLE
    assert trend_of([0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2]) is Movement.STABLE


def test_two_hours_say_nothing() -> None:
    """A line through fewer than three hours is none."""
    assert of_trend(2, 5.0, 0.0, None, None, 20.0) is Movement.UNKNOWN


def test_day_up_and_half_down_again_is_neither_stable_nor_a_trend() -> None:
    """A smooth hump with a remainder has hours that depend on each other: no trend, and not stable."""
    hump = [20 + 3 * math.sin(hour / 24 * math.pi * 0.8) for hour in range(24)]
    assert trend_of(hump) in {Movement.UNKNOWN, Movement.ROSE}
    assert trend_of([20 + math.sin(hour / 24 * 2 * math.pi + 2.2) for hour in range(24)]) is not Movement.ROSE


def test_movement_speaks_as_people_do() -> None:
    """Each movement has its words."""
    assert Movement.STABLE.words == "remained stable"
    assert Movement.ROSE_SLIGHTLY.words == "rose slightly"
    assert Movement.FELL.words == "fell"


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (0.1, Movement.STABLE),
        (0.5, Movement.ROSE_SLIGHTLY),
        (-0.5, Movement.FELL_SLIGHTLY),
        (0.9, Movement.ROSE),
        (-3.0, Movement.FELL),
        (0.0, Movement.STABLE),
    ],
)
def test_difference_is_held_against_the_deviation(difference: float, expected: Movement) -> None:
    """Two means differ by their distance in standard deviations."""
    assert of_difference(difference, 1.0, 20.0) is expected


def test_difference_of_constants_is_a_movement_and_of_one_value_unknown() -> None:
    """Without a deviation every real difference counts; with a single value nothing is said."""
    assert of_difference(1.0, 0.0, 20.0) is Movement.ROSE
    assert of_difference(1.0, None, 20.0) is Movement.UNKNOWN


def test_student_quantile_falls_with_freedom() -> None:
    """Fewer hours need a steeper line; less than one degree of freedom never suffices."""
    assert critical(0.5) == math.inf
    assert critical(1) == 63.657
    assert critical(9) == 3.355
    assert critical(1000) == 2.66


def day_of(means: Sequence[Sequence[float]]) -> Daily:
    """Judges days, each a mean for each of its hours, computed in plain Python."""
    hours = []
    deviations = [[value - statistics.fmean(day) for value in day] for day in means]
    for hour in range(len(means[0])):
        above = [day[hour] for day in deviations]
        centre = statistics.fmean(above)
        hours.append(
            Hour(
                hour,
                statistics.fmean(day[hour] for day in means),
                len(means),
                centre,
                sum((item - centre) ** 2 for item in above),
            )
        )
    values = [value for day in means for value in day]
    return judge_day(hours, statistics.stdev(values))


def test_hours_that_repeat_every_day_are_regular() -> None:
    """A wave with its top at 14:00 on each of five days has its high and low hours there."""
    days = [
        [20 + 4 * math.cos((hour - 14) / 24 * 2 * math.pi) + item for hour, item in enumerate(noise(24, 0.3, day))]
        for day in range(5)
    ]
    judged = day_of(days)
    assert judged.regular
    assert judged.high in {13, 14, 15}
    assert judged.low in {1, 2, 3}


def test_noise_has_no_regular_hours() -> None:
    """Days that differ by chance have no high hour and no step."""
    judged = [day_of([noise(24, 1.0, seed * 50 + day) for day in range(4)]) for seed in range(30)]
    assert sum(item.regular for item in judged) == 0
    assert all(item.step is None for item in judged)


def test_one_spike_is_not_a_pattern() -> None:
    """An hour that is high on one of five days is not the high hour of the day."""
    days = [[20 + item for item in noise(24, 0.5, day)] for day in range(5)]
    days[2][14] += 50
    assert not day_of(days).regular


def test_step_in_the_evening_is_found_at_its_hour() -> None:
    """Values that are two higher from 18:00 on have risen after 18:00; beside a larger spread, slightly."""
    quiet = [40 + (2 if hour >= 18 else 0) + item for hour, item in enumerate(noise(24, 0.2))]
    judged = day_of([quiet])
    assert (judged.step, judged.movement) == (18, Movement.ROSE)
    assert not judged.regular
    hours = [Hour(hour, value, 1, 0.0, 0.0) for hour, value in enumerate(quiet)]
    assert judge_day(hours, 3.0) == Daily(step=18, movement=Movement.ROSE_SLIGHTLY)
    assert judge_day(hours, 30.0).step is None


def test_line_is_not_taken_for_a_step() -> None:
    """A day that rises evenly does not step."""
    assert day_of([[20 + hour + item for hour, item in enumerate(noise(24, 0.5))]]).step is None


def test_few_hours_and_constants_have_no_course() -> None:
    """Half a day, and a day without any difference, say nothing."""
    assert day_of([[20.0, 21.0, 30.0, 31.0]]) == Daily()
    assert day_of([[20.0] * 24] * 3) == Daily()
