"""What a data directory remembers between two runs: its ports, its nodes, and the servers that made its data."""

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from dataflow_stack.errors import StackError
from dataflow_stack.layout import Layout, write_private
from dataflow_stack.programs import Program

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Record:
    """The memory of a data directory.

    Attributes:
        port_base: Where the ports begin.
        redis_ports: Of the Redis nodes that hold data: the ring knows them by these.
        server_uid: Who owns the servers' data; None: whoever owns the data directory.
        redis: What made the data of the nodes.
        postgres: What made the Postgres cluster.
    """

    port_base: int | None = None
    redis_ports: tuple[int, ...] = ()
    server_uid: int | None = None
    redis: Program | None = None
    postgres: Program | None = None

    @classmethod
    def load(cls, layout: Layout) -> Self:
        """Reads it; a new data directory remembers nothing.

        Raises:
            StackError: It is damaged, or of a newer DataFlow.
        """
        try:
            text = layout.record.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls()
        try:
            values: dict[str, Any] = json.loads(text)
            if values.pop("format") > _FORMAT:
                raise StackError(f"{layout.record} was written by a newer DataFlow")
            values["redis_ports"] = tuple(values["redis_ports"])
            return cls(**values | {kind: _program(values.get(kind)) for kind in ("redis", "postgres")})
        except (ValueError, KeyError, TypeError) as error:
            raise StackError(f"{layout.record} is damaged: {error}") from error

    def save(self, layout: Layout) -> None:
        """Writes it."""
        write_private(layout.record, json.dumps({"format": _FORMAT} | asdict(self), indent=2, default=str) + "\n")

    def with_programs(self, redis: Program, postgres: Program) -> Self:
        """Returns it with the servers that open the data from now on."""
        return replace(self, redis=redis, postgres=postgres)


@dataclass(frozen=True, slots=True, repr=False)
class Passwords:
    """The generated passwords of the embedded servers."""

    redis: str
    superuser: str
    owner: str
    reader: str
    insight: str

    @classmethod
    def load_or_create(cls, layout: Layout) -> Self:
        """Reads them, and makes those that are missing: all in a new data directory, some in an older one.

        Raises:
            StackError: The file is damaged.
        """
        try:
            known = json.loads(layout.passwords.read_text(encoding="utf-8")) if layout.passwords.exists() else {}
            missing = {name: secrets.token_hex(16) for name in cls.__dataclass_fields__ if name not in known}
            made = cls(**known, **missing)
        except (ValueError, TypeError) as error:
            raise StackError(f"{layout.passwords} is damaged") from error
        if missing:
            write_private(layout.passwords, json.dumps(asdict(made), indent=2) + "\n")
        return made


def _program(value: dict[str, Any] | None) -> Program | None:
    return None if value is None else Program(**value | {"path": Path(value["path"])})
