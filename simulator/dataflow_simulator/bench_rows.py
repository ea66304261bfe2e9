"""What became of the messages of a bench run, by the rows in Postgres against the generator's own log."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

from dataflow_simulator.histogram import quantile_of_buckets
from dataflow_simulator.load import LaneLog
from dataflow_simulator.packets import FIRST_SEQUENCE, LANE_STRIDE
from dataflow_simulator.visibility import Snapshot, first_seen

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_GROWTH: Final = 1.01


@dataclass(frozen=True, slots=True)
class BenchTable:
    """The table of one bench contract."""

    contract: str
    sent_column: str
    """The column with the time at which the message should have been sent."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows against log."""

    rows: int
    """Rows of the run."""
    stored: int
    """Different messages among them."""
    lost: int
    """Messages that are acknowledged and neither row nor in quarantine."""
    quarantined: int
    """Messages of the run in quarantine; a good run has none."""

    @property
    def duplicates(self) -> int:
        """Rows that are a second copy of a message."""
        return self.rows - self.stored


@dataclass(frozen=True, slots=True)
class StoredLane:
    """Rows of one lane: their number, and the different sequence numbers within what was published."""

    rows: int
    different: int


def count_lost(
    lanes: Iterable[LaneLog], stored: dict[tuple[str, int], StoredLane], unacknowledged_rows: int
) -> tuple[int, int, int]:
    """Returns rows, different messages, and acknowledged messages without a row.

    Args:
        lanes: The generator's log.
        stored: By device and first sequence of the lane.
        unacknowledged_rows: How many of the messages without an acknowledgement have a row nevertheless: they must not
            stand in for one that was acknowledged and is missing.
    """
    rows = different = acknowledged = 0
    for lane in lanes:
        found = stored.get((lane.device_id, lane.first_sequence), StoredLane(0, 0))
        rows += found.rows
        different += found.different
        acknowledged += lane.published - len(lane.unacknowledged)
    return rows, different, acknowledged - (different - unacknowledged_rows)


async def count_rows(
    connection: Connection, tables: Sequence[BenchTable], run: str, lanes: Sequence[LaneLog]
) -> RowCounts:
    """Counts the rows of a run, exactly, by the sequence numbers of each device."""
    stored: dict[tuple[str, int], StoredLane] = {}
    unacknowledged_rows = 0
    missing = [(lane.device_id, number) for lane in lanes for number in lane.unacknowledged]
    for table in tables:
        for record in await connection.fetch(
            f"SELECT device_id, (seq - $3) / $4 AS lane, count(*) AS rows, count(DISTINCT seq) AS different "  # noqa: S608  # our own names
            f'FROM readings."{table.contract}" WHERE device_id >= $1 AND device_id < $2 GROUP BY 1, 2',
            *_device_range(run), FIRST_SEQUENCE, LANE_STRIDE,
        ):  # fmt: skip
            key = (record["device_id"], FIRST_SEQUENCE + record["lane"] * LANE_STRIDE)
            stored[key] = StoredLane(record["rows"], record["different"])
        if missing:
            unacknowledged_rows += await connection.fetchval(
                f'SELECT count(*) FROM (SELECT DISTINCT device_id, seq FROM readings."{table.contract}" '  # noqa: S608
                "WHERE (device_id, seq) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))) AS found",
                [device for device, _ in missing], [number for _, number in missing],
            )  # fmt: skip
    quarantined = int(
        await connection.fetchval(
            "SELECT count(*) FROM validator.quarantine WHERE device_id >= $1 AND device_id < $2", *_device_range(run)
        )
    )
    rows, different, missing_rows = count_lost(lanes, stored, unacknowledged_rows)
    return RowCounts(rows, different, max(0, missing_rows - quarantined), quarantined)


async def row_latencies(
    connection: Connection, tables: Sequence[BenchTable], run: str, snapshots: Sequence[Snapshot]
) -> tuple[float | None, float | None]:
    """Returns median and 99th percentile, in ms, of the time from the intended send to the visible row, over all rows."""
    transactions: set[int] = set()
    for table in tables:
        records = await connection.fetch(
            f'SELECT DISTINCT stored_xid::text FROM readings."{table.contract}" '  # noqa: S608
            "WHERE device_id >= $1 AND device_id < $2",
            *_device_range(run),
        )
        transactions.update(int(record[0]) for record in records)
    seen = first_seen(transactions, snapshots)
    buckets: defaultdict[int, int] = defaultdict(int)
    for table in tables:
        for bucket, count in await connection.fetch(
            "WITH seen AS MATERIALIZED (SELECT * FROM unnest($3::text[], $4::float8[]) AS s (xid, at)) "  # noqa: S608
            "SELECT ceil(ln(greatest((s.at - extract(epoch FROM r.sent)) * 1000, 0.01)) / ln($5::float8))::int, count(*) "
            f'FROM (SELECT stored_xid::text AS xid, "{table.sent_column}" AS sent FROM readings."{table.contract}" '
            "WHERE device_id >= $1 AND device_id < $2) AS r JOIN seen AS s USING (xid) GROUP BY 1",
            *_device_range(run), [str(xid) for xid in seen], list(seen.values()), _GROWTH,
        ):  # fmt: skip
            buckets[bucket] += count
    median, high = (quantile_of_buckets(buckets, fraction) for fraction in (0.5, 0.99))
    return (
        None if median is None else math.pow(_GROWTH, median),
        None if high is None else math.pow(_GROWTH, high),
    )


def _device_range(run: str) -> tuple[str, str]:
    """Returns the first device id of a run and the first one after it; a dot follows the hyphen in ASCII."""
    return f"{run}-", f"{run}."
