"""Moments and lengths of time between Python and protobuf; Postgres keeps microseconds, protobuf nanoseconds."""

from datetime import UTC, datetime, timedelta

from dataflow_mesh.errors import InvalidRequestError
from google.protobuf import duration_pb2, timestamp_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_timestamp(moment: datetime) -> timestamp_pb2.Timestamp:
    """Writes an aware moment."""
    seconds, micros = divmod((moment - _EPOCH) // _MICROSECOND, 1_000_000)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=micros * 1000)


def from_timestamp(message: timestamp_pb2.Timestamp, field: str) -> datetime:
    """Reads a moment, UTC; parts of a microsecond are rounded up, so that "from" and "before" stay exact.

    Args:
        message: From a request.
        field: Its path in the request, for the error.

    Raises:
        InvalidRequestError: Outside of the years 1 to 9999.
    """
    try:
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=-(-message.nanos // 1000))
    except OverflowError as error:
        raise InvalidRequestError(violations=[(field, "the years 1 to 9999 can be stored")]) from error


def to_duration(length: timedelta) -> duration_pb2.Duration:
    """Writes a length of time."""
    message = duration_pb2.Duration()
    message.FromTimedelta(length)
    return message


def from_duration(message: duration_pb2.Duration, field: str) -> timedelta:
    """Reads a length of time; parts of a microsecond are refused where they are all there is.

    Args:
        message: From a request.
        field: Its path in the request, for the error.

    Raises:
        InvalidRequestError: Too long, or shorter than a microsecond without being 0.
    """
    try:
        length = timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError as error:
        raise InvalidRequestError(violations=[(field, "too long")]) from error
    if not length and message.nanos:
        raise InvalidRequestError(violations=[(field, "at least a microsecond")])
    return length


def microseconds(moment: datetime) -> int:
    """Returns a moment as microseconds since 1970, exact, for page tokens."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(micros: int) -> datetime:
    """Reads what `microseconds` returned."""
    return _EPOCH + timedelta(microseconds=micros)
