"""Nodes that join, drain and leave while data flow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, Self

from dataflow.bridge.v1 import node_pb2
from dataflow_client import AsyncClient, DataflowError
from dataflow_client.errors import NodeNotFoundError

from tests.chaos.prove import nodes
from tests.chaos.prove.history import History
from tests.chaos.prove.nodes import ExtraNode
from tests.chaos.prove.plan import Step
from tests.chaos.prove.processes import RECOVERY_SECONDS, RecoveryError

_MOST: Final = 3
_DRAIN_SECONDS: Final = 300.0
"""Validators may be minutes behind, and must have read all that the node holds."""
_RETRY_SECONDS: Final = 0.5
_CANCELLED_SHARE: Final = 0.3
_CANCEL_SECONDS: Final = 1.0


class Members:
    """Nodes of the campaign's own that come and go.

    Args:
        client: May change the ring.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._stack = AsyncExitStack()
        self._present: list[ExtraNode] = []
        self._changing = asyncio.Lock()
        self._made = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def urls(self) -> dict[str, str]:
        """Those that are members now."""
        return {node.name: node.url for node in self._present}

    async def change(self, verb: str, step: Step, history: History) -> None:
        """Adds, drains or removes a node; whatever has to come before that is done, too.

        Raises:
            RecoveryError: The ring did not do it in time.
        """
        async with self._changing:
            if verb == "add" and len(self._present) < _MOST:
                await self._add(history)
                return
            if not self._present:
                await self._add(history)
            node = self._present[int(step.share * len(self._present))]
            await self._drain(node, step, history)
            if verb != "drain" or step.strength >= _CANCELLED_SHARE:
                await self._remove(node, history)

    async def _add(self, history: History) -> None:
        self._made += 1
        name = f"added-{self._made}"
        event = history.begin("add node", name)
        node = await self._stack.enter_async_context(nodes.extra_node(name))
        await nodes.admit(self._client, node.name, node.url)
        self._present.append(node)
        history.end(event)

    async def _drain(self, node: ExtraNode, step: Step, history: History) -> None:
        cancel = step.fault == "drain node" and step.strength < _CANCELLED_SHARE
        event = history.begin("drain node", node.name, "cancelled after a second" if cancel else "")
        await self._tried("drain", node.name, self._client.ring.drain_node)
        if cancel:
            await asyncio.sleep(_CANCEL_SECONDS)
            await self._tried("cancel the drain of", node.name, self._client.ring.cancel_drain)
        else:
            await self._until_state(node.name, {node_pb2.NODE_STATE_DRAINED})
        history.end(event)

    async def _remove(self, node: ExtraNode, history: History) -> None:
        event = history.begin("remove node", node.name)
        await self._tried("remove", node.name, self._client.ring.remove_node)
        self._present.remove(node)
        history.end(event)
        # Its server is left running to the end: a late writer must be refused by it, not by its absence.

    async def _tried(self, what: str, name: str, call: Callable[[str], Awaitable[object]]) -> None:
        """Makes a call, which may be repeated, until it is answered; other faults may be in its way.

        Raises:
            RecoveryError: It is not.
        """
        deadline = asyncio.get_running_loop().time() + RECOVERY_SECONDS
        while True:
            try:
                await call(name)
            except DataflowError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise RecoveryError(f"{what} {name}: {error}") from error
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _until_state(self, name: str, wanted: set[int]) -> None:
        deadline = asyncio.get_running_loop().time() + _DRAIN_SECONDS
        while (state := await self._state(name)) not in wanted:
            if asyncio.get_running_loop().time() > deadline:
                raise RecoveryError(f"{name} is in state {state}, not in {wanted}, after {_DRAIN_SECONDS:.0f} s")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _state(self, name: str) -> int | None:
        """Returns the state; None where it is no member; -1 where nobody answers."""
        try:
            node = await self._client.ring.get_node(name)
        except NodeNotFoundError:
            return None
        except DataflowError:
            return -1
        return int(node.state)
