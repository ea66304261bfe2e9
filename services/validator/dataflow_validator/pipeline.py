"""The path of a batch through the validator: taken, unpacked, judged, stored, and only then acknowledged on the ring."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

import asyncpg
from dataflow_mesh.postgres import Pool
from dataflow_ring.batch import BatchUnreadableError, unpack
from dataflow_ring.consume import Entry, NodeReader, Origin

from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.failure import (
    DATABASE_ERRORS,
    ContractBrokenError,
    Failure,
    LaneBusyError,
    LaneError,
    failure_of,
)
from dataflow_validator.judged import JudgedBatch, judge_batch
from dataflow_validator.parked.records import parked_identity
from dataflow_validator.postgres_watch import PostgresWatch
from dataflow_validator.readings.partitions import Partitions, months_of
from dataflow_validator.readings.rows import event_months
from dataflow_validator.statements import statements
from dataflow_validator.store import CatalogChangedError, Stored, store

logger = logging.getLogger(__name__)

_SQL: Final = statements("store")

_REMEMBERED: Final = 20_000
_TAKE_BACK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How much is done at once, and when a batch is given up."""

    max_batches: int = 32
    """Batches in one transaction."""
    max_messages: int = 6_000
    """Messages in one transaction, passed by one batch at most: bounds how long a statement holds the event loop."""
    queue_batches: int = 48
    """Batches that wait here; readers wait while it is full."""
    max_lone_deaths: int = 3
    """Readers that may die over a batch that they work on alone; then it is parked."""
    max_late_batches: int = 1_000
    """Batches that wait for a locked table while others go on; when so many do, all wait."""
    max_late_messages: int = 12_000
    """Messages of these."""
    lane_retry_seconds: float = 5.0
    """How long a contract whose table does not work is left alone."""


@dataclass(slots=True)
class Counters:
    """What this process did since it started; telemetry reads it."""

    batches: int = 0
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    quarantined: int = 0
    parked: int = 0
    transactions: int = 0
    transaction_seconds: float = 0.0
    judge_seconds: float = 0.0
    retries: int = 0
    suspects: int = 0
    stopped_lanes: int = 0


class _Group:
    """Judged batches that will be stored together."""

    def __init__(self) -> None:
        self.judged: list[JudgedBatch] = []
        self.batch_ids: set[bytes] = set()
        self.messages = 0

    def add(self, judged: Iterable[JudgedBatch]) -> None:
        """Add batches."""
        for item in judged:
            self.judged.append(item)
            self.batch_ids.add(item.batch.batch_id)
            self.messages += item.batch.message_count


class Pipeline:
    """Takes entries from all nodes' readers (it is their `Sink`) and makes rows of them."""

    def __init__(
        self,
        pool: Pool,
        registry: Registry,
        partitions: Partitions,
        reader_of: Callable[[str], NodeReader | None],
        options: PipelineOptions | None = None,
    ) -> None:
        self.counters = Counters()
        self._pool = pool
        self._registry = registry
        self._partitions = partitions
        self._reader_of = reader_of
        self._options = options or PipelineOptions()
        self._queue: asyncio.Queue[Entry] = asyncio.Queue(self._options.queue_batches)
        self._passed_over: deque[Entry] = deque()
        """New entries that stood among suspects in the queue; they are next."""
        self._held: dict[bytes, int] = {}
        self._recent: OrderedDict[bytes, None] = OrderedDict()
        self._rules = Rules(registry.current)
        self._postgres = PostgresWatch(pool)
        self._stopped_lanes: dict[str, tuple[float, str]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy: set[str] = set()
        """Contracts whose table somebody keeps locked."""
        self._late = _Group()
        """Batches that wait for one of these."""
        self._lone: UUID | None = None
        """The batch whose next death is counted already."""

    # --- what readers ask

    async def put(self, entry: Entry) -> None:
        """Take an entry; waits while the queue is full."""
        self._hold(entry.batch_id)
        try:
            await self._queue.put(entry)
        except asyncio.CancelledError:
            # Its reader ends. A batch that seems to be held for ever would never be taken from another node either.
            self._let_go(entry.batch_id)
            raise

    def holds(self, batch_id: bytes) -> bool:
        """Whether the batch is in the queue or in a transaction of this process."""
        return batch_id in self._held

    async def ready(self) -> None:
        """Return when Postgres answers and this process is not stopping."""
        await self._postgres.ready()

    async def committed(self, batch_ids: Sequence[bytes]) -> Collection[bytes]:
        """Return those of the batches that are stored or parked."""
        unknown = [
            UUID(bytes=batch_id) for batch_id in batch_ids if batch_id not in self._recent and len(batch_id) == 16
        ]
        found = {batch_id for batch_id in batch_ids if batch_id in self._recent}
        if unknown:
            try:
                records = await self._pool.fetch(_SQL["find_committed"], unknown)
            except DATABASE_ERRORS as error:
                self._postgres.failed(error)
                return found
            for record in records:
                batch_id = record["batch_id"].bytes
                found.add(batch_id)
                self._remember(batch_id)
        return found

    async def park(self, entry: Entry, reason: str) -> None:
        """Keep a batch without judging it, and acknowledge its entry: a node brought it back from an earlier membership."""
        self._hold(entry.batch_id)
        try:
            await self._park(entry, reason)
        except asyncio.CancelledError:
            self._let_go(entry.batch_id)
            raise

    @property
    def postgres_up(self) -> bool:
        """Whether the last statement found Postgres."""
        return self._postgres.is_ready

    @property
    def queue_share(self) -> float:
        """How full the queue is, 0 to 1: above 0 live data waits."""
        return self._queue.qsize() / self._options.queue_batches

    @property
    def stopped_lanes(self) -> tuple[str, ...]:
        """Contracts whose table does not work at the moment."""
        return tuple(sorted(self._lanes_down()))

    # --- the loops

    async def run(self) -> None:
        """Take, judge and store for ever: what is judged while a transaction runs makes up the next one."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._postgres.watch(), name="watch-postgres")
            group = _Group()
            storing: asyncio.Task[None] | None = None
            storing_late: asyncio.Task[None] | None = None
            arriving = tasks.create_task(self._take(), name="take")
            while True:
                if group.judged and storing is None:
                    storing = tasks.create_task(self._store(group.judged), name="store")
                    group = _Group()
                if self._late.judged and storing_late is None:
                    storing_late = tasks.create_task(self._store_late(self._late.judged), name="store-late")
                    self._late = _Group()
                full = self._is_full(group) or self._is_late_full()
                waiting: set[asyncio.Task[Any]] = set() if full else {arriving}
                waiting |= {task for task in (storing, storing_late) if task is not None}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if storing is not None and storing.done():
                    storing = None
                if storing_late is not None and storing_late.done():
                    storing_late = None
                if arriving not in waiting or not arriving.done():
                    continue
                entry = arriving.result()
                # An orphan is not known to be innocent either: its first reader may have died with its node.
                suspect = entry.origin is not Origin.NEW
                if suspect or entry.batch_id in group.batch_ids:
                    # A suspect works alone, and two copies of a batch do not travel together.
                    if storing is not None:
                        await storing
                        storing = None
                    await self._store(group.judged)
                    group = _Group()
                if suspect:
                    entries = self._take_suspects(entry)
                    # Held beyond their storing, so that a drain does not end before a try is taken back.
                    for one in entries:
                        self._hold(one.batch_id)
                    await self._process_suspects(entries)
                    for one in entries:
                        self._let_go(one.batch_id)
                else:
                    group.add(await self._step_aside(await self._judge([entry])))
                arriving = tasks.create_task(self._take(), name="take")

    async def _take(self) -> Entry:
        return self._passed_over.popleft() if self._passed_over else await self._queue.get()

    def _take_suspects(self, first: Entry) -> list[Entry]:
        """Take the other suspects out of the queue, too; what is new there keeps its order."""
        suspects = [first]
        while not self._queue.empty() and len(suspects) < self._options.max_batches:
            entry = self._queue.get_nowait()
            (self._passed_over if entry.origin is Origin.NEW else suspects).append(entry)
        return suspects

    async def drain(self) -> None:
        """Take no more from the ring, and return when all that was taken is stored or given back."""
        self._postgres.close()
        try:
            await self._idle.wait()
        except asyncio.CancelledError:
            await self._take_back_lone_try()
            raise

    def _is_full(self, group: _Group) -> bool:
        return group.messages >= self._options.max_messages or len(group.judged) >= self._options.max_batches

    async def _judge(self, entries: Iterable[Entry]) -> list[JudgedBatch]:
        judged: list[JudgedBatch] = []
        for entry in entries:
            result = await self._judge_entry(entry)
            if result is not None:
                judged.append(result)
        return judged

    async def _judge_entry(self, entry: Entry) -> JudgedBatch | None:
        """Judge one batch; what cannot be judged is parked, or left on the ring."""
        if self._rules.version != self._registry.current.version:
            self._rules = Rules(self._registry.current)
        began = time.perf_counter()
        try:
            batch = unpack(entry.data)
            judged = judge_batch(entry, batch, self._rules)
        except BatchUnreadableError as error:
            await self._park(entry, str(error), readable=False)
            return None
        except ContractBrokenError as error:
            self._stop_lane(error.contract, error)
            await self._finish([entry], acknowledge=False)
            return None
        self.counters.judge_seconds += time.perf_counter() - began
        return judged

    def _is_late_full(self) -> bool:
        options, late = self._options, self._late
        return late.messages >= options.max_late_messages or len(late.judged) >= options.max_late_batches

    async def _step_aside(self, judged: list[JudgedBatch]) -> list[JudgedBatch]:
        """Return the batches that need no locked table; the others wait in a place of their own."""
        if not self._busy:
            return judged
        stays: list[JudgedBatch] = []
        for item in judged:
            if not item.touches(self._busy):
                stays.append(item)
            elif item.batch.batch_id in self._late.batch_ids:  # two copies of a batch do not travel together
                await self._finish([item.entry], acknowledge=False)
            else:
                self._late.add([item])
        return stays

    async def _store_late(self, judged: list[JudgedBatch]) -> None:
        """Store what waits for locked tables, however long they are."""
        for start in range(0, len(judged), self._options.max_batches):
            part = judged[start : start + self._options.max_batches]
            await self._store(part, patient=True)
            self._busy -= {name for name in self._busy if any(item.touches({name}) for item in part)}

    async def _store(self, judged: list[JudgedBatch], *, patient: bool = False) -> None:
        """Store a group, however long it takes; acknowledge it on the ring after COMMIT.

        Args:
            judged: Distinct batches.
            patient: Wait for a locked table; else those batches step aside that need it.
        """
        isolate = False
        delay = 0.05
        group = judged
        while group:
            try:
                result = await self._transact(group, isolate=isolate)
            except CatalogChangedError:
                await self._refresh()
                group = await self._judge([item.entry for item in group])
            except LaneError as error:
                self._stop_lane(error.contract, error.__cause__ or error)
            except LaneBusyError as error:
                self.counters.retries += 1
                logger.warning("a table is locked", extra={"action": "store.lane_busy", "contract": error.contract})
                if not patient:
                    self._busy.add(error.contract)
                    group = await self._step_aside(group)
            except DATABASE_ERRORS as error:
                failure = failure_of(error)
                self.counters.retries += 1
                if failure is Failure.CULPRIT:
                    if isolate:
                        await self._give_up(group, str(error))
                        return
                    isolate = True
                    continue
                self._postgres.failed(error)
                logger.log(
                    logging.WARNING if failure is Failure.MOMENT else logging.ERROR,
                    "store transaction failed, trying again",
                    extra={"action": "store.retry", "failure": failure.value, "detail": str(error)[:200]},
                )
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, no secret
                delay = min(delay * 2, 2.0)
            else:
                self._count(result)
                break
        await self._finish([item.entry for item in group], acknowledge=True)

    async def _give_up(self, group: list[JudgedBatch], reason: str) -> None:
        """Store each batch by itself; park the one that is no good even so: what is wrong is not an item of it."""
        if len(group) == 1:
            await self._park(group[0].entry, reason)
            return
        for item in group:
            await self._store([item])

    async def _transact(self, group: Sequence[JudgedBatch], *, isolate: bool) -> Stored:
        stopped = self._lanes_down()
        for contract, moments in event_months(group).items():
            if contract in stopped:
                continue
            try:
                await self._partitions.ensure(self._pool, contract, months_of(moments))
            except asyncpg.PostgresError as error:
                if failure_of(error) is Failure.DEFECT:
                    raise LaneError(contract) from error
                raise
        began = time.perf_counter()
        async with self._pool.acquire() as connection:
            result = await store(connection, group, isolate=isolate, stopped=stopped)
        self.counters.transactions += 1
        self.counters.transaction_seconds += time.perf_counter() - began
        return result

    # --- batches under suspicion

    async def _process_suspects(self, entries: Sequence[Entry]) -> None:
        """Work on batches whose readers died: on one alone; on several together, when none was suspected before.

        A reader that dies leaves all that it held, and one that is only slow loses what it holds to others: were all of
        that worked on alone, a validator that is behind would never catch up. So it is noted first; what killed its reader
        does so once more, and all that stood beside it is known then, and works alone.
        """
        self.counters.suspects += len(entries)
        committed = await self.committed([entry.batch_id for entry in entries])
        await self._finish([entry for entry in entries if entry.batch_id in committed], acknowledge=True)
        left = [entry for entry in entries if entry.batch_id not in committed]
        once = {entry.batch_id: entry for entry in reversed(left) if len(entry.batch_id) == 16}
        if len(once) > 1:
            ids = [UUID(bytes=batch_id) for batch_id in once]
            noted = await self._postgres.until(lambda: self._pool.fetch(_SQL["note_suspects"], ids))
            first_time = [once[record["batch_id"].bytes] for record in noted]
            left = [entry for entry in left if not any(entry is one for one in first_time)]
            await self._process_together(first_time)
        for entry in left:
            await self._process_alone(entry)

    async def _process_together(self, entries: Sequence[Entry]) -> None:
        group = _Group()
        for entry in entries:
            group.add(await self._judge([entry]))
            if self._is_full(group):
                await self._store(group.judged)
                group = _Group()
        await self._store(group.judged)
        stored = [UUID(bytes=entry.batch_id) for entry in entries if entry.batch_id in self._recent]
        await self._postgres.until(lambda: self._pool.execute(_SQL["forget_suspects"], stored))

    async def _process_alone(self, entry: Entry) -> None:
        """Work on a batch whose reader died, with nothing beside it, and count the death in advance."""
        if entry.batch_id in await self.committed([entry.batch_id]):
            await self._finish([entry], acknowledge=True)
            return
        batch_id = UUID(bytes=entry.batch_id) if len(entry.batch_id) == 16 else None
        if batch_id is None:
            await self._park(entry, "its entry has no batch id")
            return
        deaths = await self._postgres.until(lambda: self._pool.fetchval(_SQL["begin_lone_try"], batch_id))
        self._lone = batch_id
        if deaths >= self._options.max_lone_deaths:
            await self._park(entry, f"{deaths} readers died while they worked on it alone")
        else:
            judged = await self._judge([entry])
            if judged:
                await self._store(judged, patient=True)
            await self._postgres.until(lambda: self._pool.execute(_SQL["end_lone_try"], batch_id))
            self._lone = None
            if entry.batch_id not in self._recent:
                return
        self._lone = None
        await self._postgres.until(lambda: self._pool.execute(_SQL["forget_suspects"], [batch_id]))

    async def _take_back_lone_try(self) -> None:
        """The drain ran out of time: an orderly end is no death, however often it comes while a table is locked."""
        batch_id, self._lone = self._lone, None
        if batch_id is None:
            return
        with contextlib.suppress(*DATABASE_ERRORS):
            async with asyncio.timeout(_TAKE_BACK_SECONDS):
                await self._pool.execute(_SQL["end_lone_try"], batch_id)

    async def _park(self, entry: Entry, reason: str, *, readable: bool = True) -> None:
        """Keep a batch whole where it holds nobody up; judged again only when somebody asks.

        One that nobody can read is parked under an id of its own: its other copy may be good, and counts.
        """
        if len(entry.batch_id) == 16 and readable:
            batch_id = UUID(bytes=entry.batch_id)
        else:  # one of its own for each entry: parked under a common one, the second would be dropped
            batch_id = uuid5(NAMESPACE_OID, f"{entry.node}/{entry.entry_id!r}")
        text = reason.replace("\0", "").encode("utf-8", "replace").decode()
        identity = parked_identity(entry.data)
        await self._postgres.until(
            lambda: self._pool.execute(_SQL["park_batch"], batch_id, entry.node, text, entry.data, *identity)
        )
        self.counters.parked += 1
        logger.error(
            "batch parked",
            extra={"action": "store.parked", "batch_id": str(batch_id), "node": entry.node, "detail": reason},
        )
        await self._finish([entry], acknowledge=True, remember=readable)

    # --- around it

    async def _finish(self, entries: Sequence[Entry], *, acknowledge: bool, remember: bool = True) -> None:
        """Let go of entries: acknowledged when they are committed, else they stay pending and come back as suspects."""
        by_node: dict[str, list[Entry]] = {}
        for entry in entries:
            by_node.setdefault(entry.node, []).append(entry)
            if acknowledge and remember:
                self._remember(entry.batch_id)
        for node, of_node in by_node.items():
            reader = self._reader_of(node)
            if reader is None:
                continue
            if acknowledge:
                await reader.acknowledge(of_node)
            else:
                reader.release(of_node)
        for entry in entries:
            self._let_go(entry.batch_id)

    def _hold(self, batch_id: bytes) -> None:
        self._held[batch_id] = self._held.get(batch_id, 0) + 1
        self._idle.clear()

    def _let_go(self, batch_id: bytes) -> None:
        left = self._held.get(batch_id, 1) - 1
        if left > 0:
            self._held[batch_id] = left
        else:
            self._held.pop(batch_id, None)
        if not self._held:
            self._idle.set()

    def _remember(self, batch_id: bytes) -> None:
        self._recent[batch_id] = None
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    def _count(self, result: Stored) -> None:
        counters = self.counters
        counters.batches += result.batches
        counters.stored += result.stored
        counters.duplicate += result.duplicate
        counters.conflict += result.conflict
        counters.quarantined += result.quarantined

    def _stop_lane(self, contract: str, error: BaseException) -> None:
        self.counters.stopped_lanes += 1
        until = time.monotonic() + self._options.lane_retry_seconds
        self._stopped_lanes[contract] = (until, f"the table of contract {contract!r} does not work: {error}")
        logger.critical(
            "the lane of a contract is stopped",
            extra={"action": "store.lane_stopped", "contract": contract, "detail": str(error)[:500]},
        )

    def _lanes_down(self) -> dict[str, str]:
        """Return the contracts whose table did not work a moment ago, and what was wrong; then it is tried again."""
        now = time.monotonic()
        return {name: problem for name, (until, problem) in self._stopped_lanes.items() if until > now}

    async def _refresh(self) -> None:
        async def refresh() -> None:
            async with self._pool.acquire() as connection:
                await self._registry.refresh(connection)

        await self._postgres.until(refresh)
