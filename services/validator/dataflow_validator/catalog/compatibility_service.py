"""The part of `dataflow.validator.v1.ContractService` that compares revisions."""

import asyncio
import json
from typing import Final

from dataflow.validator.v1 import compatibility_pb2, contract_service_pb2_grpc
from dataflow_mesh import paging
from dataflow_mesh.errors import InvalidRequestError, PageTokenInvalidError
from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.catalog.compatibility_messages import change_message, read_mode, report_message
from dataflow_validator.catalog.contract_messages import read_spec
from dataflow_validator.catalog.contract_records import get_contract, invalid_contract
from dataflow_validator.catalog.revision_records import get_revision
from dataflow_validator.contracts.compatibility import changes, check
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.pages import Context
from dataflow_validator.readings.added_columns import actual_columns
from dataflow_validator.statements import statements

_DIFF: Final = "dataflow.validator.v1.ContractService.DiffRevisions"


class CompatibilityServicer(contract_service_pb2_grpc.ContractServiceServicer):
    """Compares revisions. Stores nothing.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def CheckCompatibility(
        self, request: compatibility_pb2.CheckCompatibilityRequest, context: Context
    ) -> compatibility_pb2.CheckCompatibilityResponse:
        """Says whether rules may be the next revision, and why not."""
        name = request.contract.name
        spec = read_spec(name, request.spec)
        try:
            await asyncio.to_thread(compile_contract, spec, 1)
        except ContractError as error:
            raise invalid_contract(name, error) from error
        async with self._pool.acquire() as connection:
            contract = await get_contract(connection, name)
            mode = read_mode(request.mode, contract.options.compatibility)
            columns = await actual_columns(connection, name)
            if request.revision:
                one = await get_revision(connection, name, request.revision)
                earlier = [(one.revision, one.spec)]
            elif mode.is_transitive:
                earlier = await _all_specs(connection, name)
            else:
                newest = await get_revision(connection, name, contract.latest_revision)
                earlier = [(newest.revision, newest.spec)]
        # In a thread, and with no connection held: a proof may take a second, and live data goes on.
        report = await asyncio.to_thread(check, earlier, spec, mode, columns)
        return report_message(report)

    async def DiffRevisions(
        self, request: compatibility_pb2.DiffRevisionsRequest, context: Context
    ) -> compatibility_pb2.DiffRevisionsResponse:
        """Says how two revisions differ."""
        name = request.contract.name
        async with self._pool.acquire() as connection:
            contract = await get_contract(connection, name)
            newer = request.to_revision or contract.latest_revision
            older = request.from_revision or newer - 1
            if older < 1:
                raise InvalidRequestError(f"revision {newer} of contract {name!r} is its first: name two revisions")
            old = await get_revision(connection, name, older)
            new = await get_revision(connection, name, newer)
        selected = compatibility_pb2.DiffRevisionsRequest(
            contract=request.contract, from_revision=older, to_revision=newer
        )
        after = paging.decode(request.page_token, _DIFF, selected)
        begin = 0 if after is None else after[0]
        if not isinstance(begin, int):
            raise PageTokenInvalidError
        size = paging.page_size(request.page_size)
        # Revisions never change, so that a place in the list is one for ever.
        found = await asyncio.to_thread(changes, old.spec, new.spec)
        more = len(found) > begin + size
        return compatibility_pb2.DiffRevisionsResponse(
            from_revision=older,
            to_revision=newer,
            changes=[change_message(change) for change in found[begin : begin + size]],
            next_page_token=paging.encode([begin + size], _DIFF, selected) if more else "",
        )


async def _all_specs(connection: Connection, name: str) -> list[tuple[int, ContractSpec]]:
    rows = await connection.fetch(statements("registry")["all_specs"], name)
    found = [(row["revision"], ContractSpec.from_dict(json.loads(row["spec"]))) for row in rows]
    return sorted(found, key=lambda one: one[0])
