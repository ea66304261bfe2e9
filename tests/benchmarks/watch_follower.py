"""A follower of readings that may be killed at any moment: what it took and its cursor go into one line of a file.

A line is whole or it is not there: after a death the follower cuts a torn last line off and goes on behind the cursor of
the line before it, as a consumer does that commits its state together with its cursor.

Run: ``python -m tests.benchmarks.watch_follower FILE CONTRACT [--columns] [--device ID]…`` with $DATAFLOW_VALIDATOR and
$DATAFLOW_TOKEN_FILE set.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from dataflow.validator.v1 import reading_stream_pb2
from dataflow_client import AsyncClient, reading_filter
from dataflow_client.errors import UnavailableError

_MAX_READINGS = 2_000


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """Returns what was kept, without a torn last line."""
    if not path.exists():
        return []
    data = path.read_bytes()
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def _cut(path: Path) -> str:
    """Cuts a torn last line off; returns the cursor of the last whole one."""
    if not path.exists():
        return ""
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    os.truncate(path, end)
    return str(json.loads(data[:end].splitlines()[-1])["cursor"]) if end else ""


def _rows(response: reading_stream_pb2.WatchReadingsResponse) -> list[list[object]]:
    """Returns device, event time in µs, message id, revision and value of each reading."""
    rows: list[list[object]] = [
        [
            reading.device_id,
            reading.event_time.ToMicroseconds(),
            reading.message_id,
            reading.revision,
            reading.fields["value"].number_value,
        ]
        for reading in response.readings
    ]
    columns = response.columns
    values: Sequence[float] = next((field.numbers for field in columns.fields if field.field == "value"), [])
    for place in range(columns.count):
        message_id = str(UUID(bytes=columns.message_ids[16 * place : 16 * place + 16]))
        device = columns.devices[columns.device_indexes[place]]
        rows.append([device, columns.event_times_us[place], message_id, columns.revisions[place], values[place]])
    return rows


async def follow(path: Path, contract: str, device_ids: list[str], *, columns: bool) -> None:
    """Follows for ever."""
    cursor = _cut(path)
    async with AsyncClient.from_env() as client:
        watch = client.readings.watch(
            reading_filter(contract, device_ids=device_ids),
            cursor=cursor,
            from_beginning=not cursor,
            columns=columns,
            max_readings=_MAX_READINGS,
            heartbeat=timedelta(seconds=0.5),
        )
        with path.open("ab") as file:
            async with aclosing(watch):
                async for response in watch:
                    line = {
                        "cursor": response.cursor,
                        "lag_ms": response.lag.ToMilliseconds(),
                        "held_ms": response.held_back.ToMilliseconds(),
                        "more": response.more,
                        "rows": _rows(response),
                    }
                    file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
                    file.flush()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("contract")
    parser.add_argument("--columns", action="store_true")
    parser.add_argument("--device", action="append", default=[])
    options = parser.parse_args()
    while True:
        try:
            asyncio.run(follow(options.file, options.contract, options.device, columns=options.columns))
        except UnavailableError as error:
            # Begun while no validator answers: as its supervisor would, begin again.
            print(f"{options.file.name}: {error}", file=sys.stderr)
            time.sleep(1.0)


if __name__ == "__main__":
    main()
