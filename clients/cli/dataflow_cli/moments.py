"""Times and lengths of time as they are written on a command line."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|min|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = timedelta(days=36_525)
"""A century: protobuf and Postgres hold it."""


def length_of_time(text: str) -> timedelta:
    """Reads `90s`, `15m`, `1h`, `7d`, also several together: `1h30m`.

    Raises:
        ValueError: It is none, or not positive.
    """
    compact = text.replace(" ", "").lower()
    parts = _LENGTH.findall(compact)
    if not parts or "".join(amount + unit for amount, unit in parts) != compact:
        raise ValueError(f"{text!r} is no length of time: write 30s, 15m, 1h or 7d")
    try:
        length = timedelta(seconds=sum(float(amount) * _SECONDS[unit] for amount, unit in parts))
    except OverflowError as error:
        raise ValueError(f"{text!r} is too long") from error
    if length > _LONGEST:
        raise ValueError(f"{text!r} is too long")
    if length <= timedelta(0):
        raise ValueError(f"{text!r} is not longer than nothing")
    return length


def point_in_time(text: str, now: datetime) -> datetime:
    """Reads RFC 3339, a date, or how long ago (`1h`); without a zone it is UTC.

    Raises:
        ValueError: It is none of them.
    """
    try:
        ago = length_of_time(text)
    except ValueError:
        pass
    else:
        return now - ago
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no time: write 2014-01-16, 2014-01-16T08:00:00Z, or 1h for an hour ago"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Moment(click.ParamType[datetime]):
    """A point in time as an option."""

    name = "time"

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Reads it."""
        if isinstance(value, datetime):
            return value
        try:
            return point_in_time(str(value), self._clock())
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


class Length(click.ParamType[timedelta]):
    """A length of time as an option."""

    name = "length"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Reads it."""
        if isinstance(value, timedelta):
            return value
        try:
            return length_of_time(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
