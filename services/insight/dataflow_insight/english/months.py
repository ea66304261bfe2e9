"""Months and years: how questions write them, and which year and month are meant where one is not written."""

import re
from typing import Final

from dataflow_insight.english.clock import Clock
from dataflow_insight.english.moments import MONTHS, Board, Moment, TimeError, word_pattern

MONTH_NAMES: Final = word_pattern(MONTHS)
"""Pattern of the name of a month."""

MONTH: Final = rf"(?P<month>{MONTH_NAMES})\b\.?"
"""Pattern of a month, under the name month."""

YEAR: Final = r"(?P<year>(?:19|20)\d\d)\b(?!-\d)"
"""Pattern of a year, under the name year."""

IN_YEAR: Final = rf"(?:(?:,?\s*(?:of\s+|in\s+)?|\s*/\s*){YEAR})?"
"""Pattern of the year that may follow a month or a day."""

DAY_NUMBER: Final = r"(?:0?[1-9]|[12]\d|3[01])"
"""Pattern of a day of the month."""

SUFFIX: Final = r"(?:(?:st|nd|rd|th)\b|\.(?=[\s-])|\b)"
"""Pattern of what may follow a day's number."""


class Months:
    """Finds the year and the month of an expression that leaves them out.

    Args:
        board: Gets the notes.
        clock: Knows the data.
    """

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        years = re.findall(
            rf"(?:{MONTH_NAMES})\b\.?(?:\s+{DAY_NUMBER}{SUFFIX})?,?\s*(?:of\s+)?((?:19|20)\d\d)\b(?![\w%])",
            board.sheet.low,
        )
        self._written_year = int(years[0]) if len(set(years)) == 1 else None

    def of(self, found: re.Match[str], day: int) -> tuple[int, int]:
        """Returns the year and month of an expression with the groups year and month.

        Raises:
            TimeError: There is no such month, or it is not known.
        """
        groups = found.groupdict()
        written, name = groups.get("year"), groups.get("month")
        if name is None:
            return self.of_data()
        month = int(name) if name.isdigit() else MONTHS[name]
        if not 1 <= month <= 12:
            raise TimeError("That date does not exist.")
        return (int(written) if written else self.year_of(month, day, found.group())), month

    def year_of(self, month: int, day: int, text: str) -> int:
        """Returns the year of a date without one, and notes it.

        Raises:
            TimeError: No year has such a date.
        """
        year = self._written_year or self._clock.year_of(month, day)
        if year is None:
            raise TimeError("That date does not exist.")
        note = f'"{" ".join(text.split())}" is in {year}'
        if not self._written_year and note not in self._board.notes:
            self._board.notes.append(note)
        return year

    def of_data(self) -> tuple[int, int]:
        """Returns the year and month that all data lie in, and notes it.

        Raises:
            TimeError: They lie in several.
        """
        month = self._clock.month_of_data()
        if month is None:
            raise TimeError("The day has no month; please write the whole date.")
        self._board.notes.append(f"the day is in {month[0]}-{month[1]:02d}, the month that the data cover")
        return month

    def noted(self, found: re.Match[str], moment: Moment) -> Moment:
        """Notes what an expression was taken for, and returns that."""
        self._note(found, moment)
        return moment

    def _note(self, found: re.Match[str], moment: Moment) -> None:
        text = self._board.sheet.case[found.start() : found.end()].strip()
        self._board.notes.append(
            f'"{text}" is from {moment.start:%Y-%m-%d %H:%M} to before {moment.end:%Y-%m-%d %H:%M}'
        )
