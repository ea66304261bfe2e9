"""What a summary knows, as its proto."""

from datetime import datetime, timedelta

from dataflow.insight.v1 import summary_pb2

from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.cells import Line
from dataflow_insight.summaries.facts import Course, Facts, NumberFacts, Refusals, Trend, WordFacts


def summary_message(facts: Facts) -> summary_pb2.Summary:
    """Returns the fields of a summary; text, results, maker and id are not in them."""
    scope = facts.scope
    message = summary_pb2.Summary(
        contract=scope.contract.name,
        device_ids=scope.device_ids,
        time_zone=scope.period.zone.key,
        reading_count=facts.count,
        device_count=facts.devices.of(Role.VALUE).whole,
        numbers=[_number(item) for item in facts.numbers],
        words=[_word(item) for item in facts.words],
        left_out_fields=facts.left_out,
        gaps=_gaps(facts),
    )
    message.start_time.FromDatetime(scope.period.start)
    message.end_time.FromDatetime(scope.period.end)
    if facts.refusals is not None:
        message.refusals.CopyFrom(_refusals(facts.refusals))
    return message


def _number(facts: NumberFacts) -> summary_pb2.NumberSummary:
    level = facts.level
    message = summary_pb2.NumberSummary(
        field=facts.field.name,
        unit=facts.field.unit,
        value_count=facts.filled.named("present").whole,
        missing_count=facts.filled.named("missing").whole,
        mean=_value(level),
        median=_value(facts.middle),
        percentile_5=_value(facts.low),
        percentile_95=_value(facts.high),
        lowest=_extreme(facts.lowest),
        highest=_extreme(facts.highest),
    )
    if facts.trend is not None:
        message.trend.CopyFrom(_trend(facts.trend))
    if facts.change is not None:
        message.change.movement = facts.change.proto
        message.change.mean_before = level.of(Role.OTHER_VALUE).number or 0.0
        message.change.difference = level.of(Role.DIFFERENCE).number or 0.0
        message.change.value_count_before = level.of(Role.OTHER_SUPPORT).whole
        if (percent := level.of(Role.PERCENT).number) is not None:
            message.change.percent = percent
    if facts.course.hours:
        message.daily.CopyFrom(_daily(facts.course))
    if facts.counter is not None:
        message.counted = facts.counter.named("counted").number or 0.0
        message.restart_count = facts.counter.named("restarts").whole
    return message


def _value(line: Line) -> float:
    return line.of(Role.VALUE).number or 0.0


def _extreme(line: Line) -> summary_pb2.Extreme:
    message = summary_pb2.Extreme(value=_value(line), device_id=line.of(Role.DEVICE).text)
    if (moment := line.of(Role.TIME).moment) is not None:
        message.time.FromDatetime(moment)
    return message


def _trend(trend: Trend) -> summary_pb2.Trend:
    line = trend.line
    return summary_pb2.Trend(
        movement=trend.movement.proto,
        slope_per_hour=line.named("slope_per_hour").number or 0.0,
        change=line.named("change").number or 0.0,
        noise=line.named("noise").number or 0.0,
        significance=line.named("significance").number or 0.0,
        hour_count=line.named("hours").whole,
    )


def _daily(course: Course) -> summary_pb2.DailyPattern:
    judged, hours = course.daily, [line.named("hour").whole for line in course.hours]
    message = summary_pb2.DailyPattern(
        hours=[
            summary_pb2.HourLevel(hour=hour, mean=_value(line), day_count=line.named("days").whole)
            for hour, line in zip(hours, course.hours, strict=True)
        ],
        is_regular=judged.regular,
        step=judged.movement.proto,
    )
    if judged.high is not None and judged.low is not None:
        message.high_hour, message.low_hour = hours[judged.high], hours[judged.low]
    if judged.step is not None:
        message.step_hour = hours[judged.step]
    return message


def _word(facts: WordFacts) -> summary_pb2.WordSummary:
    line = facts.line
    return summary_pb2.WordSummary(
        field=facts.field.name,
        value_count=facts.filled.named("present").whole,
        missing_count=facts.filled.named("missing").whole,
        distinct_count=line.named("different").whole,
        most_frequent=line.named("value").text,
        most_frequent_count=line.named("readings").whole,
        most_frequent_percent=line.named("percent").number or 0.0,
    )


def _gaps(facts: Facts) -> summary_pb2.Gaps:
    message = summary_pb2.Gaps(
        silent_device_ids=[line.of(Role.DEVICE).text for line in facts.silent],
        silent_device_count=facts.silent[0].named("devices").whole if facts.silent else 0,
    )
    if facts.usual_step is not None:
        message.usual_step.FromTimedelta(facts.usual_step)
    for line in facts.gaps:
        start, end = line.of(Role.START).moment, line.of(Role.END).moment
        if start is not None and end is not None:
            gap = message.longest.add(device_id=line.of(Role.DEVICE).text)
            _stretch(gap, start, end)
    return message


def _stretch(gap: summary_pb2.Gap, start: datetime, end: datetime) -> None:
    gap.start_time.FromDatetime(start)
    gap.end_time.FromDatetime(end)
    length: timedelta = end - start
    gap.length.FromTimedelta(length)


def _refusals(refusals: Refusals) -> summary_pb2.Refusals:
    message = summary_pb2.Refusals(refused_count=refusals.count.whole, of_all_times=refusals.percent is None)
    if refusals.percent is not None and (percent := refusals.percent.number) is not None:
        message.refused_percent = percent
    return message
