"""What tests of the validator start from: a migrated database of its own in a throw-away cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Limits, Pool, connect_pool
from dataflow_mesh.testing import PostgresCluster


@asynccontextmanager
async def validator_database(cluster: PostgresCluster, *, max_size: int = 8) -> AsyncIterator[Pool]:
    """Makes an empty database with the validator's schema.

    Args:
        cluster: Where.
        max_size: Connections of the pool at most.

    Yields:
        A pool with the limits of services.
    """
    dsn = cluster.create_database()
    async with await connect_pool(dsn, max_size=max_size, limits=Limits(statement_ms=20_000)) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, "validator", resources.files("dataflow_validator").joinpath("migrations"))
        yield pool
