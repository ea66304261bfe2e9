"""Named SQL statements from the files in `sql/`."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

_MARK: Final = "-- name: "


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
