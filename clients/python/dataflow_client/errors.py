"""Every error of this SDK: one class for each gRPC code and for each `dataflow.error.v1.ErrorReason`.

Generated from error_reason.proto by `python -m dataflow_client._generate`; not edited by hand.
"""

from collections.abc import Mapping
from types import MappingProxyType

from dataflow_client.codes import (
    BY_CODE,
    AbortedError,
    AlreadyExistsError,
    CancelledError,
    DataflowError,
    DataLossError,
    DeadlineExceededError,
    ErrorDetails,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
    Violation,
)

__all__ = [
    "BY_CODE",
    "BY_REASON",
    "AbortedError",
    "AlreadyExistsError",
    "AsksExhaustedError",
    "BridgeOverloadedError",
    "CallerBudgetExhaustedError",
    "CancelledError",
    "ContractExistsError",
    "ContractInUseError",
    "ContractInactiveError",
    "ContractInvalidError",
    "ContractNotFoundError",
    "ConversationBusyError",
    "ConversationFullError",
    "ConversationNotFoundError",
    "ConversationsOffError",
    "CursorForeignError",
    "CursorInvalidError",
    "DataLossError",
    "DataflowError",
    "DeadlineExceededError",
    "ErrorDetails",
    "EtagMismatchError",
    "ExportUnavailableError",
    "FailedPreconditionError",
    "FieldInvalidError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidRequestError",
    "JobNotFoundError",
    "JobStateError",
    "JobWorkerDiedError",
    "LastActiveNodeError",
    "NodeAwayError",
    "NodeExistsError",
    "NodeNotDrainedError",
    "NodeNotFoundError",
    "NodeUnfitError",
    "NotFoundError",
    "OutOfRangeError",
    "PageTokenInvalidError",
    "PermissionDeniedError",
    "PostgresUnavailableError",
    "QuarantinedNotFoundError",
    "QueryTooExpensiveError",
    "RequestIdReusedError",
    "ResourceExhaustedError",
    "RevisionIncompatibleError",
    "RingUnavailableError",
    "RoleMissingError",
    "RouteConflictError",
    "RouteInvalidError",
    "RouteNotFoundError",
    "ShuttingDownError",
    "SourceExistsError",
    "SourceInvalidError",
    "SourceNotFoundError",
    "StreamsExhaustedError",
    "SummaryNotFoundError",
    "TableLockedError",
    "TokenInvalidError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "Violation",
]


class InvalidRequestError(InvalidArgumentError):
    """A field of the request breaks its rule; `BadRequest` lists them all.

    Metadata: {"violationsLeftOff": "12"} where not all fit.
    """


class TokenInvalidError(UnauthenticatedError):
    """No token, or one that nobody issued.

    Metadata: {}.
    """


class RoleMissingError(PermissionDeniedError):
    """The caller's role may not call this.

    Metadata: {"method": "...", "role": "VIEWER", "requiredRoles": "ADMIN"}.
    """


class PostgresUnavailableError(UnavailableError):
    """Postgres does not answer; retry later.

    Metadata: {}.
    """


class ShuttingDownError(UnavailableError):
    """The process is stopping; another one will answer.

    Metadata: {}.
    """


class PageTokenInvalidError(InvalidArgumentError):
    """The page token is not one of this list and filter.

    Metadata: {}.
    """


class EtagMismatchError(FailedPreconditionError):
    """The etag is not the current one: somebody was faster; read again.

    Metadata: {"current": "..."}.
    """


class RequestIdReusedError(AlreadyExistsError):
    """The request_id was used for another request.

    Metadata: {"requestId": "..."}.
    """


class BridgeOverloadedError(ResourceExhaustedError):
    """The bridge's memory budget is spent; `RetryInfo` says when to try again.

    Metadata: {}.
    """


class RingUnavailableError(UnavailableError):
    """Fewer than `min_copies` ring nodes took the batch before the deadline.

    Metadata: {"batchId": "..."}.
    """


class NodeExistsError(AlreadyExistsError):
    """A ring node of that name is a member.

    Metadata: {"node": "..."}.
    """


class NodeNotFoundError(NotFoundError):
    """No ring node of that name.

    Metadata: {"node": "..."}.
    """


class NodeUnfitError(FailedPreconditionError):
    """The node answers but may not join.

    Metadata: {"node": "...", "check": "version|eviction|durability|incarnation|ping"}.
    """


class NodeNotDrainedError(FailedPreconditionError):
    """The node is not DRAINED, or holds batches.

    Metadata: {"node": "...", "state": "...", "batches": "3", "copies": "0"}; the counts where it was asked.
    """


class LastActiveNodeError(FailedPreconditionError):
    """No other node takes batches.

    Metadata: {"node": "..."}.
    """


class NodeAwayError(FailedPreconditionError):
    """The node does not answer, and this cannot be done without it.

    Metadata: {"node": "..."}.
    """


class SourceNotFoundError(NotFoundError):
    """No source of that name.

    Metadata: {"source": "..."}.
    """


class SourceExistsError(AlreadyExistsError):
    """A source of that name exists, or its sessions are still drained.

    Metadata: {"source": "..."}.
    """


class SourceInvalidError(InvalidArgumentError):
    """The source cannot be made so; `BadRequest` lists all problems.

    Metadata: {"source": "..."}.
    """


class ContractNotFoundError(NotFoundError):
    """No contract of that name.

    Metadata: {"contract": "..."}.
    """


class ContractExistsError(AlreadyExistsError):
    """A contract of that name exists.

    Metadata: {"contract": "..."}.
    """


class ContractInvalidError(InvalidArgumentError):
    """The contract cannot be made; `BadRequest` lists all problems.

    Metadata: {"contract": "..."}.
    """


class RouteNotFoundError(NotFoundError):
    """No such route.

    Metadata: {"route": "..."}.
    """


class RouteConflictError(AlreadyExistsError):
    """A route with that filter, or one that ties with it, exists.

    Metadata: {"filter": "...", "other": "..."}.
    """


class RouteInvalidError(InvalidArgumentError):
    """The filter is not an MQTT topic filter, or the device rule is not one.

    Metadata: {"filter": "..."}.
    """


class QuarantinedNotFoundError(NotFoundError):
    """No quarantined item of that id.

    Metadata: {"id": "..."}.
    """


class FieldInvalidError(InvalidArgumentError):
    """The contract has no such field, or the field cannot be aggregated so.

    Metadata: {"contract": "...", "field": "..."}.
    """


class ContractInactiveError(FailedPreconditionError):
    """The contract is not active.

    Metadata: {"contract": "..."}.
    """


class RevisionIncompatibleError(FailedPreconditionError):
    """The contract's compatibility mode refuses the revision; `BadRequest` lists each incompatibility with a counter-example.

    Metadata: {"contract": "...", "mode": "BACKWARD", "revision": "3"}; the revision it was compared with.
    """


class ContractInUseError(FailedPreconditionError):
    """Routes lead to the contract, or it is DataFlow's own.

    Metadata: {"contract": "...", "routes": "a/#, b/+"}.
    """


class TableLockedError(UnavailableError):
    """Somebody keeps the contract's table locked, so that no column can be added; nothing was changed.

    Metadata: {"contract": "...", "pid": "123", "application": "psql", "ageSeconds": "12.5"}, of the oldest transaction
    that has a lock, where it can be seen.
    """


class QueryTooExpensiveError(ResourceExhaustedError):
    """The query costs more than the limit; narrow the question.

    Metadata: {"limit": "rows|cost|time"}.
    """


class AsksExhaustedError(ResourceExhaustedError):
    """The caller has as many questions in the making as it may; `RetryInfo` says when to try again.

    Metadata: {"limit": "16"}.
    """


class ConversationNotFoundError(NotFoundError):
    """The caller has no conversation of that id; ended ones are kept for `conversation_days`.

    Metadata: {"conversationId": "..."}.
    """


class ConversationBusyError(FailedPreconditionError):
    """Another question of this conversation is being answered; wait for its end.

    Metadata: {"conversationId": "..."}.
    """


class ConversationFullError(FailedPreconditionError):
    """The conversation has as many turns or characters as it may; begin another.

    Metadata: {"conversationId": "...", "limit": "turns|characters"}.
    """


class SummaryNotFoundError(NotFoundError):
    """No summary of that id.

    Metadata: {"summaryId": "..."}.
    """


class CallerBudgetExhaustedError(ResourceExhaustedError):
    """The caller's questions have cost as much as they may for now, or it has too many queries in the making; `RetryInfo` says when to try again.

    Metadata: {"limit": "cost|queries"}.
    """


class ConversationsOffError(FailedPreconditionError):
    """This server keeps no conversations: it has no `postgres_dsn` that may write.

    Metadata: {}.
    """


class JobNotFoundError(NotFoundError):
    """No job of that id; ended jobs are kept for `job_days`.

    Metadata: {"jobId": "..."}.
    """


class JobStateError(FailedPreconditionError):
    """The job's state does not allow it: only what FAILED or was CANCELLED can be resumed.

    Metadata: {"jobId": "...", "state": "..."}.
    """


class JobWorkerDiedError(InternalError):
    """In `Job.error` only: its workers died over it, one after the other.

    Metadata: {"part": "0", "deaths": "5"}.
    """


class ExportUnavailableError(FailedPreconditionError):
    """In `Job.error` only: the validator has no `export_dir` to write files to.

    Metadata: {}.
    """


class CursorInvalidError(InvalidArgumentError):
    """The cursor is not one that WatchReadings gave for this contract.

    Metadata: {}.
    """


class CursorForeignError(FailedPreconditionError):
    """The cursor belongs to another database, or to what this one was before it was restored or failed over: begin by `stored_since`.

    Metadata: {"difference": "system|timeline|database|ahead"}.
    """


class StreamsExhaustedError(ResourceExhaustedError):
    """The validator has as many watches and exports as it takes; another one may have room.

    Metadata: {"limit": "64"}.
    """


BY_REASON: Mapping[str, type[DataflowError]] = MappingProxyType(
    {
        "INVALID_REQUEST": InvalidRequestError,
        "TOKEN_INVALID": TokenInvalidError,
        "ROLE_MISSING": RoleMissingError,
        "INTERNAL": InternalError,
        "POSTGRES_UNAVAILABLE": PostgresUnavailableError,
        "DEADLINE_EXCEEDED": DeadlineExceededError,
        "SHUTTING_DOWN": ShuttingDownError,
        "PAGE_TOKEN_INVALID": PageTokenInvalidError,
        "ETAG_MISMATCH": EtagMismatchError,
        "REQUEST_ID_REUSED": RequestIdReusedError,
        "BRIDGE_OVERLOADED": BridgeOverloadedError,
        "RING_UNAVAILABLE": RingUnavailableError,
        "NODE_EXISTS": NodeExistsError,
        "NODE_NOT_FOUND": NodeNotFoundError,
        "NODE_UNFIT": NodeUnfitError,
        "NODE_NOT_DRAINED": NodeNotDrainedError,
        "LAST_ACTIVE_NODE": LastActiveNodeError,
        "NODE_AWAY": NodeAwayError,
        "SOURCE_NOT_FOUND": SourceNotFoundError,
        "SOURCE_EXISTS": SourceExistsError,
        "SOURCE_INVALID": SourceInvalidError,
        "CONTRACT_NOT_FOUND": ContractNotFoundError,
        "CONTRACT_EXISTS": ContractExistsError,
        "CONTRACT_INVALID": ContractInvalidError,
        "ROUTE_NOT_FOUND": RouteNotFoundError,
        "ROUTE_CONFLICT": RouteConflictError,
        "ROUTE_INVALID": RouteInvalidError,
        "QUARANTINED_NOT_FOUND": QuarantinedNotFoundError,
        "FIELD_INVALID": FieldInvalidError,
        "CONTRACT_INACTIVE": ContractInactiveError,
        "REVISION_INCOMPATIBLE": RevisionIncompatibleError,
        "CONTRACT_IN_USE": ContractInUseError,
        "TABLE_LOCKED": TableLockedError,
        "QUERY_TOO_EXPENSIVE": QueryTooExpensiveError,
        "ASKS_EXHAUSTED": AsksExhaustedError,
        "CONVERSATION_NOT_FOUND": ConversationNotFoundError,
        "CONVERSATION_BUSY": ConversationBusyError,
        "CONVERSATION_FULL": ConversationFullError,
        "SUMMARY_NOT_FOUND": SummaryNotFoundError,
        "CALLER_BUDGET_EXHAUSTED": CallerBudgetExhaustedError,
        "CONVERSATIONS_OFF": ConversationsOffError,
        "JOB_NOT_FOUND": JobNotFoundError,
        "JOB_STATE": JobStateError,
        "JOB_WORKER_DIED": JobWorkerDiedError,
        "EXPORT_UNAVAILABLE": ExportUnavailableError,
        "CURSOR_INVALID": CursorInvalidError,
        "CURSOR_FOREIGN": CursorForeignError,
        "STREAMS_EXHAUSTED": StreamsExhaustedError,
    }
)
"""The class of each reason."""
