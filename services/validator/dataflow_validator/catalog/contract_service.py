"""`dataflow.validator.v1.ContractService`."""

import asyncio

from dataflow.validator.v1 import contract_service_pb2
from dataflow_mesh import paging
from dataflow_mesh.access import current_caller
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog import contract_records
from dataflow_validator.catalog.compatibility_service import CompatibilityServicer
from dataflow_validator.catalog.contract_changes import delete_contract, update_contract
from dataflow_validator.catalog.contract_messages import contract_message, read_spec
from dataflow_validator.catalog.contract_watch_service import ContractWatchServicer
from dataflow_validator.catalog.language_service import LanguageServicer
from dataflow_validator.catalog.option_messages import read_changes, read_options, remains_message
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.revision_service import RevisionServicer
from dataflow_validator.jobs.contract_test.service import ContractTestServicer
from dataflow_validator.pages import Context, read_page
from dataflow_validator.statements import statements

SERVICE = "dataflow.validator.v1.ContractService"
"""Full name of the service."""


class ContractServicer(
    RevisionServicer, ContractWatchServicer, LanguageServicer, CompatibilityServicer, ContractTestServicer
):
    """Makes, changes, shows and deletes contracts.

    Args:
        pool: Connections with short limits.
        registry: This process's catalogue; it follows each change before the answer leaves.
        stopping: Set when the process stops: watches then end.
    """

    def __init__(self, pool: Pool, registry: Registry, stopping: asyncio.Event | None = None) -> None:
        RevisionServicer.__init__(self, pool, registry)
        ContractWatchServicer.__init__(self, pool, registry, stopping)

    async def CreateContract(
        self,
        request: contract_service_pb2.CreateContractRequest,
        context: Context,
    ) -> contract_service_pb2.CreateContractResponse:
        """Makes a contract with revision 1 and its table."""
        spec = read_spec(request.name, request.spec)
        async with self._pool.acquire() as connection:
            record = await contract_records.create_contract(
                connection,
                spec,
                activate=request.activate,
                options=read_options(request.options),
                request_id=request.request_id,
                actor=current_caller().name,
            )
            await self._registry.refresh(connection)
        return contract_service_pb2.CreateContractResponse(contract=contract_message(record))

    async def GetContract(
        self,
        request: contract_service_pb2.GetContractRequest,
        context: Context,
    ) -> contract_service_pb2.GetContractResponse:
        """Shows one contract."""
        async with self._pool.acquire() as connection:
            record = await contract_records.get_contract(connection, request.contract.name)
        return contract_service_pb2.GetContractResponse(contract=contract_message(record))

    async def ListContracts(
        self,
        request: contract_service_pb2.ListContractsRequest,
        context: Context,
    ) -> contract_service_pb2.ListContractsResponse:
        """Shows contracts by name."""
        method = f"{SERVICE}.ListContracts"
        after = paging.decode(request.page_token, method)
        size = paging.page_size(request.page_size)
        page = await read_page(
            self._pool,
            statements("registry")["contracts"],
            ["" if after is None else after[0], size + 1],
            size,
            lambda row: contract_message(contract_records.contract_of(row)),
        )
        token = paging.encode([page.items[-1].name], method) if page.more else ""
        return contract_service_pb2.ListContractsResponse(contracts=page.items, next_page_token=token)

    async def UpdateContract(
        self,
        request: contract_service_pb2.UpdateContractRequest,
        context: Context,
    ) -> contract_service_pb2.UpdateContractResponse:
        """Changes a contract's options."""
        async with self._pool.acquire() as connection:
            record = await update_contract(
                connection,
                request.contract.name,
                read_changes(request),
                etag=request.etag,
                actor=current_caller().name,
            )
            await self._registry.refresh(connection)
        return contract_service_pb2.UpdateContractResponse(contract=contract_message(record))

    async def DeleteContract(
        self,
        request: contract_service_pb2.DeleteContractRequest,
        context: Context,
    ) -> contract_service_pb2.DeleteContractResponse:
        """Deletes a contract; its rows stay."""
        name = request.contract.name
        async with self._pool.acquire() as connection:
            remains = await delete_contract(connection, name, etag=request.etag, actor=current_caller().name)
            await self._registry.refresh(connection)
        return remains_message(name, remains)
