"""What tests of every service start: throw-away Postgres and Redis servers, an in-process gRPC server, free ports."""

from dataflow_mesh.testing.binaries import chosen_servers, postgres_binaries, redis_binary, version_of
from dataflow_mesh.testing.ports import free_port
from dataflow_mesh.testing.postgres import PostgresCluster, postgres_cluster
from dataflow_mesh.testing.redis import RedisServer, redis_server

__all__ = [
    "PostgresCluster",
    "RedisServer",
    "chosen_servers",
    "free_port",
    "postgres_binaries",
    "postgres_cluster",
    "redis_binary",
    "redis_server",
    "version_of",
]
