"""The errors that servicers raise, and their form on the wire: one `google.rpc.ErrorInfo` for each.

A service derives its own errors from `DataflowError`: code and reason as class attributes, the docstring as default
message. Only the errors interceptor turns them into a status; nobody calls `context.abort`.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import ClassVar

import grpc
from dataflow.error.v1 import error_reason_pb2
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "dataflow"
"""`ErrorInfo.domain` of every error."""

_PREFIX = "ERROR_REASON_"

# gRPC clients refuse trailing metadata above 8 KiB, and then the caller would see none of it. The status goes there in
# base64, the message a second time in percent-encoding.
_MAX_STATUS_BYTES = 4096
_MAX_MESSAGE_BYTES = 512
_MAX_VALUE_BYTES = 256


class DataflowError(Exception):
    """A defect of DataFlow.

    Args:
        message: For the caller, in words that say the way out; default: the first paragraph of the class docstring.
        metadata: `ErrorInfo.metadata`; snake_case keys become lowerCamelCase.
        violations: Pairs of field path and what is wrong with it, for `BadRequest`.
        retry_after_seconds: For `RetryInfo`: when to try again.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    reason: ClassVar[error_reason_pb2.ErrorReason.ValueType] = error_reason_pb2.ERROR_REASON_INTERNAL

    def __init__(
        self,
        message: str | None = None,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[tuple[str, str]] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        self.message = message if message is not None else _first_paragraph(type(self))
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.message)

    @property
    def reason_name(self) -> str:
        """The reason as `ErrorInfo.reason` has it, without the enum's prefix."""
        return error_reason_pb2.ErrorReason.Name(self.reason).removeprefix(_PREFIX)


class InvalidRequestError(DataflowError):
    """A field of the request breaks its rule."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = error_reason_pb2.ERROR_REASON_INVALID_REQUEST


class TokenInvalidError(DataflowError):
    """No token, or one that nobody issued: send the metadata "authorization: Bearer <token>"."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = error_reason_pb2.ERROR_REASON_TOKEN_INVALID


class RoleMissingError(DataflowError):
    """The caller's role may not call this."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = error_reason_pb2.ERROR_REASON_ROLE_MISSING


class InternalError(DataflowError):
    """A defect of DataFlow; its log has the details under this request id."""


class PostgresUnavailableError(DataflowError):
    """Postgres does not answer; try again later."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = error_reason_pb2.ERROR_REASON_POSTGRES_UNAVAILABLE


class DeadlineExceededError(DataflowError):
    """The deadline passed before the work was done."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = error_reason_pb2.ERROR_REASON_DEADLINE_EXCEEDED


class ShuttingDownError(DataflowError):
    """This process is stopping; another one will answer."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = error_reason_pb2.ERROR_REASON_SHUTTING_DOWN


class PageTokenInvalidError(DataflowError):
    """The page token is not one of this list and filter; start again from the first page."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = error_reason_pb2.ERROR_REASON_PAGE_TOKEN_INVALID


class QueryTooExpensiveError(DataflowError):
    """The query costs more than the limit; narrow it."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = error_reason_pb2.ERROR_REASON_QUERY_TOO_EXPENSIVE


def to_status(error: DataflowError, request_id: str) -> status_pb2.Status:
    """Returns the error as `google.rpc.Status`: exactly one ErrorInfo, and BadRequest or RetryInfo where they apply.

    It fits into what gRPC clients accept: long texts are cut, and of very many violations the first are given, with
    the number of the others as `violationsLeftOff` in the metadata.

    Args:
        error: What a servicer raised.
        request_id: Goes into the metadata of an INTERNAL error, so that its trace can be found in the log.
    """
    metadata = {_camel(key): _cut(value, _MAX_VALUE_BYTES) for key, value in error.metadata.items()}
    if error.reason == error_reason_pb2.ERROR_REASON_INTERNAL:
        metadata["requestId"] = request_id
    bad_request = _bad_request(error.violations)
    if (left_off := len(error.violations) - len(bad_request.field_violations)) > 0:
        metadata["violationsLeftOff"] = str(left_off)
    details = [_packed(error_details_pb2.ErrorInfo(reason=error.reason_name, domain=DOMAIN, metadata=metadata))]
    if error.violations:
        details.append(_packed(bad_request))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    code: int = error.code.value[0]
    return status_pb2.Status(code=code, message=_cut(error.message, _MAX_MESSAGE_BYTES), details=details)


def _bad_request(violations: Sequence[tuple[str, str]]) -> error_details_pb2.BadRequest:
    bad_request = error_details_pb2.BadRequest()
    room = _MAX_STATUS_BYTES - _MAX_MESSAGE_BYTES - 1024
    for path, description in violations:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(path, _MAX_VALUE_BYTES), description=_cut(description, _MAX_VALUE_BYTES)
        )
        room -= violation.ByteSize() + 4
        if room < 0:
            break
        bad_request.field_violations.append(violation)
    return bad_request


def _cut(text: str, max_bytes: int) -> str:
    """Returns text that fits and that protobuf takes: it refuses lone surrogates."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= max_bytes:
        return raw.decode()
    return raw[: max_bytes - 3].decode("utf-8", "ignore") + "…"


def _packed(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _first_paragraph(cls: type[DataflowError]) -> str:
    paragraph = (inspect.getdoc(cls) or cls.__name__).split("\n\n", 1)[0]
    return " ".join(paragraph.split())


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(part.capitalize() for part in rest)
