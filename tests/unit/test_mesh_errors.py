"""Errors on the wire, and what failures of Postgres mean to a caller."""

import asyncpg
import grpc
import pytest
from dataflow.error.v1 import error_reason_pb2
from dataflow_mesh import errors
from dataflow_mesh.errors import DataflowError, InvalidRequestError, PostgresUnavailableError, to_status
from dataflow_mesh.postgres import translate
from google.rpc import error_details_pb2

EVERY = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, DataflowError)]


@pytest.mark.parametrize("error", EVERY, ids=lambda error: error.__name__)
def test_to_status_gives_exactly_one_error_info_with_a_documented_reason(error: type[DataflowError]) -> None:
    """Every error of the mesh names a reason of the enum, without its prefix."""
    status = to_status(error(), "r-1")
    infos = [detail for detail in status.details if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    assert len(infos) == 1
    info = error_details_pb2.ErrorInfo.FromString(infos[0].value)
    assert f"ERROR_REASON_{info.reason}" in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118 - not a dict
    assert info.domain == "dataflow"
    assert status.code == error.code.value[0]


def test_the_docstring_is_the_default_message() -> None:
    """An error without a message says what its class is for, in one line."""

    class LongError(DataflowError):
        """The first paragraph.

        Not this.
        """

    assert str(LongError()) == LongError().message == "The first paragraph."


def test_metadata_keys_become_lower_camel_case() -> None:
    """ErrorInfo's keys follow the protobuf JSON spelling."""
    status = to_status(DataflowError(metadata={"batch_id": "b", "node": "n"}), "r-1")
    info = error_details_pb2.ErrorInfo.FromString(status.details[0].value)
    assert dict(info.metadata) == {"batchId": "b", "node": "n", "requestId": "r-1"}


def test_the_request_id_is_only_in_internal_errors() -> None:
    """Other reasons document their own metadata."""
    info = error_details_pb2.ErrorInfo.FromString(to_status(InvalidRequestError(), "r-1").details[0].value)
    assert not info.metadata


def test_lone_surrogates_and_very_long_texts_can_be_sent() -> None:
    """What came from a hostile payload cannot make the answer itself fail."""
    error = InvalidRequestError("\ud800" * 9999, metadata={"a": "\udfff" * 999}, violations=[("\ud800", "x" * 9999)])
    assert to_status(error, "r-1").ByteSize() < 4096


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.AdminShutdownError("57P01"),
        asyncpg.CrashShutdownError("57P02"),
        asyncpg.CannotConnectNowError("57P03"),
        asyncpg.TooManyConnectionsError("53300"),
        asyncpg.DiskFullError("53100"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("pool is closing"),
        asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress"),
    ],
    ids=repr,
)
def test_an_unreachable_postgres_is_unavailable(error: Exception) -> None:
    """Whatever says that the server is away or full means: try again later."""
    assert isinstance(translate(error), PostgresUnavailableError)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UndefinedTableError("42P01"),
        asyncpg.UniqueViolationError("23505"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        ConnectionRefusedError("not raised by the driver"),
        TimeoutError("not raised by the driver"),
        KeyError("x"),
    ],
    ids=repr,
)
def test_a_defect_is_not_taken_for_an_unreachable_postgres(error: Exception) -> None:
    """Only the driver's own failures count; the rest is a defect."""
    assert translate(error) is None


async def test_a_refused_connection_is_unavailable() -> None:
    """The plain OSError that the driver raises for an address nobody listens on is recognised."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one depends on the system
        await asyncpg.connect("postgresql://nobody@127.0.0.1:1/x", timeout=5)
    assert isinstance(translate(caught.value), PostgresUnavailableError)


def test_a_cancelled_query_exceeded_its_deadline() -> None:
    """statement_timeout is a deadline."""
    found = translate(asyncpg.QueryCanceledError("57014"))
    assert found is not None
    assert found.code == grpc.StatusCode.DEADLINE_EXCEEDED
