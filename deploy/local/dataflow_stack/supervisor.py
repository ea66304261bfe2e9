"""Starts everything in order, keeps it alive, and ends it in the opposite order."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import psutil

from dataflow_stack import counters, logs, probes, status
from dataflow_stack.buffer import buffer_of
from dataflow_stack.child import Child, ChildSpec, Health
from dataflow_stack.errors import StackError
from dataflow_stack.layout import Layout
from dataflow_stack.leftovers import end_leftovers, forget, remember
from dataflow_stack.node_probe import NodeFill, NodeProbe
from dataflow_stack.options import Options
from dataflow_stack.postgres import Postgres
from dataflow_stack.postgres_probe import PostgresProbe
from dataflow_stack.preparation import Preparation
from dataflow_stack.privileges import reachable
from dataflow_stack.redis_node import RedisNode
from dataflow_stack.services import Kind, Services, fleet_installed

_log = logging.getLogger(__name__)

_READY_SECONDS: Final = 120.0
_EARLY_DEATHS: Final = 5
_STATUS_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 5.0

Probe = Callable[[Child], Awaitable[bool]]


class Supervisor:
    """One stack, from its start to its end.

    Args:
        options: What was asked for.
        layout: Its data directory, locked.
        on_ready: Called once, with the status, when everything serves.
        on_status: Called every second with the status after that.
    """

    def __init__(
        self,
        options: Options,
        layout: Layout,
        on_ready: Callable[[status.Document], None],
        on_status: Callable[[status.Document], None],
    ) -> None:
        self._options = options
        self._layout = layout
        self._on_ready = on_ready
        self._on_status = on_status
        self._stopping = asyncio.Event()
        self._children: list[Child] = []
        self._counters = counters.Counters()
        self._addresses: status.Document = {}
        self._metrics_ports: dict[str, int] = {}
        self._metrics: dict[tuple[str, int | None], str] = {}
        """What each process showed last, by name and pid."""
        self._nodes: tuple[RedisNode, ...] = ()
        self._probes: dict[str, NodeProbe] = {}
        self._postgres_probe: PostgresProbe | None = None

    async def run(self) -> None:
        """Runs the stack until SIGINT, SIGTERM or SIGHUP; a second signal ends everything at once.

        Raises:
            StackError: It did not come up; all that was started has been ended again.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)
        end_leftovers(self._layout)
        prepared = Preparation.make(self._options, self._layout)
        try:
            await self._live(prepared)
        except ExceptionGroup as group:
            # One failure is told as itself, not as a group of one.
            found = group.subgroup(StackError)
            raise (found or group).exceptions[0] from group

    async def _live(self, prepared: Preparation) -> None:
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(self._stopping.wait(), name="stopping")
            try:
                starting = asyncio.create_task(self._start(group, prepared), name="start")
                await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not starting.done():
                    starting.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await starting
                else:
                    starting.result()
                    reporting = group.create_task(self._report(), name="report")
                    await stopping
                    reporting.cancel()
            finally:
                stopping.cancel()
                await self._stop()
                self._layout.status.unlink(missing_ok=True)
                forget(self._layout)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            _log.warning("second signal: ending everything at once")
            for child in self._children:
                child.kill()
        else:
            _log.info("%s: ending in order", number.name)
            self._stopping.set()

    async def _start(self, group: asyncio.TaskGroup, prepared: Preparation) -> None:
        layout, ports = self._layout, prepared.ports
        postgres = Postgres(ports.postgres, prepared.passwords)
        self._postgres_probe = postgres.probe()
        self._nodes = tuple(
            RedisNode(f"redis-{index}", ports.redis(index), prepared.passwords.redis, self._options.node_memory << 20)
            for index in range(prepared.nodes)
        )
        self._addresses = status.addresses(layout, ports, postgres, self._nodes)
        binary = str(reachable(prepared.redis, prepared.user))
        self._probes = {node.name: node.probe() for node in self._nodes}
        servers = [
            self._run(group, node.prepare(layout, binary, prepared.user), _always(self._probes[node.name].serves))
            for node in self._nodes
        ]
        # initdb takes a second or two: not on the loop that watches the nodes.
        specification = await asyncio.to_thread(
            postgres.prepare, layout, reachable(prepared.postgres, prepared.user), prepared.user
        )
        servers.append(self._run(group, specification, _always(self._postgres_probe.serves)))
        await self._serving(servers)
        await postgres.provision()

        services = Services(layout=layout, ports=ports, postgres=postgres, nodes=self._nodes)
        await self._serving([self._run_service(group, services, kind, index) for kind, index in self._wanted()])

        document = await self._document()
        status.write(layout, document)
        self._on_ready(document)
        if self._options.fleet and fleet_installed():
            self._run(group, services.fleet(), _lives)

    def _wanted(self) -> Iterator[tuple[Kind, int]]:
        options = self._options
        counts: dict[Kind, int] = {
            "bridge": options.bridges,
            "validator": options.validators,
            "insight": options.insights,
        }
        return ((kind, index) for kind, count in counts.items() for index in range(count))

    def _run_service(self, group: asyncio.TaskGroup, services: Services, kind: Kind, index: int) -> Child:
        spec = services.specification(kind, index)
        self._metrics_ports[spec.name] = services.metrics_port(kind, index)
        return self._run(group, spec, self._probe(services.listening(kind)))

    def _run(self, group: asyncio.TaskGroup, spec: ChildSpec, serves: Probe) -> Child:
        _log.info("starting %s", spec.name)
        child = Child(spec, serves, self._remember)
        self._children.append(child)
        group.create_task(child.run(), name=spec.name)
        return child

    def _remember(self) -> None:
        """Writes down what runs, for the start after a death of this process."""
        remember(self._layout, [child.pid for child in self._children if child.pid is not None])

    async def _serving(self, children: Sequence[Child]) -> None:
        """Waits until all of them serve.

        Raises:
            StackError: One dies again and again, or does not serve in time.
        """
        waiting = {asyncio.create_task(child.serving(), name=f"serving {child.name}"): child for child in children}
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while waiting:
                    done, _ = await asyncio.wait(waiting, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        del waiting[task]
                    for child in waiting.values():
                        if child.early_deaths >= _EARLY_DEATHS:
                            raise StackError(_failed(child, "does not start"))
        except TimeoutError:
            child = next(iter(waiting.values()))
            raise StackError(_failed(child, f"does not serve after {_READY_SECONDS:.0f} s")) from None
        finally:
            for task in waiting:
                task.cancel()

    def _probe(self, ports: frozenset[int]) -> Probe:
        """Returns what asks one process: by its own metrics, since several share the port on which they serve."""

        async def serves(child: Child) -> bool:
            if child.pid is None:
                return False
            if child.health is Health.STARTING:
                if not probes.listens(child.pid, ports):
                    return False
                await self._look(child)
            return counters.serves(self._metrics.get((child.name, child.pid), ""))

        return serves

    async def _look(self, child: Child) -> None:
        """Reads what a process shows of itself: often while it starts, then once a second for its health and counts."""
        pid = child.pid
        text = await probes.metrics(self._metrics_ports[child.name])
        if pid == child.pid:  # else it is of one that has died, and another has its port
            self._metrics[child.name, pid] = text

    async def _report(self) -> None:
        while True:
            started = time.monotonic()
            document = await self._document()
            status.write(self._layout, document)
            self._on_status(document)
            logs.cap(self._layout.logs)
            await asyncio.sleep(max(0.1, _STATUS_SECONDS - (time.monotonic() - started)))

    async def _document(self) -> status.Document:
        watched = [child for child in self._children if child.pid is not None and child.name in self._metrics_ports]
        await asyncio.gather(*(self._look(child) for child in watched))
        alive = {(child.name, child.pid) for child in watched}
        self._metrics = {key: text for key, text in self._metrics.items() if key in alive}
        self._counters.update(time.monotonic(), {key: counters.counts(text) for key, text in self._metrics.items()})
        fills = await self._fills()
        return self._addresses | {
            "pid": os.getpid(),
            "processes": [_entry(child) for child in self._children],
            "totals": {name: int(value) for name, value in self._counters.totals.items()},
            "rates": {name: round(value, 1) for name, value in self._counters.rates.items()},
            "lag": sum(fill.depth for fill in fills.values() if fill is not None),
            "lag_seconds": round(counters.lag_seconds(self._metrics.values()), 3),
            "ledger": counters.ledger(self._metrics.values()),
            "ring": buffer_of(fills, counters.buffer_left(self._metrics.values())).document(),
        }

    async def _fills(self) -> dict[str, NodeFill | None]:
        answers = await asyncio.gather(*(probe.fill() for probe in self._probes.values()))
        return dict(zip(self._probes, answers, strict=True))

    async def _stop(self) -> None:
        for prefix in ("fleet", "bridge", "validator", "insight", "postgres", "redis"):
            children = [child for child in self._children if child.name.startswith(prefix)]
            if prefix == "postgres" and self._postgres_probe is not None:
                await self._postgres_probe.close()
            if prefix == "validator" and children:
                await self._drained()
            await asyncio.gather(*(child.stop() for child in children))
        for probe in self._probes.values():
            probe.close()

    async def _drained(self) -> None:
        """Waits a little until the ring is empty: what is left stays on its disk, for the next start."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while any(fill.depth for fill in (await self._fills()).values() if fill):  # noqa: ASYNC110 - others empty it
                    await asyncio.sleep(0.1)


def _always(serves: Callable[[], Awaitable[bool]]) -> Probe:
    async def probe(_: Child) -> bool:
        return await serves()

    return probe


async def _lives(child: Child) -> bool:
    return child.pid is not None


def _entry(child: Child) -> dict[str, Any]:
    pid = child.pid
    started: float | None = None
    with contextlib.suppress(psutil.Error):
        started = psutil.Process(pid).create_time() if pid is not None else None
    return {
        "name": child.name,
        "pid": pid,
        "rss": child.rss_bytes,
        "health": str(child.health),
        "restarts": child.restarts,
        "started": started,
    }


def _failed(child: Child, what: str) -> str:
    return f"{child.name} {what}. The end of its log, {child.spec.log}:\n{child.log_tail()}"
