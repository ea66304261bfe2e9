"""The job that writes readings, or hourly aggregates, to files: `part-00000-00000.csv` and so on, each whole by itself.

A part is a range of event times, so that several workers write at once; a step writes one file of it. All files show the
same moment, that of the plan. The files of a part, in their order, and the parts in theirs are sorted as one file would be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from dataflow.validator.v1 import reading_stream_pb2
from google.protobuf import json_format

from dataflow_validator.exports.files import JobFile, combined, directory_of
from dataflow_validator.exports.formats import FileShape
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import DONE, Json, Part, Plan
from dataflow_validator.readings.export import ExportSource, Key
from dataflow_validator.readings.export_cut import Cut
from dataflow_validator.readings.export_service import export_source, file_shape
from dataflow_validator.readings.partitions import month_of
from dataflow_validator.readings.selecting import chosen_columns, select_readings
from dataflow_validator.time_messages import microseconds, moment_of, to_timestamp

NAME: Final = "EXPORT_READINGS"
"""The kind's name."""

FILE_ROWS: Final = 100_000
FILE_BYTES: Final = 64 * 1024 * 1024
"""A file ends at so many rows, or behind so many bytes."""

_MAX_PARTS: Final = 64
_DAY: Final = timedelta(days=1)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


class ExportReadings:
    """Writes what a `ReadingExport` (proto JSON) asks for."""

    name = NAME

    async def plan(self, context: JobContext) -> Plan:
        """Fixes the moment, the columns and the ranges of event times.

        Raises:
            JobFailedError: This validator has no place for files.
            ContractNotFoundError, FieldInvalidError: What was asked for is not there any more.
        """
        directory_of(context)
        export = _asked(context.request)
        cut = await Cut.now(context.pool)
        contract, selection = await select_readings(context.pool, export.filter, "export.filter")
        fields = [column.field for column in chosen_columns(contract, export.fields)]
        source = await export_source(context.pool, export, cut)
        span = await source.span()
        if span is None:
            return Plan([])
        first, last = span
        edges = _edges(first, last)
        common = {"cut": cut.to_dict(), "fields": fields, "after": None, "file": 0}
        return Plan(
            [
                {
                    **common,
                    "start": microseconds(max(start, selection.start or start)),
                    "end": microseconds(min(end, selection.end or end)),
                }
                for start, end in pairwise(edges)
            ]
        )

    async def step(self, context: JobContext, part: Part) -> None:
        """Writes the next file of a part."""
        where = part.checkpoint
        export = _asked(context.request)
        export.fields[:] = where["fields"]
        export.filter.start_time.CopyFrom(to_timestamp(moment_of(where["start"])))
        export.filter.end_time.CopyFrom(to_timestamp(moment_of(where["end"])))
        source = await export_source(context.pool, export, Cut.from_dict(where["cut"]))
        shape = file_shape(export, source)
        directory, name = directory_of(context), f"part-{part.number:05}-{where['file']:05}.{shape.format.value}"
        after = _key(where["after"])
        with JobFile(directory, name) as file:
            last = await _fill(file, source, shape, after, context.items_of_step(FILE_ROWS))
            await asyncio.to_thread(file.settle)
            async with context.transaction(part) as connection:
                result = part.result
                if file.rows:
                    # Only while the part is ours, so that a worker that was frozen replaces nobody's file.
                    placed = file.place()
                    result = {"directory": str(directory), "files": [*part.result.get("files", ()), placed]}
                checkpoint = DONE if last is None else {**where, "after": _written(last), "file": where["file"] + 1}
                await context.save(connection, part, checkpoint=checkpoint, done=file.rows, result=result)

    def combine(self, request: Json, results: Sequence[Json]) -> Json:  # noqa: ARG002 - the files say it all
        """All files of all parts."""
        return combined(results)


async def _fill(file: JobFile, source: ExportSource, shape: FileShape, after: Key | None, most: int) -> Key | None:
    """Writes rows behind a key; returns the key behind the last one, or `None` where there are no more."""
    writer = await asyncio.to_thread(shape.writer)
    file.write(writer.begin())
    last: Key | None = None
    async with aclosing(source.pages(after)) as pages:
        async for page in pages:
            # In a thread: the lease is renewed meanwhile.
            data = await asyncio.to_thread(writer.write, page.rows)
            file.write(data, len(page.rows))
            if file.rows >= most or file.size >= FILE_BYTES:
                last = page.last
                break
    file.write(await asyncio.to_thread(writer.finish))
    return last


def _edges(first: datetime, last: datetime) -> list[datetime]:
    """Cuts a span into days where they are few, else into months, else into longer ranges."""
    edges = [datetime.combine(first.date(), datetime.min.time(), UTC)]
    while edges[-1] <= last and len(edges) <= _MAX_PARTS:
        edges.append(edges[-1] + _DAY)
    if edges[-1] > last:
        return edges
    months = [datetime.combine(month_of(first), datetime.min.time(), UTC)]
    while months[-1] <= last:
        later = months[-1].year * 12 + months[-1].month
        months.append(_LAST if later >= _LAST.year * 12 + 11 else datetime(later // 12, later % 12 + 1, 1, tzinfo=UTC))
        if months[-1] is _LAST:
            break
    together = -(-(len(months) - 1) // _MAX_PARTS)
    return [*months[:-1:together], months[-1]]


def _asked(request: Json) -> reading_stream_pb2.ReadingExport:
    return json_format.ParseDict(request, reading_stream_pb2.ReadingExport(), ignore_unknown_fields=True)


def _key(written: Sequence[object] | None) -> Key | None:
    if written is None:
        return None
    micros, device, message_id = written
    return moment_of(int(str(micros))), str(device), str(message_id)


def _written(key: Key) -> list[object]:
    return [microseconds(key[0]), key[1], key[2]]
