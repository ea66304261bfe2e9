"""What the validator's services can refuse, each with its reason of `dataflow.error.v1`."""

import grpc
from dataflow.error.v1 import error_reason_pb2
from dataflow_mesh.errors import DataflowError


class ValidatorError(DataflowError):
    """The validator cannot do what was asked."""


class ContractNotFoundError(ValidatorError):
    """There is no contract of that name, or no such revision of it."""

    code = grpc.StatusCode.NOT_FOUND
    reason = error_reason_pb2.ERROR_REASON_CONTRACT_NOT_FOUND


class ContractExistsError(ValidatorError):
    """A contract of that name exists; contracts are changed by new revisions, never replaced."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = error_reason_pb2.ERROR_REASON_CONTRACT_EXISTS


class ContractInvalidError(ValidatorError):
    """The contract cannot be made as written."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = error_reason_pb2.ERROR_REASON_CONTRACT_INVALID


class RevisionIncompatibleError(ValidatorError):
    """The revision may not follow those before it."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_REVISION_INCOMPATIBLE


class EtagMismatchError(ValidatorError):
    """The etag is not the current one: somebody was faster. Read again."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_ETAG_MISMATCH


class ContractInUseError(ValidatorError):
    """Something still needs the contract."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_CONTRACT_IN_USE


class TableLockedError(ValidatorError):
    """Somebody keeps the contract's table locked, and nothing was changed; try again."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = error_reason_pb2.ERROR_REASON_TABLE_LOCKED


class RouteNotFoundError(ValidatorError):
    """There is no such route."""

    code = grpc.StatusCode.NOT_FOUND
    reason = error_reason_pb2.ERROR_REASON_ROUTE_NOT_FOUND


class RouteConflictError(ValidatorError):
    """A route with that filter, or one that is as specific for a common topic, exists."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = error_reason_pb2.ERROR_REASON_ROUTE_CONFLICT


class RouteInvalidError(ValidatorError):
    """Not an MQTT topic filter, not a topic, or not a device rule."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = error_reason_pb2.ERROR_REASON_ROUTE_INVALID


class QuarantinedNotFoundError(ValidatorError):
    """There is no quarantined item of that id."""

    code = grpc.StatusCode.NOT_FOUND
    reason = error_reason_pb2.ERROR_REASON_QUARANTINED_NOT_FOUND


class FieldInvalidError(ValidatorError):
    """The contract has no such field, or the field cannot be aggregated so."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = error_reason_pb2.ERROR_REASON_FIELD_INVALID


class RequestIdReusedError(ValidatorError):
    """The request_id was used for another request."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = error_reason_pb2.ERROR_REASON_REQUEST_ID_REUSED


class JobNotFoundError(ValidatorError):
    """There is no job of that id."""

    code = grpc.StatusCode.NOT_FOUND
    reason = error_reason_pb2.ERROR_REASON_JOB_NOT_FOUND


class JobStateError(ValidatorError):
    """The job's state does not allow it."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_JOB_STATE


class CursorInvalidError(ValidatorError):
    """The cursor is not one that WatchReadings gave for this contract."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = error_reason_pb2.ERROR_REASON_CURSOR_INVALID


class CursorForeignError(ValidatorError):
    """The cursor counts the transactions of another database, or of this one before it was restored or failed over.

    Begin again by `stored_since` with a time before the change; readings that come twice have the same key.
    """

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_CURSOR_FOREIGN


class StreamsExhaustedError(ValidatorError):
    """The validator has as many watches and exports as it takes; another one may have room."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = error_reason_pb2.ERROR_REASON_STREAMS_EXHAUSTED
