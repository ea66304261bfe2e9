"""The sample that a contract is proposed from, and the proposal as a message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from dataflow.validator.v1 import inference_pb2, route_service_pb2, route_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_ring.batch import BatchUnreadableError, is_erased, unpack

from dataflow_validator.catalog.contract_messages import spec_message
from dataflow_validator.catalog.routes import check_filter, matches
from dataflow_validator.contracts.errors import RouteError
from dataflow_validator.contracts.infer import Inferred, Proposed, infer
from dataflow_validator.contracts.sample import Message
from dataflow_validator.errors import RouteInvalidError
from dataflow_validator.pages import Context
from dataflow_validator.quarantine.filters import topic_pattern
from dataflow_validator.statements import statements
from dataflow_validator.time_messages import to_timestamp

_SQL: Final = statements("inference")
_DEFAULT_SAMPLE: Final = 2_000
_MAX_SAMPLE: Final = 10_000
_MAX_TOPICS: Final = 500
_MAX_PAYLOAD_BYTES: Final = 64 * 1024
"""Of a message in the sample: 10,000 of 1 MiB would be too much to hold for a look."""
_MAX_SAMPLE_BYTES: Final = 32 * 1024 * 1024
_MAX_BATCHES: Final = 200
_SHOWN_TOPICS: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class InferenceServicer(route_service_pb2_grpc.RouteServiceServicer):
    """What `RouteService` does to propose contracts.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def InferContract(
        self,
        request: route_service_pb2.InferContractRequest,
        context: Context,
    ) -> route_service_pb2.InferContractResponse:
        """Looks at a sample and proposes; computed in a thread, so that nobody else waits."""
        try:
            check_filter(request.topic_filter)
        except RouteError as error:
            raise RouteInvalidError(str(error), metadata={"filter": request.topic_filter}) from error
        size = min(request.sample_size or _DEFAULT_SAMPLE, _MAX_SAMPLE)
        rows = await self._pool.fetch(_SQL["waiting_topics"], topic_pattern(request.topic_filter), _MAX_TOPICS)
        waiting = rows[0]["waiting"] if rows else 0
        source = inference_pb2.SAMPLE_SOURCE_UNROUTED
        messages = await self._unrouted([row["topic"] for row in rows], size)
        if not messages:
            source = inference_pb2.SAMPLE_SOURCE_RAW_LOG
            messages = await self._logged(request.topic_filter, size)
        name = request.name or "inferred"
        inferred = await asyncio.to_thread(infer, name, messages, request.topic_filter)
        found = _message(inferred, messages)
        found.waiting = waiting
        found.source = source if messages else inference_pb2.SAMPLE_SOURCE_UNSPECIFIED
        return route_service_pb2.InferContractResponse(inference=found)

    async def _unrouted(self, topics: Sequence[str], size: int) -> list[Message]:
        if not topics:
            return []
        each = max(1, size // len(topics) // 2)
        rows = await self._pool.fetch(_SQL["unrouted_sample"], topics, each, _MAX_PAYLOAD_BYTES)
        return _bounded(
            [Message(row["topic"], row["payload"], row["device_id"], row["receive_time"]) for row in rows], size
        )

    async def _logged(self, topic_filter: str, size: int) -> list[Message]:
        """Takes from the newest batches; a batch at a time, so that memory stays small."""
        found: list[Message] = []
        for row in await self._pool.fetch(_SQL["newest_batches"], _MAX_BATCHES):
            data = await self._pool.fetchval(_SQL["batch_bytes"], row["batch_id"], row["commit_time"])
            if data is not None:
                found += await asyncio.to_thread(_matching, data, topic_filter)
            if len(found) >= size:
                break
        return _bounded(found, size)


def _matching(data: bytes, topic_filter: str) -> list[Message]:
    try:
        batch = unpack(data)
    except BatchUnreadableError:
        return []
    return [
        Message(
            message.topic,
            message.payload,
            message.device_id,
            _EPOCH + timedelta(microseconds=message.receive_time_us),
        )
        for message in batch.messages
        if not is_erased(message)
        and len(message.payload) <= _MAX_PAYLOAD_BYTES
        and matches(topic_filter, message.topic)
    ]


def _bounded(messages: list[Message], size: int) -> list[Message]:
    total = 0
    for index, message in enumerate(messages[:size]):
        total += len(message.payload)
        if total > _MAX_SAMPLE_BYTES:
            return messages[:index]
    return messages[:size]


def _message(inferred: Inferred, messages: Sequence[Message]) -> inference_pb2.Inference:
    found = inference_pb2.Inference(
        spec=None if inferred.spec is None else spec_message(inferred.spec),
        device_rule=inferred.device_rule,
        device_note=inferred.device_note,
        messages=inferred.messages,
        items=inferred.items,
        unparsable=inferred.unparsable,
        scalars=inferred.scalars,
        topics=[
            inference_pb2.SeenTopic(topic=topic, messages=count) for topic, count in inferred.topics[:_SHOWN_TOPICS]
        ],
        warnings=inferred.warnings,
    )
    fields = {} if found.spec is None else {item.name: item for item in found.spec.fields}
    for one in inferred.fields:
        seen = _seen(one, inferred.items)
        if one.spec.name in fields:
            seen.field.CopyFrom(fields[one.spec.name])
        found.fields.append(seen)
    if messages:
        found.first_receive_time.CopyFrom(to_timestamp(min(message.receive_time for message in messages)))
        found.last_receive_time.CopyFrom(to_timestamp(max(message.receive_time for message in messages)))
    return found


def _seen(one: Proposed, items: int) -> inference_pb2.SeenField:
    seen = one.seen
    return inference_pb2.SeenField(
        name=one.spec.name,
        present=seen.present,
        share=seen.present / items,
        types=dict(seen.types),
        least=None if seen.least is None else float(seen.least),
        greatest=None if seen.greatest is None else float(seen.greatest),
        distinct=seen.distinct,
        distinct_capped=seen.more_values,
        examples=seen.examples(),
        note=one.note,
    )
