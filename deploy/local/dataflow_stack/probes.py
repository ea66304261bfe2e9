"""Asks our own processes how they are."""

import asyncio
import contextlib
from typing import Final

import grpc.aio
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

_SECONDS: Final = 2.0


async def grpc_serves(port: int) -> bool:
    """Returns whether a process behind the port answers SERVING to grpc.health.v1."""
    # A channel for each question: an old one would wait long before it connects to a process that came back.
    with contextlib.suppress(grpc.aio.AioRpcError):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_SECONDS)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    return False


def listens(pid: int, ports: frozenset[int]) -> bool:
    """Returns whether one process listens on all the ports: others of its kind may share them."""
    with contextlib.suppress(psutil.Error):
        open_ports = {
            connection.laddr.port
            for connection in psutil.Process(pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        return ports <= open_ports
    return False


async def metrics(port: int) -> str:
    """Returns what a process's Prometheus endpoint shows, or nothing when it does not answer."""
    with contextlib.suppress(OSError, TimeoutError, UnicodeDecodeError):
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
                return body.decode() if b" 200 " in head.split(b"\r\n", 1)[0] else ""
            finally:
                writer.close()
    return ""
