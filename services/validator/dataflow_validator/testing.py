"""What tests of the validator start from: a migrated database of its own, and a look into the errors of RPCs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Limits, Pool, connect_pool
from dataflow_mesh.testing import PostgresCluster
from google.rpc import error_details_pb2
from grpc.aio import AioRpcError
from grpc_status import rpc_status  # type: ignore[import-untyped]


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


def reason_of(error: AioRpcError) -> tuple[str, dict[str, str]]:
    """Returns reason and metadata of an RPC's error."""
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in rpc_status.from_call(error).details), "no ErrorInfo"
    return info.reason, dict(info.metadata)


def violations_of(error: AioRpcError) -> list[str]:
    """Returns the descriptions of all violations that an RPC's error lists."""
    bad = error_details_pb2.BadRequest()
    found = any(detail.Unpack(bad) for detail in rpc_status.from_call(error).details)
    return [violation.description for violation in bad.field_violations] if found else []
