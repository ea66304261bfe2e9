"""Makes the roles and the database, or brings them up to what is wanted; runs at each start.

python database_init.py HOST DIRECTORY-OF-PASSWORDS
"""

import asyncio
import sys
from pathlib import Path

from dataflow_mesh.database import provision
from dataflow_mesh.postgres import connect, wait_ready

_PATIENCE_SECONDS = 60.0


async def main(host: str, directory: Path) -> None:
    """Connects as the superuser and provisions."""
    passwords = {
        role: (directory / role).read_text(encoding="utf-8") for role in ("superuser", "owner", "reader", "insight")
    }
    dsn = f"postgresql://postgres:{passwords['superuser']}@{host}:5432/postgres"
    await wait_ready(dsn, timeout_seconds=_PATIENCE_SECONDS)
    connection = await connect(dsn, application_name="dataflow-init")
    try:
        await provision(
            connection,
            owner_password=passwords["owner"],
            reader_password=passwords["reader"],
            insight_password=passwords["insight"],
        )
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
