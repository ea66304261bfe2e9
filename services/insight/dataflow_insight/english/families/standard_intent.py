"""What a plain question asks for, beside groups: measures, counts, sums, gaps, the newest, the time of it."""

from dataclasses import dataclass, field

from dataflow_insight.english.families.standard_measures import Word


@dataclass(slots=True)
class Intent:
    """What the words ask for.

    Attributes:
        words: Measure words, in the order of the question.
        count: Asks how many.
        hours: What is counted is called hours (or minutes): length in seconds; 0 for readings.
        how_often: What is counted is called times.
        total: Asks for a sum.
        latest: Asks for the newest.
        missing: Asks for readings without a value.
        distinct: Asks for different values.
        coverage: Asks which time the data cover.
        first: Asks for the beginning.
        when: Asks for a time.
        date: Asks for a day ("on which date").
        devices: Asks about the devices themselves ("list the stations").
        device_count: Asks how many devices.
        ranked: Asks for an order of groups.
        upward: The order begins with the highest.
        how_much: "How much …".
        most: The extreme was the word "most", "least" or "fewest".
        comparative: Asks which of several is higher or lower: 1 or -1; 0 for no.
        yes_no: Asks whether.
        ever: "Ever", "at least once".
        combined: Asks for one answer over several devices.
        plural: Speaks of devices in the plural.
        readings: Speaks of readings.
        now: Asks about the present.
    """

    words: list[Word] = field(default_factory=list)
    count: bool = False
    hours: int = 0
    how_often: bool = False
    total: bool = False
    latest: bool = False
    missing: bool = False
    distinct: bool = False
    coverage: bool = False
    first: bool = False
    when: bool = False
    date: bool = False
    devices: bool = False
    device_count: bool = False
    ranked: bool = False
    upward: bool = True
    how_much: bool = False
    most: bool = False
    comparative: int = 0
    yes_no: bool = False
    ever: bool = False
    combined: bool = False
    plural: bool = False
    readings: bool = False
    now: bool = False

    @property
    def extremes(self) -> list[Word]:
        """The highest and lowest asked for."""
        return [word for word in self.words if word.extreme]

    @property
    def asks(self) -> bool:
        """Whether any measure is asked for."""
        return bool(
            self.words or self.count or self.total or self.latest or self.first or self.missing or self.coverage
            or self.how_often or self.hours or self.devices or self.distinct
        )  # fmt: skip
