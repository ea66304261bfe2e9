"""The moment that an export shows: what was stored before it, whatever is stored while the export reads.

An export reads page by page, each page in a transaction of its own, and asks of each row whether the snapshot of its
beginning saw the row's transaction. A Backfill that rewrites rows meanwhile gives them new transactions (and so does a
replay, where two items contested one key): while one works on rows, or has since the beginning, what is new is taken, too,
so that no row of before is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from dataflow_mesh.postgres import Pool

from dataflow_validator.readings.queries import Query
from dataflow_validator.time_messages import microseconds, moment_of

_CUT: Final = "SELECT pg_current_snapshot()::text AS snapshot, clock_timestamp() AS moment"

_REWRITTEN: Final = (
    "(SELECT EXISTS (SELECT FROM validator.job j WHERE j.kind IN ('BACKFILL', 'REPLAY_QUARANTINED') AND NOT j.dry_run "
    "AND j.start_time IS NOT NULL AND (j.end_time IS NULL OR j.end_time >= {moment})))"
)


@dataclass(frozen=True, slots=True)
class Cut:
    """A moment of the database.

    Attributes:
        snapshot: Text of a pg_snapshot.
        moment: By the database's clock.
    """

    snapshot: str
    moment: datetime

    @classmethod
    async def now(cls, pool: Pool) -> Self:
        """Takes this moment."""
        row = await pool.fetchrow(_CUT)
        assert row is not None
        return cls(row["snapshot"], row["moment"])

    def condition(self, query: Query) -> str:
        """Returns what holds for the rows `r` that were stored before."""
        snapshot = query.argument(self.snapshot, "text")
        moment = query.argument(self.moment, "timestamptz")
        return f"(pg_visible_in_snapshot(r.stored_xid, {snapshot}::pg_snapshot) OR {_REWRITTEN.format(moment=moment)})"

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON, for the checkpoint of a job."""
        return {"snapshot": self.snapshot, "moment": microseconds(self.moment)}

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> Self:
        """Reads what `to_dict` returned."""
        return cls(written["snapshot"], moment_of(written["moment"]))
