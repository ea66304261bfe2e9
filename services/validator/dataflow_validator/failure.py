"""What a failure of Postgres means: the item, the moment, or us."""

from __future__ import annotations

import enum
from collections.abc import Awaitable
from typing import Final, TypeVar

import asyncpg

T = TypeVar("T")


class Failure(enum.Enum):
    """What to do after a failed transaction."""

    CULPRIT = "culprit"
    """An item's data (SQLSTATE classes 22, 23 and 54, an index entry too long): find it, quarantine it, store the rest."""
    MOMENT = "moment"
    """Postgres is away, busy, or chose us as a deadlock's victim (08, 25, 40, 53, 55, 57, 58): try again."""
    DEFECT = "defect"
    """The table or the statement (42, XX and all others): nobody's data is at fault; stop and raise an alarm."""


DATABASE_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # "cannot switch to state …": what asyncpg 0.32 says when a connection died under a statement and is reset.
    asyncpg.InternalClientError,
    OSError,
    EOFError,
    TimeoutError,
)
"""All that a statement raises when it did not do its work."""

_MOMENT_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})


class LaneError(Exception):
    """The table of a contract does not work; `__cause__` is what Postgres said."""

    def __init__(self, contract: str) -> None:
        super().__init__(f"the table of contract {contract!r} does not work")
        self.contract = contract


class LaneBusyError(Exception):
    """Somebody keeps the table of a contract locked; `__cause__` is what Postgres said."""

    def __init__(self, contract: str) -> None:
        super().__init__(f"the table of contract {contract!r} is locked")
        self.contract = contract


class ContractBrokenError(Exception):
    """The revision of a contract that should judge does not compile here: its messages wait."""

    def __init__(self, contract: str, revision: int) -> None:
        super().__init__(f"revision {revision} of contract {contract!r} does not compile")
        self.contract = contract
        self.revision = revision


def failure_of(error: BaseException) -> Failure:
    """Return what an exception of a store transaction means."""
    if isinstance(error, asyncpg.PostgresError):
        # asyncpg refuses a value that it cannot encode with a DataError of class 22 of its own.
        sqlstate = getattr(error, "sqlstate", None) or "XX000"
        if sqlstate[:2] in {"22", "23", "54"}:
            return Failure.CULPRIT
        return Failure.MOMENT if sqlstate[:2] in _MOMENT_CLASSES else Failure.DEFECT
    if isinstance(error, DATABASE_ERRORS):
        # InterfaceError: the connection was closed under the statement.
        return Failure.MOMENT
    return Failure.DEFECT


async def of_lane(contract: str, work: Awaitable[T]) -> T:
    """Do work on the table of a contract; what is wrong with the table is that contract's trouble alone."""
    try:
        return await work
    except asyncpg.LockNotAvailableError as error:
        raise LaneBusyError(contract) from error
    except asyncpg.PostgresError as error:
        if failure_of(error) is Failure.DEFECT:
            raise LaneError(contract) from error
        raise
