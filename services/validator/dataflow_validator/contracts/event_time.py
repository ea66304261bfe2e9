"""When a reading was taken: the spellings of a moment that devices use, read exactly or refused.

Without a declared format, text is read in the forms of ISO 8601 that name one moment whatever the reader's habits: year
first, the date's separators "-", "/" or none, "T" or a space before the time, seconds optional, a fraction after a point
or a comma, a zone as "Z", "UTC", "GMT", "+02:00", "+0200" or "+02", and the date alone for its midnight. A leap second is
read; no zone is taken as UTC and flagged. Epoch numbers are seconds below 10^11, milliseconds below 10^14, microseconds
below 10^17 and nanoseconds above: each then means a date between 1966 (1973 but for seconds) and 5138. A declared format
reads nothing else: `rfc3339` its letter, with a zone; the epoch formats numbers, and text made of digits.

Postgres keeps microseconds; finer digits are cut off the row's time but stay part of an identity made of it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from dataflow_validator.contracts.reasons import Reason, describe, reason
from dataflow_validator.contracts.spec import EPOCH, EventTimeFormat

_TEXT: Final = re.compile(
    r"(\d{4})([-/]?)(\d\d)[-/]?(\d\d)"
    r"(?:[Tt ](\d\d)(:?)(\d\d)(?:\6(\d\d)(?:[.,](\d{1,64}))?)?(?: ?(?:([Zz]|UTC|GMT)|([+-])(\d\d):?(\d\d)?))?)?",
    re.ASCII,
)
_RFC3339: Final = re.compile(
    r"(\d{4})(-)(\d\d)-(\d\d)[Tt ](\d\d)(:)(\d\d):(\d\d)(?:\.(\d{1,64}))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,19})(?:\.\d{1,20})?", re.ASCII)
_UNITS: Final = {
    EventTimeFormat.EPOCH_S: 6,
    EventTimeFormat.EPOCH_MS: 3,
    EventTimeFormat.EPOCH_US: 0,
    EventTimeFormat.EPOCH_NS: -3,
}
_PLAIN_SIZES: Final = frozenset({20, 24, 27})
"""Of "2014-01-01T00:00:00Z" and the same with three or six fraction digits."""


class Moment(NamedTuple):
    """A moment read from a value.

    Attributes:
        time: In UTC, to the microsecond (rounded towards the past).
        zone_assumed: The text had no zone; it was taken as UTC.
        finer: What microseconds cannot hold: further fraction digits, or ":60" for a leap second; mostly "".
    """

    time: datetime
    zone_assumed: bool = False
    finer: str = ""


def read_moment(value: object, written: EventTimeFormat = EventTimeFormat.AUTO) -> Moment | None:
    """Read a moment from a JSON value.

    Args:
        value: Text or a number. Text made of digits is read only where an epoch format is declared.
        written: The declared format.

    Returns:
        The moment, or `None` where the value is not one.
    """
    if isinstance(value, str):
        if written in _UNITS:
            return _from_epoch(value, written) if _NUMBER.fullmatch(value) else None
        return _from_text(value, _RFC3339 if written is EventTimeFormat.RFC3339 else _TEXT)
    if isinstance(value, int | float) and not isinstance(value, bool) and written is not EventTimeFormat.RFC3339:
        return _from_epoch(str(value) if isinstance(value, int) else repr(value), written)
    return None


def _from_text(text: str, pattern: re.Pattern[str]) -> Moment | None:
    found = pattern.fullmatch(text)
    if found is None:
        return None
    year, separator, month, day, hour, _, minute, second, fraction, utc, sign, zone_hours, zone_minutes = found.groups()
    if hour is None and not separator:
        return None  # eight digits may just as well be a number
    leap = second == "60"
    try:
        seconds = 59 if leap else int(second or 0)
        time = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), seconds, tzinfo=UTC)
        if sign is not None:
            if int(zone_hours) > 23 or int(zone_minutes or 0) > 59:
                return None
            offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes or 0))
            time += -offset if sign == "+" else offset
        if leap:
            if (time.hour, time.minute) != (23, 59):
                return None  # a leap second is the last one of a UTC day
            time += timedelta(seconds=1)
        digits = fraction or ""
        time += timedelta(microseconds=int(digits[:6].ljust(6, "0")))
    except (ValueError, OverflowError):
        return None
    finer = digits[6:].rstrip("0")
    return Moment(time, utc is None and sign is None, f"{finer}:60" if leap else finer)


def _from_epoch(text: str, written: EventTimeFormat) -> Moment | None:
    try:
        number = Decimal(text)
        if not number.is_finite() or number.adjusted() > 20:
            return None
        shift = _UNITS.get(written)
        if shift is None:
            size = abs(number)
            shift = 6 if size < 10**11 else 3 if size < 10**14 else 0 if size < 10**17 else -3
            if size >= 10**20:
                return None
        exact = number.scaleb(shift)
        microseconds = int(exact // 1)
        if microseconds > exact:
            microseconds -= 1
        finer = exact - microseconds
        return Moment(
            EPOCH + timedelta(microseconds=microseconds), finer=format(finer, "f")[2:].rstrip("0") if finer else ""
        )
    except (ValueError, OverflowError, InvalidOperation):
        return None


def read_plain(value: object) -> datetime | None:
    """Read what devices send most, "2014-01-01T00:00:00Z" with or without three or six fraction digits, in a shortcut.

    Returns:
        The time, or `None` where `read_moment` has to say.
    """
    # `fromisoformat` also reads week dates, basic format, decimal commas: the separators rule these out.
    if (
        type(value) is str
        and (size := len(value)) in _PLAIN_SIZES
        and value[-1] == "Z"
        and value[10] == "T"
        and value[4] == value[7] == "-"
        and value[13] == value[16] == ":"
        and (size == 20 or value[19] == ".")
    ):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return None


def compile_reader(written: EventTimeFormat) -> Callable[[object], Moment | None]:
    """Make the function that reads values of one declared format, by the shortcut where that applies."""
    if written in _UNITS:
        return lambda value: read_moment(value, written)

    def read(value: object) -> Moment | None:
        time = read_plain(value)
        return read_moment(value, written) if time is None else Moment(time)

    return read


@dataclass(frozen=True, slots=True)
class Bounds:
    """The moments that a contract accepts as event time.

    Attributes:
        earliest: Inclusive.
        latest: Inclusive; `None` for no fixed end.
        ahead: How far after the receive time. The receive time stands for "now", so that a replay judges as live did.
    """

    earliest: datetime
    latest: datetime | None
    ahead: timedelta

    def hold(self, moment: datetime, receive_time: datetime) -> bool:
        """Say whether a moment is within the bounds."""
        return (
            moment >= self.earliest
            and (moment <= receive_time or moment - receive_time <= self.ahead)
            and (self.latest is None or moment <= self.latest)
        )

    def reasons(self, tokens: tuple[str, ...], value: object, moment: datetime, receive_time: datetime) -> list[Reason]:
        """Say why a moment is out of bounds; empty when it is within."""
        found = []
        if moment < self.earliest:
            limit = self.earliest.isoformat()
            text = f"the event time {describe(value)} is before {limit}"
            found.append(reason(tokens, "eventTimeMinimum", f"at or after {limit}", value, text))
        latest = receive_time + self.ahead
        if self.latest is not None and self.latest < latest:
            latest = self.latest
        if moment > latest:
            text = f"the event time {describe(value)} is after {latest.isoformat()}"
            found.append(reason(tokens, "eventTimeMaximum", f"at or before {latest.isoformat()}", value, text))
        return found
