"""Real bridge processes on a real ring and database, for tests that freeze and kill them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

import mqtt5
import redis
from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import Caller, create_token_file
from dataflow_mesh.testing import RedisServer, free_port
from dataflow_ring import keys
from dataflow_ring.batch import unpack

from dataflow_bridge.listener.testing import ByteClient

_START_SECONDS: Final = 60.0


class BridgeProcess:
    """One bridge, with ports of its own; `shared_port` is for WebSocket and may be shared."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.port = free_port()
        self.grpc_port = free_port()
        self._command = [*command, "--bridge-id", name, "--mqtt-listen", f"127.0.0.1:{self.port}"]
        self._command += ["--grpc-listen", f"127.0.0.1:{self.grpc_port}"]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output)  # noqa: S603 - ours

    async def serves(self) -> None:
        """Wait until it lets a client in."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline, self._log.read_text()[-3000:]
            try:
                client = await self.client()
                await client.close()
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return

    async def client(self) -> ByteClient:
        """Open a connection without saying anything."""
        return ByteClient(*await asyncio.open_connection("127.0.0.1", self.port))

    async def connected(self, packet: mqtt5.ConnectPacket) -> tuple[ByteClient, mqtt5.ConnAckPacket]:
        """Connect and return the client and the answer."""
        client = await self.client()
        client.send(packet.write())
        connack = await client.receive5()
        assert isinstance(connack, mqtt5.ConnAckPacket)
        return client, connack

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, and wait until it has."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(30)


class Bridges:
    """Several bridges on one ring."""

    def __init__(self, directory: Path, postgres: str, nodes: list[RedisServer]) -> None:
        self._nodes = nodes
        tokens = directory / "tokens.json"
        self.tokens = create_token_file(
            tokens, [Caller("device", role_pb2.ROLE_DEVICE), Caller("operator", role_pb2.ROLE_OPERATOR)]
        )
        self.shared_port = free_port()
        ring = ",".join(f"node-{number}={node.url}" for number, node in enumerate(nodes))
        self._command = [sys.executable, "-m", "dataflow_bridge", "--postgres-dsn", postgres]
        self._command += ["--token-file", str(tokens), "--ring-nodes", ring, "--state-dir", str(directory / "state")]
        self._command += ["--mqtt-websocket-listen", f"127.0.0.1:{self.shared_port}"]
        self._directory = directory
        self.all: list[BridgeProcess] = []

    async def start(self, count: int) -> Self:
        """Start so many more and wait until all serve."""
        fresh = [
            BridgeProcess(f"bridge-{number}", self._command, self._directory / f"bridge-{number}.log")
            for number in range(len(self.all), len(self.all) + count)
        ]
        self.all += fresh
        for bridge in fresh:
            bridge.start()
        for bridge in fresh:
            await bridge.serves()
        return self

    def messages(self) -> Counter[tuple[str, bytes]]:
        """Return topic and payload of all messages on the ring, each batch once, with how often they are there."""
        batches: dict[bytes, bytes] = {}
        for node in self._nodes:
            with redis.Redis.from_url(node.url) as connection:
                for stream in (keys.BATCHES, keys.COPIES):
                    for _, entry in connection.xrange(stream):
                        batches[entry[keys.FIELD_BATCH_ID]] = entry[keys.FIELD_BYTES]
        return Counter(
            (message.topic, message.payload) for data in batches.values() for message in unpack(data).messages
        )

    async def eventually(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it never held"
            await asyncio.sleep(0.1)

    def close(self) -> None:
        """End all."""
        for bridge in self.all:
            bridge.end(signal.SIGKILL)
