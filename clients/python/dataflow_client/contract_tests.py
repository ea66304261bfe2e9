"""Trying a contract on what was logged, before it judges."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dataflow.validator.v1 import contract_pb2, contract_service_pb2, job_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from dataflow_client.calls import AsyncCaller, Caller

if TYPE_CHECKING:
    from dataflow.validator.v1.contract_service_pb2_grpc import ContractServiceAsyncStub, ContractServiceStub


def _moment(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def contract_test_request(
    name: str,
    candidate: contract_pb2.ContractSpec | int,
    *,
    start: datetime | None,
    end: datetime | None,
    device_ids: Sequence[str],
    route: contract_service_pb2.CandidateRoute | None,
    max_samples: int | None,
    rate: float,
    request_id: str,
) -> contract_service_pb2.TestContractRequest:
    """Builds the request of `test`."""
    request = contract_service_pb2.TestContractRequest(
        contract=contract_pb2.ContractRef(name=name),
        start_time=_moment(start),
        end_time=_moment(end),
        device_ids=device_ids,
        route=route,
        max_samples=max_samples,
        rate=rate,
        request_id=request_id or str(uuid.uuid4()),
    )
    if isinstance(candidate, int):
        request.revision = candidate
    else:
        request.spec.CopyFrom(candidate)
    return request


class ContractTests:
    """Tests contracts; nothing is changed by it."""

    _stub: "ContractServiceStub"
    _caller: Caller

    def test(
        self,
        name: str,
        candidate: contract_pb2.ContractSpec | int = 0,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        device_ids: Sequence[str] = (),
        route: contract_service_pb2.CandidateRoute | None = None,
        max_samples: int | None = None,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Begins to judge what was logged and what is in quarantine; `jobs.wait(job.job_id)` gives its `contract_test`.

        Args:
            name: The contract.
            candidate: Rules that nobody has saved, or a revision; 0 means the newest.
            start: Received from this time on; aware.
            end: Received before this time; aware.
            device_ids: Any of these; empty for all.
            route: A route that is not made yet, whose unrouted items are judged, too.
            max_samples: Of each outcome; None: the server's choice.
            rate: Items per second at most; 0: as fast as live data allows.
            request_id: The same one is the same job; empty: one of this call's own.

        Raises:
            ContractNotFoundError: No such contract or revision.
            ContractInvalidError: The rules cannot be made; `violations` lists every problem.
            RevisionIncompatibleError: The rules change what is fixed for the contract's life.
            DataflowError: The call failed otherwise.
        """
        request = contract_test_request(
            name,
            candidate,
            start=start,
            end=end,
            device_ids=device_ids,
            route=route,
            max_samples=max_samples,
            rate=rate,
            request_id=request_id,
        )
        return self._caller.unary(self._stub.TestContract, request, repeatable=True).job


class AsyncContractTests:
    """Tests contracts; nothing is changed by it."""

    _stub: "ContractServiceAsyncStub"
    _caller: AsyncCaller

    async def test(
        self,
        name: str,
        candidate: contract_pb2.ContractSpec | int = 0,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        device_ids: Sequence[str] = (),
        route: contract_service_pb2.CandidateRoute | None = None,
        max_samples: int | None = None,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Begins to judge what was logged and what is in quarantine; see `ContractTests.test`.

        Raises:
            ContractNotFoundError: No such contract or revision.
            ContractInvalidError: The rules cannot be made; `violations` lists every problem.
            RevisionIncompatibleError: The rules change what is fixed for the contract's life.
            DataflowError: The call failed otherwise.
        """
        request = contract_test_request(
            name,
            candidate,
            start=start,
            end=end,
            device_ids=device_ids,
            route=route,
            max_samples=max_samples,
            rate=rate,
            request_id=request_id,
        )
        return (await self._caller.unary(self._stub.TestContract, request, repeatable=True)).job
