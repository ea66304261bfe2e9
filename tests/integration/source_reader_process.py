"""A bridge that only reads sources, as a program: `source_reader_process.py DSN NAME`. Its ring is standard output."""

from __future__ import annotations

import asyncio
import sys

from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Ack, message_cost
from dataflow_bridge.sources.readers import SourceReaders
from dataflow_mesh.postgres import connect_pool
from dataflow_ring.batch import new_boot_id


class Output:
    """Writes each payload as a line, and acknowledges what is written."""

    def __init__(self) -> None:
        self.budget = Budget(64 * 1024 * 1024)
        self._open: list[tuple[bytes, Ack | None, int, int]] = []

    def submit(
        self,
        topic: str,
        payload: bytes,
        device_id: str | None,
        content_type: str | None,
        message_id: str | None,
        maybe_duplicate: bool,
        receive_time_us: int,
        source: str,
        ack: Ack | None,
        ack_token: int,
    ) -> None:
        """Keep a message until the turn of the loop ends."""
        if not self._open:
            asyncio.get_running_loop().call_soon(self._write)
        self._open.append((payload, ack, ack_token, message_cost(topic, payload)))

    def _write(self) -> None:
        messages, self._open = self._open, []
        sys.stdout.buffer.write(b"".join(payload + b"\n" for payload, *_ in messages))
        sys.stdout.buffer.flush()
        for _, ack, token, cost in messages:
            if ack is not None:
                ack.acknowledged([token])
            self.budget.release(cost)


async def main(dsn: str, name: str) -> None:
    """Read until killed."""
    output = Output()
    async with await connect_pool(dsn, min_size=0) as pool:
        await SourceReaders(pool, output, output.budget, name, new_boot_id()).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
