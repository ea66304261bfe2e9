"""Named SQL statements from the files in `sql/`, and the types of the connections that run them."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import asyncpg
    import asyncpg.pool

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
"""A pool of connections to the validator's database."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection, of a pool or not."""

_MARK = "-- name: "


@cache
def statements(file: str) -> Mapping[str, str]:
    """Read the statements of one file.

    Args:
        file: Name of a file in `sql/`, without its ending.

    Returns:
        The text of each statement by its name; a statement begins with a line `-- name: its_name`.
    """
    text = resources.files("dataflow_validator").joinpath("sql", f"{file}.sql").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for part in text.split(_MARK)[1:]:
        name, _, body = part.partition("\n")
        found[name.strip()] = body.strip().removesuffix(";")
    return found
