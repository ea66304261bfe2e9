"""What each fault of a plan does. Every one of them ends by itself, and waits, within limits, until its target serves."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import asyncpg
from dataflow_client import AsyncClient, DataflowError
from dataflow_ring.connection import NodeUnreachableError, ReplyError

from tests.chaos.prove import nodes
from tests.chaos.prove.broker import Broker, Source
from tests.chaos.prove.contract_edits import edit_contract
from tests.chaos.prove.history import History
from tests.chaos.prove.membership import Members
from tests.chaos.prove.messages import LANES
from tests.chaos.prove.nodes import ExtraNode
from tests.chaos.prove.plan import Step
from tests.chaos.prove.processes import Process, Processes, RecoveryError, freeze, send
from tests.chaos.prove.proxy import Proxy

T = TypeVar("T")

_LONGEST_FREEZE: Final = 5.0
_LONGEST_CUT: Final = 4.0
_MOST_DELAY: Final = 0.3
_WIPE_FREEZE: Final = 5.0
_SAFE_SECONDS: Final = 60.0
_TRIES_SECONDS: Final = 60.0
_STATUS_SECONDS: Final = 2.5
"""Until what a bridge says of its sessions is not of before."""


@dataclass(frozen=True, slots=True)
class Brokered:
    """A broker, the source that reads it, and the proxy through which it is published to."""

    broker: Broker
    source: Source
    publishers: Proxy


@dataclass(slots=True, kw_only=True)
class System:
    """All that can be broken."""

    data_dir: Path
    dsn: str
    client: AsyncClient
    processes: Processes
    stack_nodes: Mapping[str, str]
    """URLs of the nodes that the stack runs, by name."""
    extra: list[ExtraNode]
    """Nodes of the campaign's own that stay: the first one is behind a proxy, one may have a small disk."""
    members: Members | None
    """Comes and goes; None: nodes stay as they are."""
    clients: Proxy
    """Between some of the clients and the listener."""
    brokered: Brokered | None
    """None: no broker here."""
    wiping: asyncio.Lock = field(default_factory=asyncio.Lock)
    safe_after: float = 0.0
    """Milliseconds since the epoch: batches that are older may have lost one of their copies."""


class Faults:
    """Makes the faults of a plan.

    Args:
        system: What is broken.
        history: Told of everything that is done.
    """

    def __init__(self, system: System, history: History) -> None:
        self._system = system
        self._history = history

    async def make(self, step: Step) -> None:
        """Makes one fault and returns when it is over.

        Raises:
            RecoveryError: Its target did not serve again.
        """
        verb, _, target = step.fault.partition(" ")
        match verb, target:
            case ("kill" | "freeze", "leader"):
                await self._signal(step, verb, await self._leader(step))
            case ("kill", "bridges" | "validators" | "ring"):
                await self._kill_all(step, {"ring": "redis"}.get(target, target.removesuffix("s")))
            case ("freeze", "ring"):
                await self._freeze_ring(step)
            case ("kill", "extra"):
                await self._kill_extra(step)
            case ("end" | "freeze", "broker"):
                await self._break_broker(step, verb)
            case ("kill" | "freeze" | "end", kind):
                await self._signal(step, verb, await self._system.processes.choose(kind, step.share))
            case ("blackout", _):
                await self._kill_all(step, "")
            case ("cut", "postgres"):
                await self._cut_postgres(step)
            case ("cut" | "slow" | "swallow", "clients"):
                await self._break_proxy(step, verb, self._system.clients, "clients")
            case ("cut" | "slow" | "swallow", "node"):
                await self._break_node_proxy(step, verb)
            case ("wipe", _):
                await self._wipe(step)
            case ("fill", "memory"):
                await self._fill_memory(step)
            case ("fill", "disk"):
                await self._fill_disk(step)
            case ("add" | "drain" | "remove", "node"):
                await self._change_members(step, verb)
            case ("edit", "contract"):
                await self._edit_contract(step)
            case _:
                raise ValueError(f"no such fault: {step.fault!r}")

    # --- processes

    async def _signal(self, step: Step, verb: str, process: Process) -> None:
        """Kills, ends or freezes a process; the supervisor starts it again where it ends.

        A bridge or validator that does not move for long is killed by its supervisor meanwhile: that is meant.
        """
        event = self._history.begin(step.fault, process.name, f"pid {process.pid}")
        if verb == "freeze":
            seconds = 0.5 + step.strength * (_LONGEST_FREEZE - 0.5)
            event.detail += f", {seconds:.1f} s"
            await freeze(process.pid, seconds)
            await self._system.processes.serves(process)
        elif verb == "end":
            # To SIGTERM Postgres waits for ever for the clients that it has.
            send(process, signal.SIGINT if process.name == "postgres" else signal.SIGTERM)
            await self._system.processes.comes_back(process)
        else:
            send(process, signal.SIGKILL)
            await self._system.processes.comes_back(process)
        self._history.end(event)

    async def _leader(self, step: Step) -> Process:
        """Returns the bridge that leads; any bridge while none does, or Postgres does not tell."""
        name = "bridge"
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            holder = await _lease_holder(self._system.dsn)
            names = [process.name for process in self._system.processes.running("bridge")]
            name = next((one for one in names if one in holder), name)
        return await self._system.processes.choose(name, step.share)

    async def _freeze_ring(self, step: Step) -> None:
        """Freezes every node of the stack at once."""
        running = self._system.processes.running("redis")
        seconds = 0.5 + step.strength * (_LONGEST_FREEZE - 0.5)
        event = self._history.begin(step.fault, "redis", f"{len(running)} nodes, {seconds:.1f} s")
        await asyncio.gather(*(freeze(process.pid, seconds) for process in running))
        for process in running:
            await self._system.processes.serves(process)
        self._history.end(event)

    async def _kill_all(self, step: Step, kind: str) -> None:
        """Kills every process of a kind at once, or of the whole stack, as when the power fails and the disk stays."""
        running = self._system.processes.running(kind)
        event = self._history.begin(step.fault, kind or "all", f"{len(running)} processes")
        for process in running:
            send(process, signal.SIGKILL)
        for process in running:
            await self._system.processes.comes_back(process)
        self._history.end(event)

    async def _kill_extra(self, step: Step) -> None:
        node = self._system.extra[int(step.share * len(self._system.extra))]
        async with node.busy:
            event = self._history.begin(step.fault, node.name)
            await asyncio.to_thread(node.server.kill)
            await asyncio.sleep(step.strength * _LONGEST_CUT)
            await asyncio.to_thread(node.server.start)
            self._history.end(event)

    async def _break_broker(self, step: Step, verb: str) -> None:
        """Ends the broker in order and starts it again, or freezes it.

        Not kill -9: Mosquitto writes down what it acknowledged only now and then, and when it ends in order. And since it
        forgets shared subscriptions even so (seen with 2.0.11), its publishers are held off until the bridges have
        subscribed again: what it acknowledges before that is lost by itself.
        """
        brokered = self._system.brokered
        if brokered is None:
            self._history.skip(step.fault, "no broker here")
            return
        broker = brokered.broker
        async with broker.busy:
            seconds = step.strength * _LONGEST_CUT
            event = self._history.begin(step.fault, "mosquitto", f"{seconds:.1f} s")
            if verb == "freeze":
                await freeze(broker.pid, seconds)
            else:
                async with brokered.publishers.closed():
                    await asyncio.to_thread(broker.stop)
                    await asyncio.sleep(seconds)
                    await asyncio.to_thread(broker.start)
                    await asyncio.sleep(_STATUS_SECONDS)
                    await brokered.source.until_connected()
            self._history.end(event)

    # --- network

    async def _break_proxy(self, step: Step, verb: str, proxy: Proxy, target: str) -> None:
        seconds = 0.5 + step.strength * (_LONGEST_CUT - 0.5)
        if verb == "cut":
            event = self._history.begin(step.fault, target)
            proxy.cut()
        elif verb == "slow":
            delay = 0.01 + step.share * _MOST_DELAY
            event = self._history.begin(step.fault, target, f"{delay * 1000:.0f} ms for {seconds:.1f} s")
            await proxy.slow(delay, seconds)
        else:
            event = self._history.begin(step.fault, target, f"{seconds:.1f} s")
            await proxy.swallow(seconds)
        self._history.end(event)

    async def _break_node_proxy(self, step: Step, verb: str) -> None:
        found = [node for node in self._system.extra if node.proxy is not None]
        if not found or found[0].proxy is None:
            self._history.skip(step.fault, "no node is behind a proxy")
            return
        await self._break_proxy(step, verb, found[0].proxy, found[0].name)

    async def _cut_postgres(self, step: Step) -> None:
        """Cuts the connections of services to Postgres, a part of them or all."""
        share = step.share if step.strength < 0.7 else 1.0
        event = self._history.begin(step.fault, "postgres")
        cut = await self._tried(step, lambda: _terminate_backends(self._system.dsn, share))
        event.detail = f"{cut} connections"
        self._history.end(event)

    # --- ring nodes

    async def _wipe(self, step: Step) -> None:
        """Kills a node of the stack and removes what it had on disk, every other time while Postgres is frozen.

        Then it holds what the other nodes hold only one more copy of. It comes back empty and is admitted again. A
        second node must not lose its disk before the batches of that time have a second copy, or are stored.
        """
        system = self._system
        async with system.wiping:
            await system.processes.all_serve()
            if not await self._is_safe():
                self._history.skip(step.fault, "the ring still held batches that an earlier wipe left with one copy")
                return
            freezing: asyncio.Task[None] | None = None
            if step.strength < 0.5:
                postgres = await system.processes.choose("postgres", 0.0)
                freezing = asyncio.create_task(freeze(postgres.pid, _WIPE_FREEZE), name="freeze-postgres")
                await asyncio.sleep(_WIPE_FREEZE / 2)
            process = await system.processes.choose("redis", step.share)
            url = system.stack_nodes[process.name]
            event = self._history.begin(step.fault, process.name, "postgres frozen" if freezing else "")
            event.detail += f"; held {await nodes.held(url) or 'nothing'}"
            _unlink_data(system.data_dir / process.name)
            send(process, signal.SIGKILL)
            if freezing is not None:
                await freezing
            await system.processes.comes_back(process)
            await nodes.admit(system.client, process.name, url)
            system.safe_after = time.time() * 1000
            self._history.end(event)

    async def _is_safe(self) -> bool:
        """Waits until no batch has one copy alone since the last wipe; False when that takes too long.

        That is so when the ring says so, or when no batch is left of before.
        """
        deadline = time.monotonic() + _SAFE_SECONDS
        urls = [*self._system.stack_nodes.values(), *(node.server.url for node in self._system.extra)]
        while time.monotonic() < deadline:
            with contextlib.suppress(NodeUnreachableError):
                if min([await nodes.oldest_milliseconds(url) for url in urls]) > self._system.safe_after:
                    return True
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                if await _is_replicated(self._system.dsn, self._system.safe_after / 1000):
                    return True
            await asyncio.sleep(0.3)
        return False

    async def _fill_memory(self, step: Step) -> None:
        """Lets a node refuse everything new: it is FULL, and is read on."""
        urls = [*self._system.stack_nodes.items(), *((node.name, node.server.url) for node in self._system.extra)]
        name, url = urls[int(step.share * len(urls))]
        seconds = 1.0 + step.strength * _LONGEST_CUT
        event = self._history.begin(step.fault, name, f"{seconds:.1f} s")
        before = await self._tried(step, lambda: nodes.set_memory_limit(url, None))
        await asyncio.sleep(seconds)
        await self._tried(step, lambda: nodes.set_memory_limit(url, max(before, 1 << 28)))
        self._history.end(event)

    async def _fill_disk(self, step: Step) -> None:
        """Leaves a node without room on its disk: with `appendfsync always` Redis then ends itself."""
        node = next((node for node in self._system.extra if node.small_disk), None)
        if node is None:
            self._history.skip(step.fault, "a small file system can not be mounted here")
            return
        async with node.busy:
            seconds = 1.0 + step.strength * _LONGEST_CUT
            event = self._history.begin(step.fault, node.name, f"{seconds:.1f} s")
            await nodes.fill_disk(node, seconds)
            if not node.server.running:
                event.detail += ", it died"
                await asyncio.to_thread(node.server.stop)  # its guard would take it for forgotten, and clear up
                await asyncio.to_thread(node.server.start)
            self._history.end(event)

    async def _change_members(self, step: Step, verb: str) -> None:
        members = self._system.members
        if members is None:
            self._history.skip(step.fault, "this campaign keeps its nodes")
            return
        await members.change(verb, step, self._history)

    # --- contracts

    async def _edit_contract(self, step: Step) -> None:
        contract = LANES[int(step.share * len(LANES))].contract
        event = self._history.begin(step.fault, contract)
        system = self._system
        event.detail = await self._tried(
            step, lambda: edit_contract(system.dsn, system.client, contract, step.strength)
        )
        self._history.end(event)

    async def _tried(self, step: Step, work: Callable[[], Awaitable[T]]) -> T:
        """Does something until it works: other faults may be in its way.

        Raises:
            RecoveryError: It did not work in time.
        """
        deadline = time.monotonic() + _TRIES_SECONDS
        while True:
            try:
                async with asyncio.timeout(_TRIES_SECONDS):
                    return await work()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, DataflowError, ReplyError) as error:
                if time.monotonic() > deadline:
                    raise RecoveryError(f"{step.fault}: {error}") from error
            await asyncio.sleep(0.5)


async def _terminate_backends(dsn: str, share: float) -> int:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND datname = current_database() AND pid <> pg_backend_pid() AND random() < $1",
                share,
                timeout=10,
            )
        )
    finally:
        await connection.close()


async def _lease_holder(dsn: str) -> str:
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return str(await connection.fetchval("SELECT holder FROM bridge.lease WHERE name = 'ring'", timeout=5))
    finally:
        await connection.close()


async def _is_replicated(dsn: str, after: float) -> bool:
    """Returns whether the leader has compared all nodes since a moment and found nothing that has too few copies."""
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return bool(
            await connection.fetchval(
                "SELECT under_replicated = 0 AND observe_time > to_timestamp($1) FROM bridge.replication",
                after,
                timeout=5,
            )
        )
    finally:
        await connection.close()


def _unlink_data(directory: Path) -> None:
    """Removes the files of a running Redis: what the process still writes goes where nobody will find it."""
    for name in ("appendonlydir", "appendonly.aof", "dump.rdb"):
        path = directory / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
