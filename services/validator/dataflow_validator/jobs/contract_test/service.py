"""The part of `dataflow.validator.v1.ContractService` that tests contracts on what was logged."""

from __future__ import annotations

import asyncio

from dataflow.validator.v1 import contract_service_pb2, contract_service_pb2_grpc
from dataflow_mesh.access import current_caller
from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.catalog.contract_messages import read_spec
from dataflow_validator.catalog.contract_records import ContractRecord, get_contract, invalid_contract
from dataflow_validator.catalog.fitness import fixed_problems, refuse_unfit
from dataflow_validator.catalog.revision_records import get_revision
from dataflow_validator.catalog.routes import check_device_rule, check_filter, implied_device_rule
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.errors import ContractError, RouteError
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.errors import RouteInvalidError
from dataflow_validator.jobs.contract_test.kind import NAME
from dataflow_validator.jobs.contract_test.request import DEFAULT_SAMPLES, CandidateRoute, TestRequest
from dataflow_validator.jobs.messages import job_message
from dataflow_validator.jobs.records import create_job
from dataflow_validator.pages import Context, storable
from dataflow_validator.time_messages import from_timestamp


class ContractTestServicer(contract_service_pb2_grpc.ContractServiceServicer):
    """Makes the job that judges what was logged.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def TestContract(
        self, request: contract_service_pb2.TestContractRequest, context: Context
    ) -> contract_service_pb2.TestContractResponse:
        """Makes the job."""
        name = request.contract.name
        async with self._pool.acquire() as connection:
            contract = await get_contract(connection, name)
            spec = None
            revision = request.revision or contract.latest_revision
            if request.WhichOneof("candidate") == "spec":
                revision, spec = 0, await _read_candidate(connection, contract, request)
            else:
                await get_revision(connection, name, revision)
            asked = TestRequest(
                contract=name,
                revision=revision,
                spec=spec,
                start=from_timestamp(request.start_time, "start_time") if request.HasField("start_time") else None,
                end=from_timestamp(request.end_time, "end_time") if request.HasField("end_time") else None,
                device_ids=frozenset(storable(list(request.device_ids))),
                route=_read_route(request.route, spec or contract.spec) if request.HasField("route") else None,
                max_samples=request.max_samples if request.HasField("max_samples") else DEFAULT_SAMPLES,
            )
            job = await create_job(
                connection,
                NAME,
                asked.to_json(),
                request_id=request.request_id,
                created_by=current_caller().name,
                dry_run=True,
                rate=request.rate or None,
            )
        return contract_service_pb2.TestContractResponse(job=job_message(job))


async def _read_candidate(
    connection: Connection, contract: ContractRecord, request: contract_service_pb2.TestContractRequest
) -> ContractSpec:
    """Reads rules that could be the contract's next revision but for its compatibility mode."""
    spec = read_spec(contract.name, request.spec)
    try:
        await asyncio.to_thread(compile_contract, spec, 1)
    except ContractError as error:
        raise invalid_contract(contract.name, error) from error
    newest = await get_revision(connection, contract.name, contract.latest_revision)
    refuse_unfit(spec, newest.revision, fixed_problems(newest.spec, spec))
    return spec


def _read_route(message: contract_service_pb2.CandidateRoute, spec: ContractSpec) -> CandidateRoute:
    try:
        check_filter(message.filter)
        if not message.device:
            return CandidateRoute(message.filter, implied_device_rule(message.filter, spec))
        rule = DeviceRule.parse(message.device)
        check_device_rule(message.filter, rule)
    except RouteError as error:
        raise RouteInvalidError(str(error), metadata={"filter": message.filter}) from error
    return CandidateRoute(message.filter, rule)
