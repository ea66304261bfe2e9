"""The part of `dataflow.validator.v1.ContractService` that is about revisions."""

from dataflow.validator.v1 import contract_service_pb2, contract_service_pb2_grpc
from dataflow_mesh import paging
from dataflow_mesh.access import current_caller
from dataflow_mesh.errors import PageTokenInvalidError
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.activation import activate_revision
from dataflow_validator.catalog.contract_messages import contract_message, read_spec
from dataflow_validator.catalog.contract_records import get_contract
from dataflow_validator.catalog.option_messages import advice_message, revision_message
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.revision_records import MAX_REVISION, create_revision, get_revision, revision_of
from dataflow_validator.pages import Context, read_page
from dataflow_validator.statements import statements

_LIST = "dataflow.validator.v1.ContractService.ListRevisions"


class RevisionServicer(contract_service_pb2_grpc.ContractServiceServicer):
    """Makes, shows and activates revisions.

    Args:
        pool: Connections with short limits.
        registry: This process's catalogue; it follows each change before the answer leaves.
    """

    def __init__(self, pool: Pool, registry: Registry) -> None:
        self._pool = pool
        self._registry = registry

    async def CreateRevision(
        self,
        request: contract_service_pb2.CreateRevisionRequest,
        context: Context,
    ) -> contract_service_pb2.CreateRevisionResponse:
        """Makes the next revision of a contract, and its columns."""
        name = request.contract.name
        spec = read_spec(name, request.spec)
        async with self._pool.acquire() as connection:
            revised = await create_revision(
                connection,
                spec,
                activate=request.activate,
                etag=request.etag,
                request_id=request.request_id,
                actor=current_caller().name,
            )
            await self._registry.refresh(connection)
        return contract_service_pb2.CreateRevisionResponse(
            revision=revision_message(revised.revision),
            contract=contract_message(revised.contract),
            created=revised.created,
            added_columns=revised.added_columns,
            redrive=None if revised.redriven is None else advice_message(revised.redriven, name),
        )

    async def GetRevision(
        self,
        request: contract_service_pb2.GetRevisionRequest,
        context: Context,
    ) -> contract_service_pb2.GetRevisionResponse:
        """Shows one revision."""
        async with self._pool.acquire() as connection:
            contract = await get_contract(connection, request.contract.name)
            record = await get_revision(connection, contract.name, request.revision or contract.latest_revision)
        return contract_service_pb2.GetRevisionResponse(revision=revision_message(record))

    async def ListRevisions(
        self,
        request: contract_service_pb2.ListRevisionsRequest,
        context: Context,
    ) -> contract_service_pb2.ListRevisionsResponse:
        """Shows the revisions of a contract, the newest first."""
        name = request.contract.name
        after = paging.decode(request.page_token, _LIST, request.contract)
        before = MAX_REVISION if after is None else after[0]
        if not isinstance(before, int):
            raise PageTokenInvalidError
        size = paging.page_size(request.page_size)
        async with self._pool.acquire() as connection:
            await get_contract(connection, name)
        page = await read_page(
            self._pool,
            statements("registry")["revisions"],
            [name, before, size + 1],
            size,
            lambda row: revision_message(revision_of(row)),
        )
        token = paging.encode([page.items[-1].revision], _LIST, request.contract) if page.more else ""
        return contract_service_pb2.ListRevisionsResponse(revisions=page.items, next_page_token=token)

    async def ActivateRevision(
        self,
        request: contract_service_pb2.ActivateRevisionRequest,
        context: Context,
    ) -> contract_service_pb2.ActivateRevisionResponse:
        """Makes a revision the one that judges."""
        async with self._pool.acquire() as connection:
            record, redriven = await activate_revision(
                connection,
                request.contract.name,
                request.revision,
                etag=request.etag,
                actor=current_caller().name,
            )
            await self._registry.refresh(connection)
        return contract_service_pb2.ActivateRevisionResponse(
            contract=contract_message(record), redrive=advice_message(redriven, record.name)
        )
