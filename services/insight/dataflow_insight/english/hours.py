"""Times of day ("18:00", "9 in the morning"), parts of every day ("in the mornings") and days of every week ("on Mondays")."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from dataflow_insight.english.dates import Form
from dataflow_insight.english.lexicon import NUMBER_WORDS
from dataflow_insight.english.moments import (
    BASE_DAY,
    WEEKDAYS,
    Board,
    Moment,
    Precision,
    Recurring,
    TimeError,
    VagueTimeError,
    number,
)
from dataflow_insight.english.sheet import MOMENT
from dataflow_insight.plans.plan import DayTime

DAY_PARTS: Final = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (22, 6), "day": (6, 18)}
"""First hour and last hour, exclusive, of the parts of every day."""

RecurringForm = tuple[str, Callable[[re.Match[str]], Recurring | None]]
"""A pattern and what makes the recurring time of it."""

_AM_PM: Final = r"(?P<half>a\.?m\b\.?|p\.?m\b\.?)"
_OF_DAY: Final = r"(?:(?:in\s+the|at|of\s+the)\s+(?P<part>morning|afternoon|evening|night))\b"
_HOUR: Final = r"(?P<hour>[01]?\d|2[0-4])"
_TWELVE: Final = "1[0-2]|0?[1-9]|" + "|".join(word for word in NUMBER_WORDS if word != "zero")
_CLOCK: Final = MOMENT.replace("(", "(?P<clock>")
_UNNAMED: Final = (
    r"\b(?:rush[\s-]?hours?|business\s+hours|office\s+hours|working\s+hours|work\s+hours|opening\s+hours|school\s+hours|"
    r"peak\s+hours|off[\s-]peak\s+hours|lunch\s?time|dinner\s?time|breakfast\s?time|tea\s?time|dawn|dusk|sunrise|sunset|daybreak|"
    r"twilight|small\s+hours|early\s+hours|late\s+at\s+night|early\s+in\s+the\s+(?:morning|day)|early\s+morning|late\s+(?:morning|afternoon|evening|night)|mid[\s-]?(?:morning|afternoon))\b"
)
_TIME: Final = r"(?:\d{1,2}:\d{2}(?:\s*[ap]\.?m\b)?|\d{1,2}\s*[ap]\.?m\b)"
_GIVEN: Final = rf"\b(?:from\s+|between\s+)?(?:{_TIME}|\d{{1,2}})\s*(?:-|to|and|until|till|through)\s*{_TIME}"
"""Pattern of hours that are given."""

_OTHER_SIDE: Final = (
    r"\b(?:than|versus|vs|compared|comparison|outside|instead|minus|except|excluding|rather|not|differ\w*)\b"
)
"""Words with which given hours can be others than those that have a name."""

_VAGUE: Final = r"\b(?:around|about|roughly|approximately|circa|shortly\s+(?:after|before)|near|close\s+to)\s+(?=noon|midnight|midday|\d{1,2}(?::\d\d|\s*[ap]\.?m\b|\s+o'clock))"
_NOT_EACH: Final = "".join(
    rf"(?<!\b{word}\s)"
    for word in ("every", "each", "per", "which", "what", "many", "a", "one", "any", "single", "good")
)
_SHORT: Final = {name[:3]: name for name in WEEKDAYS} | {"tues": "tuesday", "thur": "thursday", "thurs": "thursday"}
_DAY_NAME: Final = "|".join(sorted([*WEEKDAYS, *_SHORT], key=len, reverse=True))


def refuse_unnamed(board: Board) -> None:
    """Asks back where hours are meant that everybody sets differently.

    Raises:
        VagueTimeError: There are such words.
    """
    # "Working hours (8:00-18:00)" says which.
    board.sheet.take_all(
        rf"(?:\b(?:in|during|at|within)\s+(?:the\s+)?)?{_UNNAMED}(?=\s*[,(:]\s*(?:from\s+|between\s+|i\.?e\.?,?\s*)?\d)"
    )
    if re.search(_GIVEN, board.sheet.low) and not re.search(_OTHER_SIDE, board.sheet.low):
        for found in board.sheet.take_all(rf"(?:\b(?:in|during|at|within)\s+(?:the\s+)?)?{_UNNAMED}"):
            board.notes.append(f'"{found.group().strip()}" is the time that is given')
    if board.sheet.find(_UNNAMED):
        raise VagueTimeError("It is not clear which hours that are; please give a start and an end.")
    if board.sheet.find(_VAGUE):
        raise VagueTimeError("The time is not exact; please give a start and an end.")


def clock_forms(board: Board) -> Iterable[Form]:
    """Returns the forms of times of day, the longest first."""

    def first_of_pair(found: re.Match[str]) -> Moment:
        """Gives the first hour in "from 6 to 9 pm" the half of the second, unless it would come after it."""
        hour, other = number(found["hour"]), number(found["other"])
        half, part = found.groupdict().get("half"), found.groupdict().get("part")
        second = _hour_of(other, half, part)
        first = _hour_of(hour, half, part) if half or part else hour
        if first >= second and half:
            first = _hour_of(hour, "am", None)
        return _clock(first, int(found["minute"] or 0))

    def written(found: re.Match[str]) -> Moment:
        groups = found.groupdict()
        hour = _hour_of(number(found["hour"]), groups.get("half"), groups.get("part"))
        return _clock(
            hour, int(groups.get("minute") or 0), int(groups.get("second") or 0), seconds=bool(groups.get("second"))
        )

    def after_named(found: re.Match[str]) -> Moment | None:
        """Reads the hour in "from noon to 3" and "between midnight and 6"."""
        start = board.moment(found["clock"])
        if start.precision is not Precision.CLOCK or start.start.minute or start.start.hour % 12:
            return None
        return _clock(number(found["hour"]) % 12 + start.start.hour)

    def named(found: re.Match[str]) -> Moment:
        return _clock(0 if found["name"] == "midnight" else 12)

    pair = rf"\b(?:between|from)?\s*(?P<keep>(?P<hour>[01]?\d)(?::(?P<minute>[0-5]\d))?)(?=\s*(?:and|to|until|till|-|through)\s*(?:before\s+)?(?P<other>{_TWELVE})(?::[0-5]\d)?\s*"
    return (
        (r"\b(?P<hour>[01]?\d|2[0-4])[:.](?P<minute>[0-5]\d):(?P<second>[0-5]\d)(?![\d:])", written),
        (pair + rf"{_AM_PM}(?!\w))", first_of_pair),
        (rf"\b(?:between|from)\s+(?P<keep>(?P<hour>{_TWELVE})(?P<minute>))(?=\s*(?:and|to|until|till|-)\s*(?P<other>{_TWELVE})\s*(?:o'clock\s+)?{_OF_DAY})", first_of_pair),
        (rf"\b(?:between|from)\s+(?P<keep>{_HOUR}(?P<minute>))(?=\s*(?:and|to|until|till|-)\s*(?P<other>2[0-4]|[01]?\d)\s*(?:o'clock|h|hrs)\b)", first_of_pair),
        (rf"\b{_HOUR}:(?P<minute>[0-5]\d)\s*(?:{_AM_PM}(?!\w)|(?:o'clock\s+|h\s+)?{_OF_DAY})", written),
        (rf"\b{_HOUR}:(?P<minute>[0-5]\d)(?:\s*(?:o'clock|h|hrs|hours)\b)?(?![\d:])", written),
        (rf"\b(?P<hour>{_TWELVE})(?:\.(?P<minute>[0-5]\d))?\s*{_AM_PM}(?!\w)", written),
        (rf"\b(?P<hour>{_TWELVE})\s*(?:o'clock\s+)?{_OF_DAY}", written),
        (rf"\b{_HOUR}\s*o'clock\b", written),
        (rf"(?<=\bat\s){_HOUR}\s?h\b", written),
        (r"\b(?:12\s+)?(?P<name>noon|midday|midnight)(?:\s*\(\s*(?:12:00|00:00|0:00|12\s*[ap]m)\s*\))?", named),
        (
            rf"\b(?:between|from)\s+{_CLOCK}\s*(?:and|to|until|till|-)\s*(?P<keep>(?P<hour>{_TWELVE}))\b(?![:.,/]\d)(?!\s*(?:[°%µ]|degrees?|percent|ppm|[kc]?m\b|m/s|hpa|lux|days?|hours?))",
            after_named,
        ),
        (rf"(?:\b(?:at|to|and|until|till)\s+|-\s*)(?P<keep>{_HOUR}\s?(?:h|hrs))\b", written),
    )  # fmt: skip


def week_forms(board: Board) -> Iterable[RecurringForm]:
    """Returns the forms of days of every week."""

    def days(*wanted: int, note: str) -> Callable[[re.Match[str]], Recurring]:
        def make(found: re.Match[str]) -> Recurring:
            board.notes.append(f'"{found.group().strip(" (),")}" is {note}')
            return Recurring(weekdays=wanted)

        return make

    def week_days(found: re.Match[str]) -> Recurring:
        return Recurring(
            weekdays=tuple(
                sorted(
                    {_weekday(name) for name in re.findall(_DAY_NAME, found.groupdict().get("keep") or found.group())}
                )
            )
        )

    def week_range(found: re.Match[str]) -> Recurring:
        first, last = _weekday(found["first"]), _weekday(found["last"])
        count = (last - first) % 7 + 1
        board.notes.append(f'"{found.group().strip(" ()")}" is those days of every week')
        return Recurring(weekdays=tuple(sorted((first + step - 1) % 7 + 1 for step in range(count))))

    work = days(1, 2, 3, 4, 5, note="Monday to Friday")
    rest = days(6, 7, note="every Saturday and Sunday")
    on = r"\b(?:only\s+)?(?:on|at|during|over|in|for)\s+(?:the\s+|all\s+(?:the\s+)?)?"
    beside = rf"(?:{on}|\b(?:than|and|or|versus|vs\.?)\s+(?:the\s+|on\s+|at\s+)*)"
    not_group = "".join(rf"(?<!\b{word}\s)" for word in ("per", "by", "which", "each", "every", "what", "many"))
    mon_to_fri = r"\(?\s*\bmon(?:day)?s?\s*(?:-|to|through|until|till)\s*fri(?:day)?s?\b\s*\)?"
    sat_and_sun = r"\(?\s*\bsat(?:urday)?s?\s*(?:and|-|to|/|&|\+|,)\s*sun(?:day)?s?\b\s*\)?"
    one = rf"(?:{'|'.join(f'{name}s' for name in WEEKDAYS)})"
    return (
        (rf"(?:{on})?{not_group}\b(?:week\s?days|working\s*-?days|work\s*days|business\s+days)\b(?:\s*(?:,|that\s+is|i\.?e\.?)?\s*{mon_to_fri})?", work),
        (rf"{on}(?:an?\s+)?(?:weekday|working\s+day|workday|business\s+day)\b", work),
        (rf"(?:{on})?{not_group}\bweek[\s-]?ends\b(?:\s*{sat_and_sun})?", rest),
        (rf"{beside}(?P<keep>(?:an?\s+)?week-?end\b(?:\s*{sat_and_sun})?)(?!\s+of\b)", rest),
        (rf"(?:{on})?\(?\s*\b(?P<first>{_DAY_NAME})s?\s*(?:-|to|through|thru|until|till)\s*(?P<last>{_DAY_NAME})s?\b\s*\)?", week_range),
        (rf"(?:{on})?{not_group}\b{one}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|\s+or\s+)(?:on\s+)?{one})*\b", week_days),
        # "Friday evenings" come every week; "Friday evening" is the latest one.
        (rf"(?:{on})?\b(?P<keep>{'|'.join(WEEKDAYS)})(?=\s+(?:mornings|afternoons|evenings|nights)\b)", week_days),
        (rf"(?:{on})?\b(?P<keep>weekend)s?(?=\s+(?:morning|afternoon|evening|night)s?\b)", rest),
        (rf"(?:{on})?\b(?P<keep>weekday)s?(?=\s+(?:morning|afternoon|evening|night)s?\b)", work),
        (rf"{on}(?:every|each|any|an?)\s+(?:{'|'.join(WEEKDAYS)})\b", week_days),
    )  # fmt: skip


def part_forms() -> Iterable[RecurringForm]:
    """Returns the forms of parts of every day; times of day must have been read before."""

    def part(found: re.Match[str]) -> Recurring:
        name = found.groupdict().get("part") or "day"
        first, last = DAY_PARTS[name]
        return Recurring(DayTime(first * 60, last * 60), name=name)

    return (
        (rf"(?:\b(?:in|during|on|at|over|by)\s+(?:the\s+)?)?{_NOT_EACH}\b(?P<part>morning|afternoon|evening|night)(?:s\b|[\s-]?(?:time|hours)\b|\b)(?!\s*-?\s*shift)", part),
        (r"\b(?:in|during|at|by)\s+(?:the\s+)?day[\s-]?(?:time|light(?:\s+hours)?)\b|\bduring\s+the\s+day\b|\bday-?time\b|\bday\s?light\s+hours\b", part),
        # Alone, "by day" is a breakdown; with hours behind it, it is a part of the day.
        (rf"\bby\s+day\b(?=\s*[(,]?\s*(?:from\s+|between\s+)?{MOMENT})", part),
    )  # fmt: skip


def _hour_of(hour: int, half: str | None, part: str | None) -> int:
    half = (half or "").replace(".", "").strip()
    if half or (part and hour <= 12):
        if not 1 <= hour <= 12:
            raise TimeError("The time of day is not a valid one.")
        if part == "morning" and hour == 12:
            return 12
        late = half == "pm" or part in {"afternoon", "evening"} or (part == "night" and 6 <= hour <= 11)
        return hour % 12 + (12 if late else 0)
    return hour


def _clock(hour: int, minute: int = 0, second: int = 0, *, seconds: bool = False) -> Moment:
    if hour == 24 and (minute or second):
        raise TimeError("The time of day is not a valid one.")
    start = BASE_DAY + timedelta(hours=hour, minutes=minute, seconds=second)
    return Moment(start, start + timedelta(seconds=1 if seconds else 60), Precision.CLOCK)


def _weekday(name: str) -> int:
    return WEEKDAYS.index(_SHORT.get(name, name)) + 1
