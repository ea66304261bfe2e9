"""The job that writes everything of one device to files of JSON lines.

`readings-<contract>-00000.jsonl` has the rows as their table has them, `quarantine-00000.jsonl` the items with their
original bytes and reasons, `waiting-00000.jsonl` those that no route took when they came, `messages-00000.jsonl` what the raw log and parked batches hold of it, as it arrived. Each step
writes one whole file. The device's rows of one contract come by event time, the others in the order of arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.names import quote_identifier
from dataflow_validator.devices.files import write_lines
from dataflow_validator.devices.logged import FIRST, Found, walk_log, walk_parked
from dataflow_validator.devices.unknown import walk_unknown
from dataflow_validator.elements import SplitMessage
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import DONE, JobFailedError, Json, Part, Plan
from dataflow_validator.parked.export import message_line
from dataflow_validator.quarantine.lines import LINE_COLUMNS, item_line
from dataflow_validator.statements import statements

NAME: Final = "EXPORT_DEVICE_DATA"
"""The kind's name."""

_SQL: Final = statements("devices")
_ROWS: Final = 20_000
_ITEMS: Final = 2_000
"""In one file: an item may hold a message of 1 MiB, though hardly any does."""

_BEGIN: Final = "-infinity"


class ExportDeviceData:
    """Writes what one device left behind: `{"deviceId": …}`."""

    name = NAME

    async def plan(self, context: JobContext) -> Plan:
        """Fixes the tables, and up to where the raw log is read.

        Raises:
            JobFailedError: This validator has no place for files.
        """
        if context.export_dir is None:
            raise JobFailedError("EXPORT_UNAVAILABLE", "no directory for exports: set `export_dir` of the validators")
        async with context.pool.acquire() as connection:
            last = await connection.fetchval(_SQL["last_logged"])
            tables = [row["name"] for row in await connection.fetch(_SQL["tables"], "readings")]
        return Plan([{"stages": [*(f"readings-{name}" for name in tables), "quarantine", "waiting", "log", "parked"],
                      "after": None, "file": 0, "until": str(last or FIRST)}])  # fmt: skip

    async def step(self, context: JobContext, part: Part) -> None:
        """Writes the next file of the first stage that is left."""
        stage = part.checkpoint["stages"][0]
        if stage == "quarantine":
            lines, after = await self._quarantine(context, part)
        elif stage == "waiting":
            lines, after = await self._waiting(context, part)
        elif stage in {"log", "parked"}:
            lines, after = await self._messages(context, part, parked=stage == "parked")
        else:
            lines, after = await self._rows(context, part, stage.removeprefix("readings-"))
        await self._write(context, part, stage, lines, after)

    def combine(self, request: Json, results: Sequence[Json]) -> Json:
        """There is one part."""
        return {"deviceId": request["deviceId"], **(results[0] if results else {})}

    async def _rows(self, context: JobContext, part: Part, contract: str) -> tuple[list[bytes], Json | None]:
        after = part.checkpoint["after"] or {"event_time": None, "message_id": str(FIRST)}
        sql = _SQL["rows_after"].format(table=f"readings.{quote_identifier(contract)}")
        begin = datetime.fromisoformat(after["event_time"]) if after["event_time"] else None
        if begin is None:
            sql = sql.replace("$2::timestamptz", f"coalesce($2::timestamptz, '{_BEGIN}')")
        rows = await context.pool.fetch(sql, _device(context), begin, UUID(after["message_id"]), _ROWS)
        lines = [f"{row['line']}\n".encode() for row in rows]
        if len(rows) < _ROWS:
            return lines, None
        return lines, {"event_time": rows[-1]["event_time"].isoformat(), "message_id": str(rows[-1]["message_id"])}

    async def _quarantine(self, context: JobContext, part: Part) -> tuple[list[bytes], Json | None]:
        after = part.checkpoint["after"] or {"quarantine_id": 0}
        sql = _SQL["quarantine_after"].format(columns=LINE_COLUMNS)
        rows = await context.pool.fetch(sql, _device(context), after["quarantine_id"], _ITEMS)
        more = len(rows) == _ITEMS
        return [item_line(row) for row in rows], {"quarantine_id": rows[-1]["quarantine_id"]} if more else None

    async def _waiting(self, context: JobContext, part: Part) -> tuple[list[bytes], Json | None]:
        after = part.checkpoint["after"] or {"quarantine_id": 0}
        rules = Rules(context.registry.current)
        found = await walk_unknown(context.pool, _device(context), rules, after["quarantine_id"])
        lines = [item_line(item.row, item.own) for item in found.items]
        return lines, None if found.after is None else {"quarantine_id": found.after}

    async def _messages(self, context: JobContext, part: Part, *, parked: bool) -> tuple[list[bytes], Json | None]:
        after = UUID((part.checkpoint["after"] or {"batch_id": str(FIRST)})["batch_id"])
        rules = Rules(context.registry.current)
        if parked:
            walk = await walk_parked(context.pool, _device(context), rules, after)
        else:
            until = UUID(part.checkpoint["until"])
            walk = await walk_log(context.pool, _device(context), rules, after, until)
        lines = [line for found in walk.found for line in _lines(found)]
        return lines, None if walk.after is None else {"batch_id": str(walk.after)}

    async def _write(self, context: JobContext, part: Part, stage: str, lines: list[bytes], after: Json | None) -> None:
        where = part.checkpoint
        result = dict(part.result)
        number = where["file"]
        if lines and not context.dry_run:
            assert context.export_dir is not None, "the plan checked it"
            directory = Path(context.export_dir) / str(context.job_id)
            name = f"{'messages' if stage == 'log' else stage}-{number:05}.jsonl"
            written = await asyncio.to_thread(write_lines, directory, name, lines)
            result |= {"directory": str(directory), "files": [*result.get("files", ()), written]}
            number += 1
        if stage.startswith("readings-"):
            rows = dict(result.get("rows", {}))
            contract = stage.removeprefix("readings-")
            rows[contract] = rows.get(contract, 0) + len(lines)
            result["rows"] = {name: items for name, items in rows.items() if items}
        else:
            key = {
                "quarantine": "quarantined",
                "waiting": "quarantined",
                "log": "messages",
                "parked": "parkedMessages",
            }[stage]
            result[key] = result.get(key, 0) + len(lines)
        following = {**where, "after": after, "file": number}
        if after is None:
            following = {**where, "stages": where["stages"][1:], "after": None, "file": 0}
        async with context.transaction(part) as connection:
            checkpoint = following if following["stages"] else DONE
            await context.save(connection, part, checkpoint=checkpoint, done=len(lines), result=result)


def _device(context: JobContext) -> str:
    return str(context.request["deviceId"])


def _lines(found: Found) -> list[bytes]:
    """Returns the device's messages of a batch; of an array that several share, its elements each by itself."""
    lines = []
    for one in found.owned:
        message = found.batch.messages[one.position]
        if not one.elements:
            lines.append(message_line(message))
            continue
        split = SplitMessage(message.payload)
        for element in one.elements:
            alone = type(message)()
            alone.CopyFrom(message)
            alone.ClearField("erasure")
            alone.payload = split.element(element) or b""
            lines.append(message_line(alone))
    return lines
