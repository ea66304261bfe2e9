"""What tests of every service start: throw-away Postgres and Redis servers and MQTT brokers, an in-process gRPC server, free ports."""

from dataflow_mesh.testing.binaries import chosen_servers, postgres_binaries, redis_binary, version_of
from dataflow_mesh.testing.mosquitto import MosquittoServer, mosquitto_server
from dataflow_mesh.testing.ports import free_port
from dataflow_mesh.testing.postgres import PostgresCluster, postgres_cluster
from dataflow_mesh.testing.redis import RedisServer, redis_server
from dataflow_mesh.testing.server import ADMIN_TOKEN, ROLE_TOKENS, InProcess, in_process_server

__all__ = [
    "ADMIN_TOKEN",
    "ROLE_TOKENS",
    "InProcess",
    "MosquittoServer",
    "PostgresCluster",
    "RedisServer",
    "chosen_servers",
    "free_port",
    "in_process_server",
    "mosquitto_server",
    "postgres_binaries",
    "postgres_cluster",
    "redis_binary",
    "redis_server",
    "version_of",
]
