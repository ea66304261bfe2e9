"""The job that deletes everything of one device.

The raw log goes first: while it still had the device's messages, a replay or backfill beside this job could bring rows
back. Each step commits together with its checkpoint, so a job that was killed goes on where it stood; a job that is done
finds nothing when it runs again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from dataflow_mesh.postgres import Connection
from dataflow_ring.batch import pack

from dataflow_validator import audit
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.devices.logged import FIRST, Found, Walk, walk_log, walk_parked
from dataflow_validator.devices.owned import erase
from dataflow_validator.devices.stages import Stage, stages
from dataflow_validator.devices.unknown import walk_unknown
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import DONE, Done, Json, Part, Plan
from dataflow_validator.statements import statements

NAME: Final = "DELETE_DEVICE_DATA"
"""The kind's name."""

_SQL: Final = statements("devices")
_CHUNK: Final = 5_000
_LEDGER_CHUNK: Final = 2_000


class DeleteDeviceData:
    """Deletes what one device left behind: `{"deviceId": …}`."""

    name = NAME

    async def plan(self, context: JobContext) -> Plan:
        """Fixes up to where the raw log and the ledger are read: a device that goes on sending has no end."""
        async with context.pool.acquire() as connection:
            last = await connection.fetchval(_SQL["last_logged"])
            end = await connection.fetchval(_SQL["ledger_end"])
        return Plan([{"stage": "log", "after": str(FIRST), "until": str(last or FIRST), "ledger_end": end}])

    async def step(self, context: JobContext, part: Part) -> None:
        """Does the next chunk of the stage that the checkpoint names."""
        stage = part.checkpoint["stage"]
        if stage == "log":
            await self._log(context, part)
        elif stage == "parked":
            await self._parked(context, part)
        elif stage == "unknown":
            await self._unknown(context, part)
        elif stage == "tables":
            await self._tables(context, part)
        elif stage == "ledger":
            await self._ledger(context, part)
        else:
            await self._minutes(context, part)

    def combine(self, request: Json, results: Sequence[Json]) -> Json:
        """There is one part: its counts are the result."""
        counts = dict(results[0]) if results else {}
        return {"deviceId": request["deviceId"], **{_camel(key): value for key, value in counts.items()}}

    async def _log(self, context: JobContext, part: Part) -> None:
        where = part.checkpoint
        rules = Rules(context.registry.current)
        walk = await walk_log(context.pool, _device(context), rules, UUID(where["after"]), UUID(where["until"]))
        replaced = [] if context.dry_run else [(one, _erased(one)) for one in walk.found]
        async with context.transaction(part) as connection:
            for one, data in replaced:
                await connection.execute(_SQL["replace_logged"], one.batch_id, one.commit_time, data)
            following: Json = {**where, "after": str(walk.after)}
            if walk.after is None:
                following = {**where, "stage": "parked", "after": str(FIRST)}
            await self._save(context, connection, part, following, _of_walk(walk, "messages"))

    async def _parked(self, context: JobContext, part: Part) -> None:
        where = part.checkpoint
        rules = Rules(context.registry.current)
        walk = await walk_parked(context.pool, _device(context), rules, UUID(where["after"]))
        replaced = [] if context.dry_run else [(one, _erased(one)) for one in walk.found]
        async with context.transaction(part) as connection:
            for one, data in replaced:
                await connection.execute(_SQL["replace_parked"], one.batch_id, one.data, data)
            following: Json = {**where, "after": str(walk.after)}
            if walk.after is None:
                following = {**where, "stage": "unknown", "after": 0}
            await self._save(context, connection, part, following, _of_walk(walk, "parked_messages"))

    async def _unknown(self, context: JobContext, part: Part) -> None:
        where = part.checkpoint
        rules = Rules(context.registry.current)
        waiting = await walk_unknown(context.pool, _device(context), rules, int(where["after"]))
        async with context.transaction(part) as connection:
            items = len(waiting.items)
            if items and not context.dry_run:
                whole = [item.row["quarantine_id"] for item in waiting.items if item.left is None]
                await connection.execute(_SQL["remove_items"], whole)
                shared = [item for item in waiting.items if item.left is not None]
                ids = [item.row["quarantine_id"] for item in shared]
                left, hashes = [item.left for item in shared], [item.payload_sha1 for item in shared]
                await connection.execute(_SQL["empty_elements"], ids, left, hashes)
            following: Json = {**where, "after": waiting.after}
            if waiting.after is None:
                following = {**where, "stage": "tables", "after": 0}
            await self._save(context, connection, part, following, {"quarantined": items})

    async def _tables(self, context: JobContext, part: Part) -> None:
        where, device_id = part.checkpoint, _device(context)
        async with context.pool.acquire() as connection:
            found = await stages(connection)
            index = int(where["after"])
            counted = 0
            if index < len(found) and context.dry_run:
                counted = await found[index].count(connection, device_id)
        async with context.transaction(part) as connection:
            if index >= len(found):
                await self._save(
                    context, connection, part, {**where, "stage": "ledger", "after": ["0", str(FIRST)]}, {}
                )
                return
            stage = found[index]
            if not context.dry_run:
                counted = await stage.remove(connection, device_id, _CHUNK)
            # A table that was made meanwhile has nothing of a device that sends no more: the order may shift by it.
            following = {**where, "after": index + 1 if context.dry_run or not counted else index}
            await self._save(context, connection, part, following, _of_stage(stage, counted))

    async def _ledger(self, context: JobContext, part: Part) -> None:
        where, device_id = part.checkpoint, _device(context)
        xid, batch_id = where["after"]
        async with context.transaction(part) as connection:
            row = await connection.fetchrow(
                _SQL["unname_ledger"],
                device_id,
                xid,
                UUID(batch_id),
                _LEDGER_CHUNK,
                where["ledger_end"],
                not context.dry_run,
            )
            assert row is not None, "an aggregate gives a row"
            following: Json = {**where, "after": [row["last_xid"], str(row["last_batch"])]}
            if row["seen"] < _LEDGER_CHUNK:
                day = await connection.fetchval(_SQL["first_minute"])
                following = {**where, "stage": "minutes", "after": None if day is None else day.isoformat()}
            await self._save(context, connection, part, following, {"ledger_batches": row["items"]})

    async def _minutes(self, context: JobContext, part: Part) -> None:
        where, device_id = part.checkpoint, _device(context)
        async with context.transaction(part) as connection:
            now = await connection.fetchval("SELECT now()")
            day = None if where["after"] is None else datetime.fromisoformat(where["after"])
            items = 0
            if day is not None and context.dry_run:
                items, day = int(await connection.fetchval(_SQL["count_minutes"], device_id)), None
            elif day is not None:
                items = int(await connection.fetchval(_SQL["unname_minutes"], device_id, day))
                day += timedelta(days=1)
            if day is not None and day <= now:
                following = {**where, "after": day.isoformat()}
                await self._save(context, connection, part, following, {"ledger_minutes": items})
                return
            await self._save(context, connection, part, DONE, {"ledger_minutes": items})
            if not context.dry_run:
                await audit.record(
                    connection,
                    actor=context.created_by,
                    action="DeviceDataDeleted",
                    target=f"device:{device_id}",
                    detail={"job_id": str(context.job_id), **_added(part.result, {"ledger_minutes": items})},
                )

    async def _save(
        self, context: JobContext, connection: Connection, part: Part, where: Json | Done, counts: Json
    ) -> None:
        done = sum(value for value in counts.values() if isinstance(value, int))
        done += sum(sum(value.values()) for value in counts.values() if isinstance(value, dict))
        await context.save(connection, part, checkpoint=where, done=done, result=_added(part.result, counts))


def _device(context: JobContext) -> str:
    return str(context.request["deviceId"])


def _erased(found: Found) -> bytes:
    erase(found.batch, found.owned)
    return pack(found.batch)


def _of_walk(walk: Walk, name: str) -> Json:
    return {
        name: sum(one.items for found in walk.found for one in found.owned),
        "batches": len(walk.found),
        "unreadable_batches": walk.unreadable,
        "unfound_items": walk.unfound,
    }


def _of_stage(stage: Stage, items: int) -> Json:
    return {stage.name: {stage.contract: items} if stage.contract else items} if items else {}


def _added(before: Json, counts: Json) -> Json:
    """Adds counts, by contract where they are."""
    total = dict(before)
    for key, value in counts.items():
        if isinstance(value, dict):
            inner = dict(total.get(key, {}))
            for contract, items in value.items():
                inner[contract] = inner.get(contract, 0) + items
            total[key] = inner
        elif value:
            total[key] = total.get(key, 0) + value
    return total


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)
