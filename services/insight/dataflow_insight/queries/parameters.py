"""The values of a query: each becomes a numbered parameter, never text of the statement."""

from typing import Final

_ARRAY: Final = "[]"


class Parameters:
    """Collects the values of one query; the same value of the same type has one number."""

    def __init__(self) -> None:
        self._values: list[object] = []
        self._numbers: dict[tuple[str, object], int] = {}

    @property
    def values(self) -> tuple[object, ...]:
        """The values, in the order of their numbers."""
        return tuple(self._values)

    def add(self, value: object, sql_type: str) -> str:
        """Returns the SQL that stands for a value, such as `$3::text`.

        Args:
            value: A tuple for an array.
            sql_type: What Postgres takes it for.
        """
        key = (sql_type, value)
        if key not in self._numbers:
            self._values.append(list(value) if sql_type.endswith(_ARRAY) and isinstance(value, tuple) else value)
            self._numbers[key] = len(self._values)
        return f"${self._numbers[key]}::{sql_type}"
