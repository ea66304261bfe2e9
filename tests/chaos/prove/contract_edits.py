"""Contracts that change while data flow: a new revision with one more optional field, and back to an older one."""

from __future__ import annotations

from dataflow.validator.v1 import contract_pb2
from dataflow_client import AsyncClient

_MOST_REVISIONS = 20
"""Of one contract; after that only the active one changes."""


async def edit_contract(client: AsyncClient, contract: str, share: float) -> str:
    """Makes a revision judge that did not before, and returns what was done.

    Args:
        client: May revise and activate.
        contract: Its name.
        share: Below 0.7 a new revision is made, from there on an older one is activated.
    """
    was = await client.contracts.get(contract)
    if share < 0.7 and was.latest_revision < _MOST_REVISIONS:
        newest = await client.contracts.revision(contract)
        name = f"added_{was.latest_revision + 1}"
        newest.spec.fields.add(name=name, type=contract_pb2.FIELD_TYPE_NUMBER, required=False)
        revision = (await client.contracts.revise(contract, newest.spec, activate=True)).revision.revision
    else:
        revision = 1 + was.active_revision % was.latest_revision
        await client.contracts.activate(contract, revision)
    return f"revision {was.active_revision} -> {revision}"
