"""What was judged of a payload, as a message."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

import orjson
from dataflow.validator.v1 import contract_language_pb2, quarantine_pb2
from dataflow_mesh.errors import InvalidRequestError
from google.protobuf import struct_pb2

from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.names import Column
from dataflow_validator.contracts.outcome import Accepted, RefusalKind, Refused
from dataflow_validator.json_messages import from_value, to_value
from dataflow_validator.readings.messages import value_message
from dataflow_validator.time_messages import to_timestamp

MAX_ITEMS: Final = 1_000
"""Items of one payload that are shown."""

_KINDS: Final[Mapping[RefusalKind, quarantine_pb2.QuarantineKind.ValueType]] = {
    RefusalKind.REFUSED: quarantine_pb2.QUARANTINE_KIND_REFUSED,
    RefusalKind.UNPARSABLE: quarantine_pb2.QUARANTINE_KIND_UNPARSABLE,
    RefusalKind.UNSTORABLE: quarantine_pb2.QUARANTINE_KIND_UNSTORABLE,
}
_ID_KINDS: Final[Mapping[IdKind, contract_language_pb2.MessageIdKind.ValueType]] = {
    IdKind.IDENTITY: contract_language_pb2.MESSAGE_ID_KIND_IDENTITY,
    IdKind.SENDER: contract_language_pb2.MESSAGE_ID_KIND_SENDER,
    IdKind.CONTENT: contract_language_pb2.MESSAGE_ID_KIND_CONTENT,
    IdKind.BRIDGE: contract_language_pb2.MESSAGE_ID_KIND_BRIDGE,
}
_ENVELOPE: Final = 6
"""Values of a row before its columns."""


def content_bytes(request: contract_language_pb2.JudgePayloadRequest) -> bytes:
    """Returns the payload as a device would send it.

    Raises:
        InvalidRequestError: The JSON value holds NaN or an infinity, or nests too deeply.
    """
    content = request.WhichOneof("content")
    if content == "payload":
        return request.payload
    if content == "text":
        return request.text.encode()
    try:
        return orjson.dumps(from_value(_finite(request.json)))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidRequestError(violations=[("json", f"this is no JSON: {error}")]) from error


def _finite(value: struct_pb2.Value) -> struct_pb2.Value:
    # orjson writes NaN as null, and would so judge another payload.
    json.dumps(from_value(value), allow_nan=False)
    return value


def judged_response(
    columns: Sequence[Column], outcomes: Sequence[Accepted | Refused], *, revision: int, anybody: bool
) -> contract_language_pb2.JudgePayloadResponse:
    """Writes what was judged.

    Args:
        columns: The contract's.
        outcomes: One for each item.
        revision: That judged.
        anybody: The device was not looked at: it and the ids made of it are left out.
    """
    return contract_language_pb2.JudgePayloadResponse(
        items=[
            _accepted(outcome, columns, anybody=anybody)
            if isinstance(outcome, Accepted)
            else _refused(outcome, anybody=anybody)
            for outcome in islice(outcomes, MAX_ITEMS)
        ],
        item_count=len(outcomes),
        accepted_count=sum(isinstance(outcome, Accepted) for outcome in outcomes),
        revision=revision,
    )


def _accepted(outcome: Accepted, columns: Sequence[Column], *, anybody: bool) -> contract_language_pb2.JudgedItem:
    device_id, event_time, _, message_id, _, _, *values, extra = outcome.row
    assert isinstance(event_time, datetime)
    known = not anybody and outcome.id_kind is not IdKind.BRIDGE
    return contract_language_pb2.JudgedItem(
        element=outcome.element,
        accepted=True,
        fields={
            column.field: value_message(column.sql_type, value)
            for column, value in zip(columns, values, strict=True)
            if value is not None
        },
        extra=None if extra is None else to_value(json.loads(str(extra))),
        device_id="" if anybody else str(device_id),
        event_time=to_timestamp(event_time),
        zone_assumed=outcome.zone_assumed,
        message_id=str(message_id) if known else "",
        message_id_kind=contract_language_pb2.MESSAGE_ID_KIND_UNSPECIFIED if anybody else _ID_KINDS[outcome.id_kind],
    )


def _refused(outcome: Refused, *, anybody: bool) -> contract_language_pb2.JudgedItem:
    known = not anybody and outcome.id_kind is not IdKind.BRIDGE
    return contract_language_pb2.JudgedItem(
        element=outcome.element,
        kind=_KINDS[outcome.kind],
        reasons=[quarantine_pb2.Reason(**why._asdict()) for why in outcome.reasons],
        device_id="" if anybody else outcome.device_id,
        event_time=None if outcome.event_time is None else to_timestamp(outcome.event_time),
        message_id=str(outcome.message_id) if known else "",
        message_id_kind=contract_language_pb2.MESSAGE_ID_KIND_UNSPECIFIED if anybody else _ID_KINDS[outcome.id_kind],
    )
