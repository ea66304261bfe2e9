"""What every failed call raises: one base, one class for each gRPC code; `errors.py` refines them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

import grpc


@dataclass(frozen=True, slots=True)
class Violation:
    """One field of a request that breaks its rule."""

    field: str
    """Path of the field, such as `spec.fields[2].name`."""
    description: str
    """What is wrong with it, for people."""


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What the server said beside the code."""

    reason: str = ""
    """A value of `dataflow.error.v1.ErrorReason` without its prefix; empty where the server gave none."""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The keys that the reason documents."""
    violations: Sequence[Violation] = ()
    """Every field at fault."""
    retry_after: float | None = None
    """Seconds after which a new try makes sense; None where the server did not say."""


class DataflowError(Exception):
    """The call failed."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN
    """The gRPC code of this class."""

    def __init__(self, message: str = "", details: ErrorDetails | None = None, *, target: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").partition("\n")[0]
        self.details = details or ErrorDetails()
        self.target = target
        super().__init__(self.message)

    @property
    def reason(self) -> str:
        """The documented reason; empty where the server gave none."""
        return self.details.reason

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the reason is about, such as the contract's name."""
        return self.details.metadata

    @property
    def violations(self) -> Sequence[Violation]:
        """Every field of the request at fault."""
        return self.details.violations

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the server wants the next try; None where it did not say."""
        return self.details.retry_after

    def __str__(self) -> str:
        problems = "".join(f"\n  {violation.field}: {violation.description}" for violation in self.violations)
        return f"{self.message}{problems}"


class CancelledError(DataflowError):
    """The call was cancelled."""

    code = grpc.StatusCode.CANCELLED


class UnknownError(DataflowError):
    """The server failed without saying how."""

    code = grpc.StatusCode.UNKNOWN


class InvalidArgumentError(DataflowError):
    """The request breaks a rule; `violations` lists them all."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class DeadlineExceededError(DataflowError):
    """The deadline passed; whether the work was done is not known."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class NotFoundError(DataflowError):
    """There is no such thing."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExistsError(DataflowError):
    """There is one already."""

    code = grpc.StatusCode.ALREADY_EXISTS


class PermissionDeniedError(DataflowError):
    """The token's role may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class ResourceExhaustedError(DataflowError):
    """A limit is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class FailedPreconditionError(DataflowError):
    """The system is not in a state that allows this."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class AbortedError(DataflowError):
    """Somebody was faster; read again and repeat."""

    code = grpc.StatusCode.ABORTED


class OutOfRangeError(DataflowError):
    """Beyond the valid range."""

    code = grpc.StatusCode.OUT_OF_RANGE


class UnimplementedError(DataflowError):
    """The server is older than this client or serves another service."""

    code = grpc.StatusCode.UNIMPLEMENTED


class InternalError(DataflowError):
    """A defect of the server; its log has the trace under the request id."""

    code = grpc.StatusCode.INTERNAL


class UnavailableError(DataflowError):
    """The server does not answer."""

    code = grpc.StatusCode.UNAVAILABLE


class DataLossError(DataflowError):
    """Data was lost on the way."""

    code = grpc.StatusCode.DATA_LOSS


class UnauthenticatedError(DataflowError):
    """No token, or one that nobody issued."""

    code = grpc.StatusCode.UNAUTHENTICATED


BY_CODE: Mapping[grpc.StatusCode, type[DataflowError]] = MappingProxyType(
    {
        error.code: error
        for error in (
            CancelledError,
            UnknownError,
            InvalidArgumentError,
            DeadlineExceededError,
            NotFoundError,
            AlreadyExistsError,
            PermissionDeniedError,
            ResourceExhaustedError,
            FailedPreconditionError,
            AbortedError,
            OutOfRangeError,
            UnimplementedError,
            InternalError,
            UnavailableError,
            DataLossError,
            UnauthenticatedError,
        )
    }
)
"""The class of each gRPC code that is an error."""
