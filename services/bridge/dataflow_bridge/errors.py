"""What the bridge can answer instead of a result."""

from __future__ import annotations

import grpc
from dataflow.error.v1 import error_reason_pb2 as reasons
from dataflow_mesh.errors import DataflowError


class BridgeOverloadedError(DataflowError):
    """The bridge's memory budget is spent; nothing was taken. Try again after the time in RetryInfo."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = reasons.ERROR_REASON_BRIDGE_OVERLOADED


class RingUnavailableError(DataflowError):
    """Too few ring nodes took the messages in time; nothing is acknowledged. Send them again with the same message ids."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = reasons.ERROR_REASON_RING_UNAVAILABLE


class NodeExistsError(DataflowError):
    """A ring node of that name is a member."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = reasons.ERROR_REASON_NODE_EXISTS


class NodeNotFoundError(DataflowError):
    """No ring node has that name; `dataflow ring list` shows all."""

    code = grpc.StatusCode.NOT_FOUND
    reason = reasons.ERROR_REASON_NODE_NOT_FOUND


class UnfitNodeError(DataflowError):
    """The server answers, but may not join the ring."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = reasons.ERROR_REASON_NODE_UNFIT


class SourceNotFoundError(DataflowError):
    """No source has that name; `dataflow source list` shows all."""

    code = grpc.StatusCode.NOT_FOUND
    reason = reasons.ERROR_REASON_SOURCE_NOT_FOUND


class SourceExistsError(DataflowError):
    """A source of that name exists, or is still being drained."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = reasons.ERROR_REASON_SOURCE_EXISTS


class SourceInvalidError(DataflowError):
    """The source cannot be made so; the violations list all problems."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = reasons.ERROR_REASON_SOURCE_INVALID


class EtagMismatchError(DataflowError):
    """The etag is not the current one: somebody was faster. Read again."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = reasons.ERROR_REASON_ETAG_MISMATCH


class RequestIdReusedError(DataflowError):
    """The request_id was used for another request."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = reasons.ERROR_REASON_REQUEST_ID_REUSED


class NodeNotDrainedError(DataflowError):
    """The ring node may still hold batches: drain it, and wait until it is DRAINED."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = reasons.ERROR_REASON_NODE_NOT_DRAINED


class LastActiveNodeError(DataflowError):
    """No other ring node takes batches: add one first."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = reasons.ERROR_REASON_LAST_ACTIVE_NODE


class NodeAwayError(DataflowError):
    """The ring node does not answer, and this cannot be done without it."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = reasons.ERROR_REASON_NODE_AWAY
