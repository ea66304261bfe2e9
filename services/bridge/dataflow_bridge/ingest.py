"""IngestService: messages over gRPC, on the same way as those over MQTT."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import orjson
from dataflow.access.v1 import role_pb2
from dataflow.bridge.v1 import ingest_service_pb2, ingest_service_pb2_grpc
from dataflow_mesh.access import current_caller
from dataflow_mesh.channel import remaining_deadline
from google.protobuf.json_format import MessageToDict
from grpc.aio import ServicerContext

from dataflow_bridge.errors import BridgeOverloadedError, RingUnavailableError
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Intake, message_cost

_MAX_TOPIC_BYTES: Final = 1024
_MAX_PAYLOAD_BYTES: Final = 1024 * 1024
_DEFAULT_WAIT_SECONDS: Final = 20.0
_EXACT_INTEGERS: Final = 2.0**53


class _Receipt:
    """Waits until every message of a request is durable (it is their `Ack`)."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def acknowledged(self, tokens: list[int]) -> None:
        """Count messages that are durable."""
        self._missing -= len(tokens)
        if self._missing <= 0 and not self.done.done():
            self.done.set_result(True)

    def failed(self, tokens: list[int]) -> None:
        """Note that the bridge stops before they are."""
        if not self.done.done():
            self.done.set_result(False)


class IngestServicer(ingest_service_pb2_grpc.IngestServiceServicer):
    """Takes messages from programs."""

    def __init__(self, intake: Intake, budget: Budget) -> None:
        self._intake = intake
        self._budget = budget

    async def PublishMessages(
        self,
        request: ingest_service_pb2.PublishMessagesRequest,
        context: ServicerContext[object, object],
    ) -> ingest_service_pb2.PublishMessagesResponse:
        """Put the messages on the ring and answer when they are durable."""
        response = ingest_service_pb2.PublishMessagesResponse()
        good: list[tuple[ingest_service_pb2.PublishMessage, bytes]] = []
        for index, message in enumerate(request.messages):
            payload = _payload(message)
            problem = _topic_problem(message.topic) or _payload_problem(payload)
            if problem:
                response.rejected.add(index=index, error_message=problem)
            else:
                good.append((message, payload))
        if not good:
            return response
        cost = sum(message_cost(message.topic, payload) for message, payload in good)
        if not self._budget.try_take(cost):
            raise BridgeOverloadedError(retry_after_seconds=0.5)
        caller = current_caller()
        device_id = caller.name if caller.role == role_pb2.ROLE_DEVICE else None
        receipt = _Receipt(len(good))
        now_us = time.time_ns() // 1000
        for message, payload in good:
            self._intake.submit(
                message.topic, payload, device_id, message.content_type or None, message.message_id or None,
                False, now_us, "grpc", receipt, 0,
            )  # fmt: skip
        try:
            # A little before the caller's own deadline, so that it learns why.
            wait = max(0.05, (remaining_deadline() or _DEFAULT_WAIT_SECONDS) - 0.1)
            async with asyncio.timeout(wait):
                durable = await receipt.done
        except TimeoutError as error:
            raise RingUnavailableError(retry_after_seconds=1.0) from error
        if not durable:
            raise RingUnavailableError(
                "the bridge stops; send the messages again, with the same message ids, to another one"
            )
        response.accepted_count = len(good)
        return response


def _payload(message: ingest_service_pb2.PublishMessage) -> bytes:
    content = message.WhichOneof("content")
    if content == "payload":
        return message.payload
    if content == "text":
        return message.text.encode()
    return orjson.dumps(_whole_numbers(MessageToDict(message.json)))


def _whole_numbers(value: object) -> object:
    """Return JSON with whole doubles as integers, as the caller wrote them before Struct made doubles of all."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(item) for item in value]
    return value


def _topic_problem(topic: str) -> str | None:
    if not topic:
        return "topic is empty"
    if topic.startswith("$"):
        return f"topic {topic[:80]!r}: topics that start with '$' belong to DataFlow"
    if any(character in topic for character in "+#\0"):
        return f"topic {topic[:80]!r}: '+', '#' and NUL are not allowed in a topic"
    if len(topic.encode()) > _MAX_TOPIC_BYTES:
        return f"topic is longer than {_MAX_TOPIC_BYTES} bytes"
    return None


def _payload_problem(payload: bytes) -> str | None:
    if len(payload) > _MAX_PAYLOAD_BYTES:
        return f"payload has {len(payload)} bytes, at most {_MAX_PAYLOAD_BYTES} are taken"
    return None
