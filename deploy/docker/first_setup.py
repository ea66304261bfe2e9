"""Makes what a new system needs before its first message: contracts, routes, and Mosquitto as a source.

    python first_setup.py mqtt://mosquitto:1883 DIRECTORY-OF-PASSWORDS

What exists is left as it is, so that this may run at each start.
"""

import asyncio
import os
import sys
from pathlib import Path

from dataflow_client import AsyncClient
from dataflow_client.environment import connection_from
from dataflow_client.errors import SourceExistsError
from dataflow_simulator.packaged import ContractName, packaged_contract
from dataflow_simulator.provision import provision_patiently

_CONTRACTS: tuple[ContractName, ...] = ("station", "room", "climate")
_PATIENCE_SECONDS = 120.0
_SOURCE = "mosquitto"
_USER = "dataflow"
_SLOTS = 2
"""One session for each bridge."""


async def main(broker: str, passwords: Path) -> None:
    """Connects to where the environment says."""
    async with AsyncClient(connection_from(os.environ)) as client:
        await provision_patiently(client, (packaged_contract(name) for name in _CONTRACTS), _PATIENCE_SECONDS)
        sys.stdout.write(f"contracts and routes: {', '.join(_CONTRACTS)}\n")
        password = (passwords / f"mosquitto-{_USER}").read_text(encoding="utf-8").strip()
        try:
            made = await client.sources.create(_SOURCE, broker, ["#"], slots=_SLOTS, username=_USER, password=password)
        except SourceExistsError:
            sys.stdout.write(f"source {_SOURCE} exists\n")
        else:
            sys.stdout.write("\n".join([f"source {_SOURCE}: {broker}", *made.status.warnings, ""]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
