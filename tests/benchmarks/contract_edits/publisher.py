"""Sends the trial's messages at a steady rate, in a process of its own; prints what was acknowledged when its stdin ends.

    python -m tests.benchmarks.contract_edits.publisher TARGET RATE    (the token in DATAFLOW_TOKEN)

The schedule is open: each burst has its moment. A request that fails is repeated until it is answered.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from typing import Final

import grpc
from dataflow.bridge.v1 import ingest_service_pb2
from dataflow.bridge.v1.ingest_service_pb2_grpc import IngestServiceStub

from tests.benchmarks.contract_edits.rules import TOPIC, payload_of

_BURST_SECONDS: Final = 0.02
_IN_FLIGHT: Final = 100
_RETRY_SECONDS: Final = 0.1
_CALL_SECONDS: Final = 30.0


async def publish(target: str, rate: float) -> dict[str, int]:
    """Sends until stdin ends; returns how many messages there are, all of them acknowledged, and how many tries failed."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    metadata = (("authorization", f"Bearer {os.environ['DATAFLOW_TOKEN']}"),)
    burst, number, failed = max(1, round(rate * _BURST_SECONDS)), 0, 0
    room = asyncio.Semaphore(_IN_FLIGHT)
    async with grpc.aio.insecure_channel(target) as channel, asyncio.TaskGroup() as sending:
        stub = IngestServiceStub(channel)

        async def send(request: ingest_service_pb2.PublishMessagesRequest) -> None:
            nonlocal failed
            while True:
                try:
                    answer = await stub.PublishMessages(request, metadata=metadata, timeout=_CALL_SECONDS)
                except grpc.aio.AioRpcError:
                    failed += 1
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                assert answer.accepted_count == len(request.messages), answer.rejected
                room.release()
                return

        due = loop.time()
        while not ended.is_set():
            due += _BURST_SECONDS
            await asyncio.sleep(max(0.0, due - loop.time()))
            await room.acquire()
            moment = datetime.now(UTC).isoformat()
            request = ingest_service_pb2.PublishMessagesRequest(
                messages=[
                    ingest_service_pb2.PublishMessage(topic=TOPIC, payload=payload_of(number + place, moment))
                    for place in range(burst)
                ]
            )
            number += burst
            sending.create_task(send(request))
    return {"acknowledged": number, "failed_tries": failed}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(publish(sys.argv[1], float(sys.argv[2])))))
