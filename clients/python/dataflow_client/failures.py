"""From gRPC's error to this SDK's: the one place that reads `google.rpc.Status`."""

from typing import Protocol, runtime_checkable

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]  # it has no stubs

from dataflow_client.codes import BY_CODE, DataflowError, ErrorDetails, UnknownError, Violation
from dataflow_client.errors import BY_REASON

DOMAIN = "dataflow"
"""`ErrorInfo.domain` of every reason in `dataflow.error.v1.ErrorReason`."""


@runtime_checkable
class FailedCall(Protocol):
    """What an error of grpc and of grpc.aio have in common; they share no class that says so."""

    def code(self) -> grpc.StatusCode:
        """The status."""

    def details(self) -> str | None:
        """The message."""

    def trailing_metadata(self) -> object:
        """Where `google.rpc.Status` travels."""


def translated(error: object, target: str = "") -> DataflowError:
    """Returns the error to raise for a failed call: the class of its reason, else of its code.

    Reasons that this version does not know keep their code's class and their text in `reason`.
    """
    if not isinstance(error, FailedCall):
        return UnknownError(str(error), target=target)
    code = error.code()
    details = _details(error)
    kind = BY_REASON.get(details.reason, BY_CODE.get(code, UnknownError))
    if kind.code is not code:
        # A reason under another code than documented: the code is what gRPC acted upon.
        kind = BY_CODE.get(code, UnknownError)
    return kind(error.details() or "", details, target=target)


def _details(call: FailedCall) -> ErrorDetails:
    try:
        status = rpc_status.from_call(call)
    except ValueError:
        # Status and code contradict each other: something between us and the server made the error up.
        return ErrorDetails()
    if status is None:
        return ErrorDetails()
    reason, metadata = "", {}
    violations: list[Violation] = []
    retry_after: float | None = None
    for packed in status.details:
        info = error_details_pb2.ErrorInfo()
        request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if packed.Unpack(info) and info.domain == DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif packed.Unpack(request):
            violations += [Violation(entry.field, entry.description) for entry in request.field_violations]
        elif packed.Unpack(retry):
            retry_after = max(0.0, retry.retry_delay.ToTimedelta().total_seconds())
    return ErrorDetails(reason, metadata, tuple(violations), retry_after)
