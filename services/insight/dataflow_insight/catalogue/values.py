"""What text fields hold, and whole numbers that are states: the most frequent values of a bounded sample of readings."""

import time
from dataclasses import replace
from typing import Final

from dataflow_insight.catalogue.catalogue import Field, Kind
from dataflow_insight.queries.query import quoted
from dataflow_insight.queries.reads import Reads

MAX_VALUES: Final = 50
"""Most values that are kept of a text field."""

MAX_STATES: Final = 8
"""Most different values that a whole number has as a state."""

_KEEP_SECONDS: Final = 60.0
_DEVICES: Final = 20
_READINGS: Final = 250
_MAX_LENGTH: Final = 60
_MAX_FIELDS: Final = 30

# The newest readings of some devices, each by the primary key: the cost does not grow with the table.
_VALUES: Final = """
SELECT value::text
FROM unnest($1::text[]) AS device (device_id)
CROSS JOIN LATERAL (
    SELECT t.{column} AS value FROM {table} t WHERE t.device_id = device.device_id ORDER BY t.event_time DESC LIMIT $2
) AS newest
WHERE value IS NOT NULL
GROUP BY 1
ORDER BY count(*) DESC, 1
LIMIT $3
"""


class ValueSamples:
    """Values of fields, read again when they are older than a minute.

    Args:
        reads: Where they are read from.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._kept: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = {}

    async def with_values(self, contract: str, fields: tuple[Field, ...], devices: list[str]) -> tuple[Field, ...]:
        """Returns the fields with their values, where they are of a kind that has some.

        Args:
            contract: Whose readings.
            fields: All of them; those that already have values keep them.
            devices: Of which some are looked at.
        """
        sampled = devices[:: max(1, len(devices) // _DEVICES)][:_DEVICES]
        found = []
        for place, item in enumerate(fields):
            wanted = item.kind in {Kind.TEXT, Kind.INTEGER} and not item.values and place < _MAX_FIELDS
            found.append(await self._with_values(contract, item, sampled) if wanted and sampled else item)
        return tuple(found)

    async def _with_values(self, contract: str, item: Field, devices: list[str]) -> Field:
        key = (contract, item.column)
        read_at, values = self._kept.get(key, (0.0, ()))
        if not read_at or time.monotonic() - read_at > _KEEP_SECONDS:
            sql = _VALUES.format(column=quoted(item.column), table=f"readings.{quoted(contract)}")
            rows = await self._reads.fetch(sql, devices, _READINGS, MAX_VALUES)
            values = tuple(str(row[0]) for row in rows)
            self._kept[key] = (time.monotonic(), values)
        if item.kind is Kind.INTEGER:
            return replace(item, values=values) if len(values) <= MAX_STATES else item
        return replace(item, values=tuple(value for value in values if len(value) <= _MAX_LENGTH))
