"""Handing a batch of messages to the batcher and learning when all of it is durable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import current_caller

from dataflow_bridge.ingest.messages import Taken
from dataflow_bridge.listener.seams import Intake, message_cost


class Receipt:
    """Waits until every message of a batch is durable (it is their `Ack`).

    Attributes:
        done: True when they are; False when the bridge stops before.
    """

    def __init__(self, count: int) -> None:
        self._missing = count
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not count:
            self.done.set_result(True)

    def acknowledged(self, tokens: list[int]) -> None:
        """Count messages that are durable."""
        self._missing -= len(tokens)
        if self._missing <= 0 and not self.done.done():
            self.done.set_result(True)

    def failed(self, tokens: list[int]) -> None:  # noqa: ARG002 - the protocol's
        """Note that the bridge stops before they are."""
        if not self.done.done():
            self.done.set_result(False)


def cost_of(messages: Sequence[Taken]) -> int:
    """Return the bytes of budget that the messages take until they are durable."""
    return sum(message_cost(message.topic, payload) for message, payload in messages)


def submit(messages: Sequence[Taken], intake: Intake) -> Receipt:
    """Hand over messages of the caller that is being served; `cost_of` them is taken from the budget already."""
    caller = current_caller()
    device_id = caller.name if caller.role == role_pb2.ROLE_DEVICE else None
    receipt = Receipt(len(messages))
    now_us = time.time_ns() // 1000
    for message, payload in messages:
        intake.submit(
            message.topic, payload, device_id, message.content_type or None, message.message_id or None,
            False, now_us, "grpc", receipt, 0,
        )  # fmt: skip
    return receipt
