"""Errors: one class for each documented reason, made from gRPC's status."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from dataflow.error.v1 import error_reason_pb2
from dataflow_client import Violation, errors
from dataflow_client._generate import errors_source
from dataflow_client.failures import translated
from dataflow_client.testing import Failure

_ROOT = Path(__file__).parents[2]


class Failed(grpc.RpcError):
    """An error as gRPC raises it."""

    def __init__(self, failure: Failure, *, trailer: tuple[tuple[str, bytes], ...] | None = None) -> None:
        self._failure = failure
        self._trailer = failure.trailer() if trailer is None else trailer

    def code(self) -> grpc.StatusCode:
        return self._failure.code

    def details(self) -> str:
        return self._failure.message

    def trailing_metadata(self) -> Any:
        return self._trailer


def test_error_classes_are_those_of_the_proto() -> None:
    """The generated file is what the generator writes today."""
    proto = (_ROOT / "protos/dataflow/error/v1/error_reason.proto").read_text(encoding="utf-8")
    assert Path(errors.__file__).read_text(encoding="utf-8") == errors_source(proto)


def test_every_reason_has_a_class_under_its_code() -> None:
    """No value of the enum is left to the base class."""
    reasons = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118  # not a dict
    assert set(errors.BY_REASON) == reasons
    assert all(
        kind in errors.BY_CODE[kind.code].__subclasses__() or kind is errors.BY_CODE[kind.code]
        for kind in errors.BY_REASON.values()
    )


def test_every_code_has_a_class() -> None:
    """No gRPC code is left to the base class."""
    assert set(errors.BY_CODE) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


def test_translated_error_carries_all_details() -> None:
    """Reason, metadata, violations, delay and target arrive."""
    error = translated(
        Failed(
            Failure(
                grpc.StatusCode.INVALID_ARGUMENT,
                "bad contract",
                "CONTRACT_INVALID",
                {"contract": "c"},
                {"spec.fields[0].name": "empty"},
                1.5,
            )
        ),
        "127.0.0.1:1",
    )
    assert type(error) is errors.ContractInvalidError
    assert error.message == "bad contract"
    assert error.metadata == {"contract": "c"}
    assert error.violations == (Violation("spec.fields[0].name", "empty"),)
    assert error.retry_after == 1.5
    assert error.target == "127.0.0.1:1"
    assert str(error) == "bad contract\n  spec.fields[0].name: empty"


def test_unknown_reason_keeps_its_code_and_name() -> None:
    """A newer server's reason is not lost."""
    error = translated(Failed(Failure(grpc.StatusCode.NOT_FOUND, reason="MOON_NOT_FOUND")))
    assert type(error) is errors.NotFoundError
    assert error.reason == "MOON_NOT_FOUND"


def test_reason_under_another_code_is_judged_by_the_code() -> None:
    """Retries act on the code, so the class follows it."""
    assert (
        type(translated(Failed(Failure(grpc.StatusCode.UNAVAILABLE, reason="NODE_EXISTS")))) is errors.UnavailableError
    )


@pytest.mark.parametrize("trailer", [(), (("grpc-status-details-bin", b"\x08\x05"),)])
def test_error_without_usable_details_keeps_code_and_message(trailer: tuple[tuple[str, bytes], ...]) -> None:
    """A proxy's error, or details that contradict the code, are no second failure."""
    error = translated(Failed(Failure(grpc.StatusCode.UNAVAILABLE, "refused"), trailer=trailer))
    assert type(error) is errors.UnavailableError
    assert error.message == "refused"
    assert error.reason == ""


def test_error_without_message_says_what_its_class_means() -> None:
    """No error is printed empty."""
    assert str(errors.NodeNotFoundError()) == "No ring node of that name."
