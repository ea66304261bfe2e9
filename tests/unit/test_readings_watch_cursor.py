"""Cursors of watches, and how far behind a watch says it is."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest
from dataflow_mesh.postgres import Pool
from dataflow_validator.errors import CursorForeignError, CursorInvalidError
from dataflow_validator.readings.horizon import Horizon
from dataflow_validator.readings.watch_cursor import Database, Position, decode_cursor, encode_cursor

_HERE = Database(system=7_710_641_187_286_229_702, timeline=1, oid=16_386)
_KEY = ("roof-1 \u00fc", datetime(2024, 1, 30, 1, 2, 3, 456_789, tzinfo=UTC), UUID(int=5))


@pytest.mark.parametrize("position", [Position(0), Position(2**62), Position(731, _KEY)])
def test_a_cursor_says_what_was_put_into_it(position: Position) -> None:
    """Every point comes back exactly."""
    assert decode_cursor(encode_cursor(_HERE, "weather", position), _HERE, "weather", 2**63 - 1) == position


@pytest.mark.parametrize(
    ("now", "next_xid", "difference"),
    [
        (replace(_HERE, system=1), 1_000, "system"),
        (replace(_HERE, timeline=2), 1_000, "timeline"),
        (replace(_HERE, oid=1), 1_000, "database"),
        (_HERE, 730, "ahead"),
    ],
)
def test_a_cursor_of_other_numbers_is_foreign(now: Database, next_xid: int, difference: str) -> None:
    """After a restore, a failover or in another database the numbers mean something else."""
    with pytest.raises(CursorForeignError) as caught:
        decode_cursor(encode_cursor(_HERE, "weather", Position(731, _KEY)), now, "weather", next_xid)
    assert caught.value.metadata == {"difference": difference}


def test_a_cursor_that_was_changed_or_is_of_another_contract_is_none() -> None:
    """Each changed character is found, and so is the cursor of another contract."""
    cursor = encode_cursor(_HERE, "weather", Position(731))
    for place in range(len(cursor)):
        other = "B" if cursor[place] == "A" else "A"
        with pytest.raises(CursorInvalidError):
            decode_cursor(cursor[:place] + other + cursor[place + 1 :], _HERE, "weather", 2**62)
    with pytest.raises(CursorInvalidError):
        decode_cursor(cursor, _HERE, "wind", 2**62)


class Transactions:
    """A database that only counts transactions, and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.next_xid = 100
        self.oldest_open = 100

    async def fetchrow(self, _: str) -> dict[str, Any]:
        return {
            "oldest_open": self.oldest_open,
            "next_xid": self.next_xid,
            "system": 1,
            "timeline": 1,
            "database": 1,
        }

    def clock(self) -> float:
        return self.now


async def test_a_watch_is_as_far_behind_as_the_oldest_thing_that_it_has_not_sent() -> None:
    """The lag is the age of the last moment of which everything committed was sent; at least, where nobody remembers."""
    database = Transactions()
    horizon = Horizon(cast(Pool, database), database.clock)
    for second in range(60):
        database.now, database.next_xid = float(second), 100 + second
        await horizon.look()
    assert horizon.behind_seconds(159) == 0.0
    assert horizon.behind_seconds(149) == 10.0
    assert horizon.behind_seconds(5) == 59.0
    database.now = 4_000.0
    assert horizon.behind_seconds(159) == 3_941.0


async def test_watches_share_a_look() -> None:
    """Whoever knows less than the last look gets that one; nobody asks the database again so soon."""
    database = Transactions()
    horizon = Horizon(cast(Pool, database), database.clock)
    first = await horizon.look()
    database.oldest_open = 200
    assert await horizon.look() is first
    database.now = 1.0
    second = await horizon.look(first)
    assert second.oldest_open == 200
    assert await horizon.look(first) is second
