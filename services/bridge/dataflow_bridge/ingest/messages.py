"""What is taken of the messages that programs send, and what is wrong with the others: no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

import orjson
from dataflow.bridge.v1 import ingest_service_pb2
from google.protobuf.json_format import MessageToDict

_MAX_TOPIC_BYTES: Final = 1024
_MAX_PAYLOAD_BYTES: Final = 1024 * 1024
_EXACT_INTEGERS: Final = 2.0**53

Taken = tuple[ingest_service_pb2.PublishMessage, bytes]
"""A message and its payload as bytes."""


class Refusals(Protocol):
    """Where messages that are not taken are noted: `rejected` of a response."""

    def add(self, *, index: int, error_message: str) -> object:
        """Note one of them."""


def sift(messages: Iterable[ingest_service_pb2.PublishMessage], rejected: Refusals) -> list[Taken]:
    """Return the messages that are taken with their payloads, and note the others with the reason."""
    taken: list[Taken] = []
    for index, message in enumerate(messages):
        try:
            payload = _payload(message)
        except ValueError as error:
            rejected.add(index=index, error_message=f"json: {error}")
            continue
        if problem := _topic_problem(message.topic) or _payload_problem(payload):
            rejected.add(index=index, error_message=problem)
        else:
            taken.append((message, payload))
    return taken


def _payload(message: ingest_service_pb2.PublishMessage) -> bytes:
    """Return the content as bytes.

    Raises:
        ValueError: It holds NaN or an infinity, which a Struct can say and JSON cannot, or nests too deeply.
    """
    content = message.WhichOneof("content")
    if content == "payload":
        return message.payload
    if content == "text":
        return message.text.encode()
    try:
        return orjson.dumps(whole_numbers(MessageToDict(message.json)))
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error
    except ValueError as error:
        raise ValueError("NaN and infinities are no JSON; leave the field out or send null") from error


def whole_numbers(value: object) -> object:
    """Return JSON with whole doubles as integers, as the caller wrote them before Struct made doubles of all."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return int(value)
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
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
