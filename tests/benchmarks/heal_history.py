"""The history that heal.py tells twice: batch by batch the same, whatever contract judges it."""

from __future__ import annotations

import asyncio
import multiprocessing
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import orjson
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow.validator.v1 import contract_pb2
from dataflow_ring import keys
from dataflow_ring.batch import pack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.judged import judge_batch
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.store import prepare_connection, store

NAME: Final = "heal"
STRICT: Final = 40.0
FIXED: Final = 100.0

_PER_BATCH: Final = 250
_PER_TRANSACTION: Final = 24
_FILLERS: Final = 2
_DEVICES: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def rules(most: float) -> contract_pb2.ContractSpec:
    """Returns the contract, with the largest co2 that it accepts."""
    number = contract_pb2.FIELD_TYPE_NUMBER
    return contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="device_id", type=contract_pb2.FIELD_TYPE_STRING),
            contract_pb2.Field(name="ts", type=contract_pb2.FIELD_TYPE_STRING),
            contract_pb2.Field(name="temperature", type=number, min=-20, max=50),
            contract_pb2.Field(name="humidity", type=number, min=0, max=100),
            contract_pb2.Field(name="co2", type=number, min=0, max=most),
            contract_pb2.Field(name="occupancy", type=contract_pb2.FIELD_TYPE_INTEGER, min=0, max=1),
        ],
        identity=["device_id", "ts"],
        event_time_field="ts",
    )


def payload(number: int) -> bytes:
    """Writes one message: of 1,000, some 900 refused by the strict contract alone, some 10 by both, and 50 that repeat.

    Of these 20 are resends, 20 have the identity of an earlier one and other content, which may come before or after
    the one that the strict contract accepts, and 10 are arrays of good, refused and repeated items.
    """
    place = number % 1_000
    if place in range(500, 520):
        return payload(number - 17)
    if place in range(520, 540):
        return _written(number - 31, co2=(number * 7) % 100, temperature=31.5)
    if place in range(540, 550):
        return b"[" + b", ".join([_item(number), _written(number, co2=30.0, later=1), payload(number - 60)]) + b"]"
    return _item(number)


def _item(number: int) -> bytes:
    place = number % 1_000
    co2 = 5.0 + place % 30 if place % 13 == 0 else 41.0 + place % 59
    return _written(number, co2=co2, temperature="hot" if place % 100 == 99 else 20.0 + number % 100 / 10)


def _written(number: int, *, co2: float, temperature: float | str = 20.0, later: int = 0) -> bytes:
    moment = _START + timedelta(seconds=number // 10, milliseconds=number % 10 * 100 + later)
    return orjson.dumps(
        {
            "device_id": f"room-{number % _DEVICES}",
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "temperature": temperature,
            "humidity": 26.272,
            "co2": co2,
            "occupancy": number % 2,
        }
    )


async def tell(dsn: str, messages: int, received: datetime) -> None:
    """Stores the history in a database by the validator's own code, past bridge and ring, from several processes.

    Args:
        dsn: The database; its catalogue has the contract and its route.
        messages: How many.
        received: When the first one was received, by the bridge's word.
    """
    share = -(-messages // _FILLERS // _PER_BATCH) * _PER_BATCH
    context = multiprocessing.get_context("spawn")
    fillers = [
        context.Process(target=_tell, args=(dsn, index * share, min(messages, (index + 1) * share), received))
        for index in range(_FILLERS)
    ]
    for process in fillers:
        process.start()
    for process in fillers:
        await asyncio.to_thread(process.join)
    if any(process.exitcode for process in fillers):
        raise SystemExit("a filler failed")


def _tell(dsn: str, first: int, last: int, received: datetime) -> None:
    asyncio.run(_store(dsn, first, last, received))


async def _store(dsn: str, first: int, last: int, received: datetime) -> None:
    registry, boot_id = Registry(), uuid4().bytes
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2, init=prepare_connection) as pool:
        async with pool.acquire() as connection:
            await registry.refresh(connection)
        await Partitions().ensure(pool, NAME, {_START.date().replace(day=1)})
        rules_now = Rules(registry.current)
        step = _PER_BATCH * _PER_TRANSACTION
        for start in range(first, last, step):
            group = [
                _batch(begin, min(last, begin + _PER_BATCH), received, boot_id)
                for begin in range(start, min(last, start + step), _PER_BATCH)
            ]
            judged = [
                judge_batch(
                    Entry("fill", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW), batch, rules_now
                )
                for batch in group
            ]
            async with pool.acquire() as connection:
                await store(connection, judged)


def _batch(first: int, last: int, received: datetime, boot_id: bytes) -> Batch:
    batch_id = UUID(int=(0x7 << 76) | (0x2 << 62) | (first // _PER_BATCH << 80)).bytes
    batch = Batch(batch_id=batch_id, bridge_id="fill", boot_id=boot_id, sequence=1 + first // _PER_BATCH)
    begin_us = (received - _EPOCH) // timedelta(microseconds=1)
    for number in range(first, last):
        batch.messages.add(
            topic=f"heal/room-{number % _DEVICES}",
            payload=payload(number),
            receive_time_us=begin_us + number,
            source="mqtt",
        )
    batch.message_count = len(batch.messages)
    return batch
