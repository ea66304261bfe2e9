"""Asks our own processes how they are."""

import asyncio
import contextlib
from typing import Final

import psutil

_SECONDS: Final = 2.0


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
