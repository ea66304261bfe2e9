"""Reads the catalogue from the database: bounded queries, a result that is used for some seconds."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Final

from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind, Rollup
from dataflow_insight.catalogue.values import ValueSamples
from dataflow_insight.queries.query import quoted
from dataflow_insight.queries.reads import Reads

MAX_CONTRACTS: Final = 200
MAX_DEVICES: Final = 2000
"""Most device ids that are read for each contract."""

_MAX_SPELLED: Final = 200
_FRESH_SECONDS: Final = 0.5
_SAMPLED_DEVICES: Final = 50
_CADENCE_DEVICES: Final = 4
_CADENCE_READINGS: Final = 200
_CADENCE_SHARE: Final = 0.9
_KINDS: Final = {
    "double precision": Kind.NUMBER,
    "numeric": Kind.NUMBER,
    "bigint": Kind.INTEGER,
    "boolean": Kind.BOOLEAN,
    "text": Kind.TEXT,
    "timestamptz": Kind.TIME,
}
"""What columns of a type hold; all others hold no single value."""

_CONTRACTS: Final = """
SELECT c.name, c.builtin, r.spec::text
FROM validator.contract c
JOIN validator.revision r
    ON r.contract = c.name AND r.revision = CASE WHEN c.active_revision > 0 THEN c.active_revision ELSE c.latest_revision END
ORDER BY c.builtin, c.name
LIMIT $1
"""

# Fields of all revisions: what an old one stored can still be asked about.
_COLUMNS: Final = """
SELECT contract, field, column_name, sql_type, unit, description
FROM validator.contract_column
WHERE contract = ANY($1::text[])
ORDER BY contract, first_revision, column_name
"""

_TABLES: Final = """
SELECT parent.relname::text, sum(part.reltuples) FILTER (WHERE part.reltuples >= 0)::bigint
FROM pg_class parent
JOIN pg_namespace space ON space.oid = parent.relnamespace AND space.nspname = 'readings'
LEFT JOIN pg_inherits ON inhparent = parent.oid
JOIN pg_class part ON part.oid = coalesce(inhrelid, parent.oid)
WHERE parent.relname = ANY($1::text[])
GROUP BY 1
"""

_ROLLUPS: Final = """
SELECT contract, nullif(rows_from, '-infinity'), nullif(rollups_from, '-infinity')
FROM validator.rollup
WHERE contract = ANY($1::text[])
  AND to_regclass(format('rollup.%I', contract || ':hour')) IS NOT NULL
  AND to_regclass(format('rollup.%I', contract || ':day')) IS NOT NULL
"""

# A loose index scan: each step jumps to the next device id in the primary key, however many readings each has.
_DEVICES: Final = """
WITH RECURSIVE found AS (
    (SELECT device_id, 1 AS number FROM {table} ORDER BY device_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.device_id FROM {table} t WHERE t.device_id > found.device_id ORDER BY t.device_id LIMIT 1), found.number + 1
    FROM found
    WHERE found.device_id IS NOT NULL AND found.number <= $1
)
SELECT device_id FROM found WHERE device_id IS NOT NULL
"""

_SPELLED: Final = """
SELECT word FROM unnest($1::text[]) AS word
WHERE EXISTS (SELECT FROM {table} t WHERE t.device_id = word)
"""

_EDGES: Final = """
SELECT min(edge.first_time), max(edge.last_time)
FROM unnest($1::text[]) AS device (device_id)
CROSS JOIN LATERAL (
    SELECT (SELECT t.event_time FROM {table} t WHERE t.device_id = device.device_id ORDER BY t.event_time LIMIT 1) AS first_time,
           (SELECT t.event_time FROM {table} t WHERE t.device_id = device.device_id ORDER BY t.event_time DESC LIMIT 1) AS last_time
) AS edge
"""

_STEPS: Final = """
SELECT EXTRACT(EPOCH FROM step)::double precision
FROM (
    SELECT event_time - lag(event_time) OVER (ORDER BY event_time) AS step
    FROM (SELECT event_time FROM {table} WHERE device_id = $1 ORDER BY event_time DESC LIMIT $2) AS newest
) AS steps
WHERE step IS NOT NULL
"""


class Survey:
    """The catalogue, read again when it is older than some seconds.

    Args:
        reads: Where it is read from.
        keep_seconds: How long it is used.
    """

    def __init__(self, reads: Reads, *, keep_seconds: float = 5.0) -> None:
        self._reads = reads
        self._samples = ValueSamples(reads)
        self._keep_seconds = keep_seconds
        self._lock = asyncio.Lock()
        self._catalogue: Catalogue | None = None
        self._read_at = 0.0

    async def catalogue(self, question: str, *, fresh: bool = False) -> Catalogue:
        """Returns what can be asked about; one caller reads, the others wait for it.

        Args:
            question: Where a contract has more devices than are read, those that it spells exactly are looked up.
            fresh: At most half a second old: before somebody is told that there is no such thing.
        """
        async with self._lock:
            keep_seconds = min(self._keep_seconds, _FRESH_SECONDS) if fresh else self._keep_seconds
            if self._catalogue is None or time.monotonic() - self._read_at > keep_seconds:
                self._catalogue = await read_catalogue(self._reads, self._samples)
                self._read_at = time.monotonic()
            catalogue = self._catalogue
        if all(contract.devices_complete for contract in catalogue.contracts):
            return catalogue
        return Catalogue(tuple([await self._with_devices(contract, question) for contract in catalogue.contracts]))

    async def _with_devices(self, contract: Contract, question: str) -> Contract:
        if contract.devices_complete:
            return contract
        # Postgres takes no NUL: such a word is no device.
        words = [word.strip(",;:?!()\"'") for word in question.split() if "\0" not in word]
        spelled = {*words, *(word.removesuffix(".").removesuffix("'s") for word in words)} - set(contract.devices)
        sql = _SPELLED.format(table=f"readings.{quoted(contract.name)}")
        found = [str(row[0]) for row in await self._reads.fetch(sql, sorted(spelled)[:_MAX_SPELLED])]
        return replace(contract, devices=(*contract.devices, *found), device_keys={}) if found else contract


async def read_catalogue(reads: Reads, samples: ValueSamples) -> Catalogue:
    """Returns all contracts that have a table in `readings`.

    Args:
        reads: Where it is read from.
        samples: What fields hold, read less often.
    """
    specs = {
        str(name): (bool(builtin), _json(spec)) for name, builtin, spec in await reads.fetch(_CONTRACTS, MAX_CONTRACTS)
    }
    names = list(specs)
    rows = {str(name): count for name, count in await reads.fetch(_TABLES, names)}
    columns: dict[str, list[Sequence[Any]]] = {}
    for contract, *column in await reads.fetch(_COLUMNS, names):
        columns.setdefault(str(contract), []).append(column)
    rollups = {str(name): Rollup(*horizon) for name, *horizon in await reads.fetch(_ROLLUPS, names)}
    contracts = []
    for name, (builtin, spec) in specs.items():
        if name in rows:
            fields = fields_of(spec, columns.get(name, []))
            contract = Contract(
                name,
                fields,
                builtin=builtin,
                description=str(spec.get("description") or ""),
                rows=rows[name],
                rollup=rollups.get(name),
            )
            contracts.append(await _surveyed(reads, samples, contract))
    return Catalogue(tuple(contracts))


async def _surveyed(reads: Reads, samples: ValueSamples, contract: Contract) -> Contract:
    """Returns a contract with its devices and what their readings show."""
    table = f"readings.{quoted(contract.name)}"
    devices = [str(row[0]) for row in await reads.fetch(_DEVICES.format(table=table), MAX_DEVICES)]
    sampled = devices[:_SAMPLED_DEVICES]
    first: datetime | None = None
    last: datetime | None = None
    if sampled:
        first, last = (await reads.fetch(_EDGES.format(table=table), sampled))[0]
    return replace(
        contract,
        fields=await samples.with_values(contract.name, contract.fields, devices),
        devices=tuple(devices[:MAX_DEVICES]),
        devices_complete=len(devices) <= MAX_DEVICES,
        device_keys={},
        first_time=first,
        last_time=last,
        cadence=await _cadence(reads, table, devices[:: max(1, len(devices) // _CADENCE_DEVICES)][:_CADENCE_DEVICES]),
    )


async def _cadence(reads: Reads, table: str, devices: list[str]) -> timedelta | None:
    """Returns the time between readings where nine of ten are equally far apart (within a fiftieth)."""
    steps: list[float] = []
    for device in devices:
        steps += [float(row[0]) for row in await reads.fetch(_STEPS.format(table=table), device, _CADENCE_READINGS)]
    if not steps:
        return None
    middle = round(median(steps))
    even = sum(1 for step in steps if abs(step - middle) <= 0.02 * middle)
    regular = middle > 0 and even >= _CADENCE_SHARE * len(steps)
    return timedelta(seconds=middle) if regular else None


def fields_of(spec: Mapping[str, Any], columns: Sequence[Sequence[Any]]) -> tuple[Field, ...]:
    """Returns the fields of a contract that can be asked about: without device and event time, in the contract's order.

    Args:
        spec: The contract as `validator.revision.spec` has it.
        columns: Field, column, SQL type, unit and description of each column that its revisions have.
    """
    entries = [entry for entry in spec.get("fields") or () if isinstance(entry, dict)]
    places = {str(entry.get("name")): place for place, entry in enumerate(entries)}
    event_time = str(spec.get("event_time") or "")
    found = []
    for name, column, sql_type, unit, description in columns:
        if str(name).strip("/") in {event_time.strip("/"), "device_id"}:
            continue
        kind = _KINDS.get(str(sql_type), Kind.OTHER)
        allowed = entries[places[str(name)]].get("enum") if str(name) in places else None
        values = tuple(str(value) for value in allowed or () if isinstance(value, str)) if kind is Kind.TEXT else ()
        found.append(
            Field(str(name), str(column), kind, str(unit), str(description), values, values_complete=bool(values))
        )
    return tuple(sorted(found, key=lambda item: places.get(item.name, len(places))))


def _json(spec: object) -> Mapping[str, Any]:
    read = json.loads(spec) if isinstance(spec, str) else spec
    return read if isinstance(read, dict) else {}
