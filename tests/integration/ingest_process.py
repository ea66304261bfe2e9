"""A bridge's gRPC side as a process of its own, for tests that freeze and kill it: `ingest_process.py PORT LOG`.

Serves IngestService with the token `admin-token`, by SO_REUSEPORT on a port that others may share. In place of the ring
stands a file: a batch is durable when a line for each of its messages, the message's id, is in it.
"""

import asyncio
import signal
import sys
from pathlib import Path

from dataflow.bridge.v1 import ingest_service_pb2_grpc
from dataflow_bridge.batcher import Batcher
from dataflow_bridge.ingest.service import IngestServicer
from dataflow_bridge.listener.budget import Budget
from dataflow_mesh.access import Tokens
from dataflow_mesh.server import GrpcServer
from dataflow_mesh.testing.server import ROLE_TOKENS
from dataflow_ring.append import Placement
from dataflow_ring.batch import unpack


class FileRing:
    """Appends to a file instead of to nodes."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def append(self, batch_id: bytes, data: bytes) -> Placement:
        """Writes the ids in one write."""
        with self._file.open("a") as log:
            log.write("".join(f"{message.message_id}\n" for message in unpack(data).messages))
        return Placement(batch_id, ["file"])


async def main(port: int, file: Path) -> None:
    """Serves until SIGTERM, then drains as a bridge does."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    budget = Budget(4 * 1024 * 1024)
    async with Batcher(FileRing(file), f"process-{port}", budget.release) as batcher:
        servicer = IngestServicer(batcher, budget, stopping)
        service = (
            ingest_service_pb2_grpc.add_IngestServiceServicer_to_server,
            servicer,
            "dataflow.bridge.v1.IngestService",
        )
        async with GrpcServer(f"127.0.0.1:{port}", [service], tokens=Tokens(ROLE_TOKENS)) as server:
            print(server.port, flush=True)
            await stopping.wait()
            await server.stop()
        await batcher.drain()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
