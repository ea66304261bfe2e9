"""What every part of a query hands on: a SELECT with a value for each group, and what else its rows say."""

from dataclasses import dataclass

from dataflow_insight.queries.query import Role


@dataclass(frozen=True, slots=True)
class Extra:
    """A column beside the value.

    Attributes:
        alias: Its name within the query.
        name: Its name in the result.
        role: What it holds.
    """

    alias: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Measured:
    """A SELECT with the columns of the keys, then `v` (the value), `n` (how many values are behind it) and the extras.

    Attributes:
        sql: The SELECT.
        name: Of the value in the result.
        extras: In the order of the result.
        order: How rows of one group follow each other, in SQL; empty where there is one row for each group.
        limit: Most rows; `None` for the limit of every result.
    """

    sql: str
    name: str
    extras: tuple[Extra, ...] = ()
    order: str = ""
    limit: int | None = None
