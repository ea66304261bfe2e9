"""Whether two databases hold the same: rows, quarantine and rollups of a contract, compared as sorted values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import asyncpg

_AT_ONCE: Final = 5_000
_SHOWN: Final = 5

_ROWS: Final = """SELECT line FROM (SELECT ROW(device_id, event_time, receive_time, message_id, content_hash, maybe_duplicate, ts, temperature,
    humidity, co2, occupancy, extra)::text AS line FROM readings."{name}") lines ORDER BY line COLLATE "C" """
_QUARANTINE: Final = """SELECT line FROM (SELECT ROW(contract, kind, device_id, topic, payload, element, reasons, receive_time, event_time,
    message_id, id_kind, content_hash, batch_id, position, sender_id, source_device_id, is_element, message_sha1)::text AS line
    FROM validator.quarantine WHERE contract = '{name}') lines ORDER BY line COLLATE "C" """
_ROLLUPS: Final = """SELECT line FROM (SELECT ROW(device_id, start, field, count, first_time, last_time, integer_min, integer_max, integer_sum,
    integer_first, integer_last, number_min, number_max, round(number_sum::numeric, 6), number_first, number_last)::text AS line
    FROM rollup."{name}:{level}") lines ORDER BY line COLLATE "C" """
WHAT: Final = {
    "rows": _ROWS,
    "quarantine": _QUARANTINE,
    "rollup_hours": _ROLLUPS.replace("{level}", "hour"),
    "rollup_days": _ROLLUPS.replace("{level}", "day"),
}
"""What is compared: all but what says when, by which transaction and revision, and under which number it was stored."""


@dataclass(slots=True)
class Difference:
    """How two lists of lines differ.

    Attributes:
        items: Lines of the first.
        only_first: Lines that only the first has.
        only_second: Lines that only the second has.
        samples: Some of them.
    """

    items: int = 0
    only_first: int = 0
    only_second: int = 0
    samples: list[str] | None = None

    @property
    def equal(self) -> bool:
        """Whether both have the same lines."""
        return not self.only_first and not self.only_second


async def compare(first: str, second: str, name: str) -> dict[str, Difference]:
    """Compares two databases, a line of each at a time.

    Args:
        first: DSN of the one that healed.
        second: DSN of the one that always was so.
        name: The contract.
    """
    one, two = await asyncpg.connect(first), await asyncpg.connect(second)
    try:
        return {what: await _compare(one, two, sql.replace("{name}", name)) for what, sql in WHAT.items()}
    finally:
        await one.close()
        await two.close()


async def _compare(one: Any, two: Any, sql: str) -> Difference:
    found = Difference(samples=[])
    assert found.samples is not None
    async with one.transaction(readonly=True), two.transaction(readonly=True):
        left, right = await _Lines.of(one, sql), await _Lines.of(two, sql)
        while left.line is not None or right.line is not None:
            if left.line == right.line:
                found.items += 1
                await left.next()
                await right.next()
                continue
            only_first = right.line is None or (left.line is not None and left.line < right.line)
            lines = left if only_first else right
            if len(found.samples) < _SHOWN:
                found.samples.append(f"only {'healed' if only_first else 'always'}: {lines.line!r}")
            found.items += only_first
            found.only_first += only_first
            found.only_second += not only_first
            await lines.next()
    return found


class _Lines:
    """One sorted list, a page at a time."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._page: list[bytes] = []
        self.line: bytes | None = None

    @classmethod
    async def of(cls, connection: Any, sql: str) -> _Lines:
        lines = cls(await connection.cursor(sql))
        await lines.next()
        return lines

    async def next(self) -> None:
        if not self._page:
            records = await self._cursor.fetch(_AT_ONCE)
            self._page = [record["line"].encode() for record in reversed(records)]
        self.line = self._page.pop() if self._page else None
