"""The job that writes quarantined items to files of JSON lines, which `dataflow replay` sends again.

Each line has the original message and, beside it, what the quarantine knows of it. Ids grow with the time of
quarantining: the plan fixes the last one, so that the job has an end while items come in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from dataflow.validator.v1 import quarantine_pb2
from google.protobuf import json_format

from dataflow_validator.exports.files import JobFile, combined, directory_of
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import DONE, Json, Part, Plan
from dataflow_validator.quarantine.filters import Wanted, id_range, wanted_of
from dataflow_validator.quarantine.lines import LINE_COLUMNS, item_line
from dataflow_validator.quarantine.queries import quarantine_query
from dataflow_validator.readings.row_pages import RowPages

NAME: Final = "EXPORT_QUARANTINED"
"""The kind's name."""

FILE_ROWS: Final = 100_000
FILE_BYTES: Final = 64 * 1024 * 1024
"""A file ends at so many items, or behind so many bytes."""

_PAGE_ROWS: Final = 1_000
_PAGE_BYTES: Final = 8 * 1024 * 1024


class ExportQuarantined:
    """Writes what `{"filter": QuarantineFilter}` (proto JSON) asks for."""

    name = NAME

    async def plan(self, context: JobContext) -> Plan:
        """Fixes the last item.

        Raises:
            JobFailedError: This validator has no place for files.
        """
        directory_of(context)
        wanted = _wanted(context.request)
        if wanted is None:
            return Plan([])
        async with context.pool.acquire() as connection:
            last = await connection.fetchval("SELECT coalesce(max(quarantine_id), 0) FROM validator.quarantine")
            low, high = await id_range(connection, wanted)
        return Plan([{"after": low - 1, "until": min(last, high), "file": 0}])

    async def step(self, context: JobContext, part: Part) -> None:
        """Writes the next file."""
        where = part.checkpoint
        wanted = _wanted(context.request)
        assert wanted is not None, "there would be no part"
        directory = directory_of(context)
        with JobFile(directory, f"part-{part.number:05}-{where['file']:05}.jsonl") as file:
            pages = RowPages(context.pool, _PAGE_BYTES)
            after, more, most = where["after"], True, context.items_of_step(FILE_ROWS)
            while more and file.rows < most and file.size < FILE_BYTES:
                query = quarantine_query(
                    wanted,
                    _PAGE_ROWS + 1,
                    low=after + 1,
                    high=where["until"],
                    oldest_first=True,
                    columns=LINE_COLUMNS,
                )
                page = await pages.read(query, _PAGE_ROWS)
                file.write(await asyncio.to_thread(b"".join, map(item_line, page.rows)), len(page.rows))
                after, more = page.rows[-1]["quarantine_id"] if page.rows else where["until"], page.more
            await asyncio.to_thread(file.settle)
            async with context.transaction(part) as connection:
                result = part.result
                if file.rows:
                    # Only while the part is ours, so that a worker that was frozen replaces nobody's file.
                    placed = file.place()
                    result = {"directory": str(directory), "files": [*part.result.get("files", ()), placed]}
                checkpoint = {**where, "after": after, "file": where["file"] + 1} if more else DONE
                await context.save(connection, part, checkpoint=checkpoint, done=file.rows, result=result)

    def combine(self, request: Json, results: Sequence[Json]) -> Json:  # noqa: ARG002 - the files say it all
        """There is one part."""
        return combined(results)


def _wanted(request: Json) -> Wanted | None:
    message = json_format.ParseDict(
        request.get("filter", {}), quarantine_pb2.QuarantineFilter(), ignore_unknown_fields=True
    )
    return wanted_of(message)
