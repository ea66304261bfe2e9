"""Makes the contracts and routes that the simulator's messages need, where they are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from dataflow_client import AsyncClient
from dataflow_client.errors import ContractExistsError, RouteConflictError, UnavailableError

from dataflow_simulator.packaged import PackagedContract

_RETRY_SECONDS = 0.5


async def provision(client: AsyncClient, contracts: Iterable[PackagedContract]) -> None:
    """Makes each contract, active, and its route; what exists already is left as it is.

    Raises:
        DataflowError: A contract or route cannot be made.
    """
    for wanted in contracts:
        try:
            await client.contracts.create(wanted.name, wanted.spec, activate=True)
        except ContractExistsError:
            found = await client.contracts.get(wanted.name)
            if not found.active_revision:
                await client.contracts.activate(wanted.name)
        try:
            await client.routes.create(wanted.topic_filter, wanted.name)
        except RouteConflictError:
            continue  # somebody decided where these topics go


async def provision_patiently(client: AsyncClient, contracts: Iterable[PackagedContract], seconds: float) -> None:
    """Does the same, waiting for a validator that is still starting.

    Raises:
        DataflowError: As `provision`; UnavailableError when nobody answered within `seconds`.
    """
    wanted = list(contracts)
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await provision(client, wanted)
        except UnavailableError:
            if asyncio.get_running_loop().time() >= deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
