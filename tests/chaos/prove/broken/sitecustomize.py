"""Breaks one promise of the services, for the tests of the checker alone.

Python imports a module of this name at its start when its directory is on PYTHONPATH; only `mutants.py` puts it there. It
changes functions of the services after they were imported, by what DATAFLOW_TEST_BREAK says. Nothing in the product knows
of it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def acknowledge_before_append(module: ModuleType) -> None:
    """The bridge acknowledges a message to its source when its batch is closed, not when it is on the ring."""
    batcher = module.Batcher
    append = batcher._append

    async def broken(self: Any, opened: Any) -> None:
        opened.done = True
        self._acknowledge_in_order()
        self._in_order.append(opened)  # for the real one, which takes it out again
        opened.acks, opened.cost = [], 0
        await append(self, opened)

    batcher._append = broken


def acknowledge_ring_before_commit(module: ModuleType) -> None:
    """The validator acknowledges a batch on the ring before its transaction."""
    pipeline = module.Pipeline
    transact = pipeline._transact

    async def broken(self: Any, group: Sequence[Any], **options: Any) -> Any:
        for item in group:
            reader = self._reader_of(item.entry.node)
            if reader is not None:
                await reader.acknowledge([item.entry])
        return await transact(self, group, **options)

    pipeline._transact = broken


def take_late_replies(module: ModuleType) -> None:
    """A bridge's connection stays open after a time-out, so that the late reply answers the next append."""
    connection_class = module.NodeConnection
    exchange = connection_class._exchange

    async def broken(self: Any, connection: Any, commands: Sequence[Any]) -> Any:
        if len(commands) != 1 or commands[0][0] != b"XADD":
            return await exchange(self, connection, commands)
        try:
            await connection.send_packed_command(connection.pack_command(*commands[0]), check_health=False)
            return [await connection.read_response(disable_decoding=True, disconnect_on_error=False)]
        except (module.RedisError, OSError) as error:
            await self.close()
            raise module.NodeUnreachableError(str(error)) from error

    connection_class._exchange = broken


BREAKS: dict[str, tuple[str, Callable[[ModuleType], None]]] = {
    "acknowledge-before-append": ("dataflow_bridge.batcher", acknowledge_before_append),
    "acknowledge-ring-before-commit": ("dataflow_validator.pipeline", acknowledge_ring_before_commit),
    "take-late-replies": ("dataflow_ring.connection", take_late_replies),
}


class _Finder(importlib.abc.MetaPathFinder):
    """Lets one module be imported as always, and changes it then."""

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._change = change

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def changed(module: ModuleType) -> None:
                execute(module)
                self._change(module)

            spec.loader.exec_module = changed  # type: ignore[method-assign]
        return spec


if found := BREAKS.get(os.environ.get("DATAFLOW_TEST_BREAK", "")):
    import importlib.util

    sys.meta_path.insert(0, _Finder(*found))
