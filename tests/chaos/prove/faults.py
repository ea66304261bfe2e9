"""What each fault of a plan does. Every one of them ends by itself, and waits, within limits, until its target serves."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Final

import asyncpg

from tests.chaos.prove.contract_edits import edit_contract
from tests.chaos.prove.database import lease_holder, terminate_backends
from tests.chaos.prove.history import History
from tests.chaos.prove.messages import LANES
from tests.chaos.prove.node_faults import NodeFaults
from tests.chaos.prove.plan import Step
from tests.chaos.prove.processes import Process, freeze, send, tried
from tests.chaos.prove.proxy import Proxy
from tests.chaos.prove.system import System

_LONGEST_FREEZE: Final = 5.0
_LONGEST_CUT: Final = 4.0
_MOST_DELAY: Final = 0.3
_STATUS_SECONDS: Final = 2.5
"""Until what a bridge says of its sessions is not of before."""


class Faults:
    """Makes the faults of a plan.

    Args:
        system: What is broken.
        history: Told of everything that is done.
    """

    def __init__(self, system: System, history: History) -> None:
        self._system = system
        self._history = history
        self._nodes = NodeFaults(system, history)

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
                await self._nodes.wipe(step)
            case ("fill", "memory"):
                await self._nodes.fill_memory(step)
            case ("fill", "disk"):
                await self._nodes.fill_disk(step)
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
            holder = await lease_holder(self._system.dsn)
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
        cut = await tried(step.fault, lambda: terminate_backends(self._system.dsn, share))
        event.detail = f"{cut} connections"
        self._history.end(event)

    # --- ring

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
        event.detail = await tried(step.fault, lambda: edit_contract(system.client, contract, step.strength))
        self._history.end(event)
