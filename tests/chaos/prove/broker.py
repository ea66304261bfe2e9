"""A real Mosquitto, from which the bridges take messages by way of a source."""

from __future__ import annotations

import asyncio
import getpass
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import grpc
import grpc.aio
from dataflow.bridge.v1 import source_service_pb2 as pb
from dataflow.bridge.v1.source_service_pb2_grpc import SourceServiceStub
from dataflow_mesh.testing import free_port

SOURCE: Final = "prove"
"""The name of the source."""

_SLOTS: Final = 2
_SOURCE_SECONDS: Final = 120.0
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 20.0

# What it takes for what the broker acknowledged to outlive its restart: a store on disk, and no limit on the queue of a
# session that is away.
_SETTINGS: Final = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {directory}/
autosave_interval 5
max_queued_messages 0
max_inflight_messages 200
log_dest file {directory}/mosquitto.log
user {user}
"""


class Broker:
    """One Mosquitto on 127.0.0.1 over a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.busy = asyncio.Lock()
        """Held by whoever breaks it."""
        self._configuration = directory / "mosquitto.conf"
        self._configuration.write_text(
            _SETTINGS.format(port=self.port, directory=directory, user=getpass.getuser()), encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it and returns when it listens.

        Raises:
            RuntimeError: It does not.
        """
        program = program_path()
        assert program is not None
        self._process = subprocess.Popen(
            [program, "-c", str(self._configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"mosquitto does not listen; see {self._configuration.parent}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Ends it in order: it writes down what it holds."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Source:
    """The bridges' source that reads a broker.

    Args:
        broker: Running.
        target: Of the bridges.
        token: Of an administrator.
    """

    def __init__(self, broker: Broker, target: str, token: str) -> None:
        self._url = f"mqtt://127.0.0.1:{broker.port}"
        self._target = target
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def create(self) -> None:
        """Makes it.

        Raises:
            grpc.aio.AioRpcError: It was refused.
        """
        request = pb.CreateSourceRequest(name=SOURCE, url=self._url, filters=["#"], slots=_SLOTS, request_id=SOURCE)
        async with grpc.aio.insecure_channel(self._target) as channel:
            await SourceServiceStub(channel).CreateSource(request, timeout=20.0, metadata=self._metadata)

    async def until_connected(self) -> None:
        """Waits until all of its sessions are connected and subscribed: what is published from then on is kept for them.

        Raises:
            TimeoutError: That took too long.
        """
        request = pb.GetSourceRequest(name=SOURCE)
        async with asyncio.timeout(_SOURCE_SECONDS), grpc.aio.insecure_channel(self._target) as channel:
            stub = SourceServiceStub(channel)
            while True:
                with suppress(grpc.aio.AioRpcError):
                    response = await stub.GetSource(request, timeout=5.0, metadata=self._metadata)
                    slots = response.source.status.slots
                    if len(slots) == _SLOTS and all(slot.connected for slot in slots):
                        return
                await asyncio.sleep(0.3)


def program_path() -> str | None:
    """Returns where Mosquitto is; Debian keeps it in a directory that not everybody has on the PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def running_broker() -> Iterator[Broker]:
    """Runs a broker for the length of the context."""
    with tempfile.TemporaryDirectory(prefix="dataflow-broker-") as name:
        broker = Broker(Path(name))
        try:
            broker.start()
            yield broker
        finally:
            broker.stop()
