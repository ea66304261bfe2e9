"""`dataflow.validator.v1.ContractService`."""

from dataflow.validator.v1 import contract_service_pb2, contract_service_pb2_grpc
from dataflow_mesh import paging
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog import contract_records
from dataflow_validator.catalog.contract_messages import contract_message, read_spec
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.pages import Context, read_page
from dataflow_validator.statements import statements

SERVICE = "dataflow.validator.v1.ContractService"
"""Full name of the service."""


class ContractServicer(contract_service_pb2_grpc.ContractServiceServicer):
    """Makes and shows contracts.

    Args:
        pool: Connections with short limits.
        registry: This process's catalogue; it follows each change before the answer leaves.
    """

    def __init__(self, pool: Pool, registry: Registry) -> None:
        self._pool = pool
        self._registry = registry

    async def CreateContract(
        self,
        request: contract_service_pb2.CreateContractRequest,
        context: Context,
    ) -> contract_service_pb2.CreateContractResponse:
        """Makes a contract with revision 1 and its table."""
        spec = read_spec(request.name, request.spec)
        async with self._pool.acquire() as connection:
            record = await contract_records.create_contract(
                connection, spec, activate=request.activate, request_id=request.request_id
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

    async def ActivateRevision(
        self,
        request: contract_service_pb2.ActivateRevisionRequest,
        context: Context,
    ) -> contract_service_pb2.ActivateRevisionResponse:
        """Makes a revision the one that judges."""
        async with self._pool.acquire() as connection:
            record = await contract_records.activate_revision(connection, request.contract.name, request.revision)
            await self._registry.refresh(connection)
        return contract_service_pb2.ActivateRevisionResponse(contract=contract_message(record))
