"""The transactions of the raw log: their batches, and how many rows each of them left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Connection

from dataflow_validator.failure import of_lane
from dataflow_validator.jobs.contract_test.request import TestRequest
from dataflow_validator.readings.rows import readings_table

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_XID_MASK: Final = 2**32 - 1


class RowsOf(NamedTuple):
    """The rows of one transaction.

    Attributes:
        rows: So many.
        contents: Their content hashes, xored.
        revision: Of all of them; 0 where they have several.
    """

    rows: int
    contents: int
    revision: int


@dataclass(frozen=True, slots=True)
class Group:
    """The logged batches of one transaction."""

    xid: int
    batches: Sequence[Batch]

    @property
    def messages(self) -> int:
        """So many messages."""
        return sum(len(batch.messages) for batch in self.batches)

    def may_hold(self, request: TestRequest) -> bool:
        """Whether one of the messages was received when it is asked for."""
        if request.start is None and request.end is None:
            return True
        start = -(2**63) if request.start is None else (request.start - _EPOCH) // _MICROSECOND
        end = 2**63 if request.end is None else (request.end - _EPOCH) // _MICROSECOND
        return any(start <= message.receive_time_us < end for batch in self.batches for message in batch.messages)


async def rows_of(connection: Connection, contract: str, xids: Sequence[int]) -> dict[int, RowsOf]:
    """Counts the rows of transactions, between the least and the greatest of their ids.

    Args:
        connection: Any connection.
        contract: The contract.
        xids: Ids, full length.
    """
    if not xids:
        return {}
    records = await of_lane(
        contract,
        connection.fetch(
            f"""SELECT (stored_xid::text)::bigint AS xid, revision, count(*) AS rows, bit_xor(content_hash) AS contents
                FROM {readings_table(contract)} WHERE ((stored_xid::text)::bigint) BETWEEN $1 AND $2
                GROUP BY stored_xid, revision""",  # noqa: S608 - a contract's name is an identifier
            min(xids),
            max(xids),
        ),
    )
    found: dict[int, RowsOf] = {}
    for record in records:
        before = found.get(record["xid"])
        if before is None:
            found[record["xid"]] = RowsOf(record["rows"], record["contents"], record["revision"])
        else:
            found[record["xid"]] = RowsOf(before.rows + record["rows"], before.contents ^ record["contents"], 0)
    return found


def full_xid(xid: int, now_xid: int) -> int:
    """Gives a transaction's id its full length: `xmin` keeps 32 bits, and all are of the last 2^32."""
    full = now_xid & ~_XID_MASK | xid
    return full if full <= now_xid else full - _XID_MASK - 1
