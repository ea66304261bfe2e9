"""Histories of messages, told to a validator's database batch by batch, and what rows and quarantine they leave."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Pool
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.spec import ConflictRule, ContractSpec, FieldSpec, FieldType
from dataflow_validator.jobs.kind import JobKind, Json
from dataflow_validator.jobs.records import create_job, get_job
from dataflow_validator.jobs.runner import Runner
from dataflow_validator.judged import judge_batch
from dataflow_validator.readings.partitions import Partitions, months_of
from dataflow_validator.readings.rows import event_months
from dataflow_validator.rejudge.backfill import Backfill
from dataflow_validator.rejudge.purge import PurgeQuarantined
from dataflow_validator.rejudge.replay import ReplayQuarantined
from dataflow_validator.store import Stored, store

BEGIN_US = 1_790_000_000_000_000
REJUDGE: dict[str, JobKind] = {kind.name: kind for kind in (ReplayQuarantined(), Backfill(), PurgeQuarantined())}


def spec(name: str, *, maximum: float, event_time: bool = True, identity: bool = True, **more: Any) -> ContractSpec:
    """Make a contract; `maximum` is what is fixed later."""
    return ContractSpec(
        name=name,
        fields=(
            FieldSpec("device_id", FieldType.STRING),
            FieldSpec("ts", FieldType.TIMESTAMP, required=event_time),
            FieldSpec("key", FieldType.STRING, required=identity),
            FieldSpec("n", FieldType.NUMBER, max=maximum),
        ),
        event_time="ts" if event_time else None,
        identity=("device_id", "key") if identity else (),
        **more,
    )


@dataclass(slots=True)
class House:
    """A database with a catalogue, and one validator's eyes on it."""

    pool: Pool
    registry: Registry

    @classmethod
    async def open(cls, pool: Pool, specs: Sequence[ContractSpec], routes: Sequence[tuple[str, str]] = ()) -> House:
        """Make contracts, each with a route of its own name, and further routes."""
        house = cls(pool, Registry())
        async with pool.acquire() as connection, connection.transaction():
            for each in specs:
                await create_contract(connection, each, activate=True)
                await create_route(connection, f"{each.name}/+", each.name)
        for topic_filter, contract in routes:
            await house.route(topic_filter, contract)
        await house.refresh()
        return house

    async def refresh(self) -> None:
        async with self.pool.acquire() as connection:
            await self.registry.refresh(connection)

    async def route(self, topic_filter: str, contract: str) -> None:
        """Make one more route."""
        async with self.pool.acquire() as connection, connection.transaction():
            await create_route(connection, topic_filter, contract)
        await self.refresh()

    async def revise(self, changed: ContractSpec) -> int:
        """Make a revision and activate it, whatever its compatibility."""
        written = json.dumps(changed.to_dict())
        async with self.pool.acquire() as connection, connection.transaction():
            revision = await connection.fetchval(
                "UPDATE validator.contract SET latest_revision = latest_revision + 1, active_revision = latest_revision + 1"
                " WHERE name = $1 RETURNING latest_revision",
                changed.name,
            )
            await connection.execute(
                "INSERT INTO validator.revision (contract, revision, spec) VALUES ($1, $2, $3::text::jsonb)",
                changed.name,
                revision,
                written,
            )
            await connection.execute("UPDATE validator.catalog SET version = version + 1")
        await self.refresh()
        assert isinstance(revision, int)
        return revision

    async def tell(self, *batches: Batch) -> Stored:
        """Store batches in one transaction, as the pipeline does."""
        rules = Rules(self.registry.current)
        judged = [
            judge_batch(Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW), batch, rules)
            for batch in batches
        ]
        for contract, moments in event_months(judged).items():
            await Partitions().ensure(self.pool, contract, months_of(moments))
        async with self.pool.acquire() as connection:
            return await store(connection, judged)

    async def run(self, kind: str, request: Json, *, dry_run: bool = False) -> Json:
        """Make a job and work on it to its end; give its result."""
        async with self.pool.acquire() as connection:
            job = await create_job(connection, kind, request, request_id="", created_by="tester", dry_run=dry_run)
        await self.work(job.job_id)
        async with self.pool.acquire() as connection:
            ended = await get_job(connection, job.job_id)
        assert ended.state == "SUCCEEDED", ended.error
        assert ended.result is not None
        return ended.result

    def runner(self) -> Runner:
        """Give a worker."""
        return Runner(self.pool, Registry(), Partitions(), REJUDGE, f"w-{uuid4()}")

    async def work(self, job_id: UUID) -> None:
        """Work on jobs until this one ends."""
        runner = self.runner()
        while True:
            worked = await runner.run_once()
            async with self.pool.acquire() as connection:
                if (await get_job(connection, job_id)).ended:
                    return
            if not worked:  # another worker has its part in hand
                await asyncio.sleep(0.05)

    async def rows(self, contract: str) -> list[tuple[Any, ...]]:
        """Give the rows as sorted values, without what says when and by which revision they were stored."""
        records = await self.pool.fetch(f'SELECT * FROM readings."{contract}"')
        left_out = {"revision", "stored_xid"}
        return sorted(tuple(repr(v) for k, v in record.items() if k not in left_out) for record in records)

    async def quarantine(self) -> list[tuple[str, ...]]:
        """Give the quarantined items as sorted values, without numbers, times of storing and revisions."""
        records = await self.pool.fetch("SELECT * FROM validator.quarantine")
        left_out = {"quarantine_id", "revision", "stored_xid", "quarantine_time"}
        return sorted(tuple(repr(v) for k, v in record.items() if k not in left_out) for record in records)

    async def state(self, *contracts: str) -> dict[str, list[tuple[Any, ...]]]:
        """Give all that two ways to the same contract must agree in."""
        seen = await self.pool.fetch("SELECT contract, device_id, message_id, content_hash FROM validator.seen")
        return {
            **{contract: await self.rows(contract) for contract in contracts},
            "quarantine": await self.quarantine(),
            "seen": sorted(tuple(map(repr, record.values())) for record in seen),
        }


def batch(*messages: dict[str, Any], at: int = 0) -> Batch:
    """Make a batch of messages: keyword members of `dataflow.ring.v1.Message`, payload as bytes or JSON."""
    made = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=new_boot_id(), sequence=1)
    for index, message in enumerate(messages):
        given = dict(message)
        payload = given.pop("payload")
        written = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        made.messages.add(payload=written, receive_time_us=BEGIN_US + at * 1_000_000 + index, **given)
    made.message_count = len(made.messages)
    return made


def random_history(seed: int, contracts: Sequence[str], batches: int = 6, topics: Sequence[str] = ()) -> list[Batch]:
    """Make a history with resends, conflicts, arrays, elements that are refused, senders' ids, and unrouted topics."""
    chance = random.Random(seed)
    sent: list[dict[str, Any]] = []
    told = []
    for number in range(batches):
        messages = []
        for _ in range(chance.randint(1, 12)):
            if sent and chance.random() < 0.25:
                again = dict(chance.choice(sent))
                again["maybe_duplicate"] = True
                messages.append(again)
                continue
            message: dict[str, Any] = {"topic": chance.choice([*(f"{name}/x" for name in contracts), *topics])}
            items = [_item(chance) for _ in range(chance.choice([1, 1, 1, 2, 4]))]
            message["payload"] = items if len(items) > 1 or chance.random() < 0.1 else items[0]
            if chance.random() < 0.4:
                message["message_id"] = chance.choice([str(uuid4()), f"id-{chance.randint(0, 9)}"])
            if chance.random() < 0.5:
                message["device_id"] = "client"
            if chance.random() < 0.05:
                message["payload"] = chance.choice([b"{", b"[1", b"7", b"[]"])
            sent.append(message)
            messages.append(message)
        told.append(batch(*messages, at=number))
    return told


def _item(chance: random.Random) -> dict[str, Any]:
    item: dict[str, Any] = {
        "device_id": f"d{chance.randint(0, 2)}",
        "ts": f"2026-09-{chance.randint(20, 21)}T10:00:{chance.randint(0, 3):02d}Z",
        "key": f"k{chance.randint(0, 40)}",
        "n": chance.randint(0, 100),
    }
    for name in ("device_id", "ts", "key", "n"):
        if chance.random() < 0.04:
            item.pop(name)
        elif chance.random() < 0.02:
            item[name] = ["wrong"]
    return item


def fixed(strict: ContractSpec, maximum: float) -> ContractSpec:
    """Give a contract another maximum."""
    *others, last = strict.fields
    return replace(strict, fields=(*others, replace(last, max=maximum)))


__all__ = ["REJUDGE", "ConflictRule", "House", "batch", "fixed", "random_history", "spec"]
