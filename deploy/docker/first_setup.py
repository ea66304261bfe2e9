"""Makes what a new system needs before the first message: the packaged contracts with their routes.

What exists is left as it is, so that this may run at each start.
"""

import asyncio
import os
import sys

from dataflow_client import AsyncClient
from dataflow_client.environment import connection_from
from dataflow_simulator.packaged import packaged_contract
from dataflow_simulator.provision import provision_patiently

_PATIENCE_SECONDS = 120.0


async def main() -> None:
    """Connects to where the environment says."""
    async with AsyncClient(connection_from(os.environ)) as client:
        names = ("station", "room", "climate")
        await provision_patiently(client, (packaged_contract(name) for name in names), _PATIENCE_SECONDS)
        sys.stdout.write(f"contracts and routes: {', '.join(names)}\n")


if __name__ == "__main__":
    asyncio.run(main())
