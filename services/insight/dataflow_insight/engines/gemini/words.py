"""What the model is told about each field and value of a plan; a test holds the keys against the proto's descriptor."""

from typing import Final

from dataflow_insight.plans.plan import Decline

WORDS: Final = {
    "Measure.MEASURE_COUNT": "Number of readings (without field) or of values (with field).",
    "Measure.MEASURE_AVG": "Arithmetic mean of all readings in scope.",
    "Measure.MEASURE_MIN": "Smallest value.",
    "Measure.MEASURE_MAX": "Largest value.",
    "Measure.MEASURE_SUM": "Sum.",
    "Measure.MEASURE_LATEST": "The newest value, its device and time.",
    "Measure.MEASURE_MISSING": "Number of readings without a value of the field.",
    "Measure.MEASURE_COVERAGE": "First and last event time, numbers of readings and devices; no field.",
    "Measure.MEASURE_FIRST": "The oldest value, its device and time.",
    "Measure.MEASURE_MEDIAN": "The middle value.",
    "Measure.MEASURE_PERCENTILE": "The value below which `percentile` per cent of the values lie.",
    "Measure.MEASURE_STDDEV": "Standard deviation of a sample.",
    "Measure.MEASURE_MODE": "The most frequent value, and how often.",
    "Measure.MEASURE_DISTINCT": "Number of different values; of different devices without field.",
    "Measure.MEASURE_SHARE": "Per cent of the readings for which all of `holding` hold.",
    "Measure.MEASURE_RANGE": "Largest less smallest value.",
    "Measure.MEASURE_STREAK": (
        "The longest run of neighbouring readings of a device for which all of `holding` hold: readings, start, end,"
        " seconds, device."
    ),
    "Measure.MEASURE_GAP": "The longest time between neighbouring readings of a device: seconds, start, end, device.",
    "Measure.MEASURE_CORRELATION": "Pearson's correlation of `field` and `other_field`.",
    "Measure.MEASURE_CHANGE": "The newest value less the oldest.",
    "Measure.MEASURE_MISSING_SHARE": "Per cent of the readings without a value of the field.",
    "Grouping.GROUPING_DEVICE": "By device (station, sensor, room).",
    "Grouping.GROUPING_HOUR": "By hour of the calendar.",
    "Grouping.GROUPING_DAY": "By day.",
    "Grouping.GROUPING_WEEK": "By week from Monday.",
    "Grouping.GROUPING_MONTH": "By month.",
    "Grouping.GROUPING_HOUR_OF_DAY": "By hour of the day, 0 to 23.",
    "Grouping.GROUPING_WEEKDAY": "By day of the week, 1 Monday to 7 Sunday.",
    "Grouping.GROUPING_VALUE": "By the values of `group_field`.",
    "Comparison.COMPARISON_GREATER": ">",
    "Comparison.COMPARISON_GREATER_OR_EQUAL": ">=",
    "Comparison.COMPARISON_LESS": "<",
    "Comparison.COMPARISON_LESS_OR_EQUAL": "<=",
    "Comparison.COMPARISON_EQUAL": "=",
    "Comparison.COMPARISON_NOT_EQUAL": "<>",
    "Difference.DIFFERENCE_NEIGHBOUR": "Each value less the one of the device's reading before.",
    "Difference.DIFFERENCE_NEIGHBOUR_ABSOLUTE": "The same without its sign.",
    "JoinOn.JOIN_ON_DEVICE_AND_TIME": "Same device, same stretch of time.",
    "JoinOn.JOIN_ON_TIME": "Same stretch of time; the joined contract's devices are taken together.",
    "Condition.field": "Name of the field.",
    "Condition.comparison": "How the value stands to exactly one of limit, texts and flag.",
    "Condition.limit": "A number, in the field's unit.",
    "Condition.texts": "For fields of kind text: EQUAL means one of them, NOT_EQUAL none of them.",
    "Condition.flag": "For fields of kind boolean.",
    "Condition.joined": "The field belongs to the joined contract.",
    "Texts.values": "At least one.",
    "TimeRange.start_time": "From here on, RFC 3339; absent: from the beginning.",
    "TimeRange.end_time": "Before here (exclusive), RFC 3339; absent: to the end.",
    "DayTime.start_minute": "From this minute after midnight on, 0 to 1439.",
    "DayTime.end_minute": "Before this minute (exclusive), 1 to 1440; below the start it reaches over midnight.",
    "Scope.device_ids": "Only these devices, exactly as listed; absent: all.",
    "Scope.excluded_device_ids": "Not these devices.",
    "Scope.times": "Only these stretches of event time; absent: all.",
    "Scope.day_times": "Only these parts of each day in the asker's zone; absent: all.",
    "Scope.weekdays": "Only these days of the week, 1 Monday to 7 Sunday; absent: all.",
    "Scope.conditions": "Only readings for which all of these hold.",
    "GroupLimit.comparison": "How the group's value stands to the limit.",
    "GroupLimit.limit": "The limit.",
    "Fold.each": "The finer groups, beside group_by.",
    "Fold.measure": "What is computed of their values: COUNT, AVG, MIN, MAX, SUM, MEDIAN, STDDEV or RANGE.",
    "Fold.having": "Only finer groups whose value stands so.",
    "Join.contract": "Name of the second contract.",
    "Join.on": "How readings belong together.",
    "Join.bucket": "How long the stretches of time are, whole minutes up to a day, such as 3600s.",
    "QueryPlan.contract": "Name of the contract whose readings are measured.",
    "QueryPlan.measure": "What is computed of the readings of each group.",
    "QueryPlan.field": "The field; absent for COUNT of readings, COVERAGE, DISTINCT devices, GAP, SHARE and STREAK.",
    "QueryPlan.percentile": "For PERCENTILE, 0 to 100.",
    "QueryPlan.other_field": "For CORRELATION: the second field.",
    "QueryPlan.other_joined": "The second field belongs to the joined contract.",
    "QueryPlan.holding": "For SHARE and STREAK: what must hold.",
    "QueryPlan.scope": "Which readings count.",
    "QueryPlan.compared_with": (
        "A second scope: the result has the measure of both, and difference, per cent and ratio. For 'was it higher at"
        " weekends': scope.weekdays [6,7], compared_with.weekdays [1,2,3,4,5]. Repeat what both have in common."
    ),
    "QueryPlan.difference": "Puts the step between neighbouring readings in place of each value.",
    "QueryPlan.neighbour_within": (
        "Readings further apart than this are no neighbours (differences, streaks); absent: one and a half times the"
        " contract's cadence."
    ),
    "QueryPlan.group_by": "How the answer is broken down; at most two.",
    "QueryPlan.group_field": "For GROUPING_VALUE: the field.",
    "QueryPlan.group_joined": "group_field belongs to the joined contract.",
    "QueryPlan.fold": (
        "Computes `measure` for finer groups first and folds them: 'on how many days was the daily average above 150' is"
        " AVG, fold each DAY, measure COUNT, having GREATER 150; 'average daily maximum' is MAX, fold each DAY, AVG."
    ),
    "QueryPlan.having": "Only groups whose value stands so: 'which days ... above' is group_by DAY with having.",
    "QueryPlan.rank": "0: rows by group; n > 0: the n highest groups; n < 0: the n lowest. 'Which station had most': 1.",
    "QueryPlan.with_where_and_when": "For MIN and MAX without groups: also at which device and when.",
    "QueryPlan.join": "A second contract, whose numeric fields are averaged over each stretch of time beside each reading.",
}
"""By the proto's names within its package."""

DECLINES: Final = {
    Decline.UNKNOWN_DEVICE: "it names a device that is not there.",
    Decline.UNKNOWN_FIELD: "it asks for something that no field measures.",
    Decline.FUTURE: "it asks for what has not been measured yet.",
    Decline.OFF_TOPIC: "it is not a question about the readings, or an instruction.",
    Decline.NOT_UNDERSTOOD: "no plan can express it.",
    Decline.AMBIGUOUS: "it has more than one meaning; the text asks back.",
    Decline.NO_DATA: "plans were computed and every one came back without a value.",
}
"""Why the model may decline."""
