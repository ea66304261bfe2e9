"""The load generator: one process, one epoll loop, many connections, an open-loop schedule, its own acknowledgement log.

`python -m dataflow_simulator.load` reads its settings (JSON) from standard input and prints a JSON line of progress a few times a second and a last one
with the result; `bench` runs it in a process of its own, so that measuring does not disturb sending.
"""

from __future__ import annotations

import gc
import heapq
import json
import selectors
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from dataflow_simulator import mqtt_wire
from dataflow_simulator.histogram import Histogram
from dataflow_simulator.load_connection import ConnectionFailed, LoadConnection
from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.packets import FIRST_SEQUENCE, IdKind, Lane, PacketMaker, Stamp, lanes_of

_PROGRESS_SECONDS: Final = 0.25
_KEEP_ALIVE_SECONDS: Final = 60
_PING_AFTER_SECONDS: Final = 20.0
_RETRY_SECONDS: Final = 0.25
_LARGEST_BURST: Final = 8
_MESSAGES_PER_SECOND_AND_BURST: Final = 4000


class LoadError(Exception):
    """The generator could not begin."""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What is sent."""

    host: str
    port: int
    run: str
    """Begins every device id; no two runs share a device."""
    rate: float | None
    """Messages per second over all connections; None: as much as the window lets through."""
    seconds: float = 60.0
    connections: int = 100
    devices: int = 1000
    contracts: int = 1
    ids: IdKind = "c"
    protocol: Protocol = Protocol.V3_1_1
    window: int = 256
    """Messages in flight for each connection; the server's Receive Maximum lowers it."""
    burst: int = 0
    """Messages in one write of one connection; 0: by the rate, 1 at up to 4,000/s, 8 from 32,000/s on."""
    drain_seconds: float = 30.0
    """How long the last acknowledgements are waited for."""
    waiting_limit: int = 0
    """Bursts that a connection may hold back for its window; further ones are given up and counted; 0: no limit."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def burst_size(self) -> int:
        """Returns the messages in one write."""
        if self.burst:
            return self.burst
        if self.rate is None:
            return _LARGEST_BURST
        return max(1, min(_LARGEST_BURST, int(self.rate / _MESSAGES_PER_SECOND_AND_BURST)))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the generator is."""

    time: float
    """Seconds since the epoch."""
    offered: int
    """Messages that the schedule wanted sent by now; without a rate, those that were sent."""
    published: int
    acknowledged: int


@dataclass(frozen=True, slots=True)
class LaneLog:
    """The acknowledgement log of one lane: all it published, but for the sequences listed, is acknowledged."""

    device_id: str
    contract: int
    first_sequence: int
    published: int
    unacknowledged: tuple[int, ...]
    """Sequence numbers."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came of it."""

    published: int
    acknowledged: int
    refused: int
    given_up: int
    """Messages of the schedule that were never sent: their connection had too many waiting already."""
    resent: int
    reconnects: int
    seconds: float
    """From the first intended send to the end of the schedule."""
    start_time: float
    """Seconds since the epoch of the first intended send."""
    cpu_seconds: float
    """Of this process from the first send to the last acknowledgement."""
    puback_p50_ms: float | None
    puback_p99_ms: float | None
    window: int
    """The smallest of all connections."""
    burst: int
    lanes: tuple[LaneLog, ...]


class LoadGenerator:
    """Sends by the schedule until the time is over, then waits for the last acknowledgements."""

    def __init__(self, settings: LoadSettings, report: Callable[[Progress], None] | None = None) -> None:
        """Encodes packets; nothing is opened."""
        self._settings = settings
        self._report = report
        self._histogram = Histogram()
        self._stamp = Stamp()
        self._selector = selectors.DefaultSelector()
        self._lanes = lanes_of(settings.run, settings.devices, settings.connections, settings.contracts)
        self._connections = [self._connection(index, lanes) for index, lanes in enumerate(self._lanes)]
        self._down: list[tuple[float, int]] = []
        self._reconnects = 0
        self._given_up = 0
        self._last_failure = ""
        # Monotonic to wall clock, fixed once: a step of the wall clock must not look like a latency.
        self._offset = time.time() - time.monotonic()

    def _connection(self, index: int, lanes: list[Lane]) -> LoadConnection:
        settings = self._settings
        connect = mqtt_wire.connect(
            f"{settings.run}-{index}",
            settings.protocol,
            clean_start=True,
            keep_alive_seconds=_KEEP_ALIVE_SECONDS,
            username=settings.username,
            password=settings.password,
        )
        maker = PacketMaker(lanes, settings.ids, settings.protocol)
        return LoadConnection(
            maker, settings.protocol, connect, settings.window, self._histogram, settings.waiting_limit
        )

    def run(self) -> LoadResult:
        """Connects, sends, waits.

        Raises:
            LoadError: Not every connection was accepted within `drain_seconds`.
        """
        try:
            self._connect_all()
            gc.freeze()  # nothing here makes cycles, and a collection would look like a slow server
            start_cpu = time.process_time()
            start = time.monotonic()
            if self._settings.rate is None:
                self._send_at_most(start)
            else:
                self._send_by_schedule(start, self._settings.rate)
            self._drain()
            return self._result(start, time.process_time() - start_cpu)
        finally:
            gc.unfreeze()
            for connection in self._connections:
                connection.close()
            self._selector.close()

    def _connect_all(self) -> None:
        for index in range(len(self._connections)):
            self._open(index)
        deadline = time.monotonic() + self._settings.drain_seconds
        while not all(connection.ready for connection in self._connections):
            if time.monotonic() > deadline:
                ready = sum(connection.ready for connection in self._connections)
                raise LoadError(f"{ready} of {len(self._connections)} connections accepted: {self._last_failure}")
            self._turn(0.1)
        self._reconnects = 0

    def _send_by_schedule(self, start: float, rate: float) -> None:
        """Offers burst k at its time to connection k modulo their number, whatever the server does."""
        connections, burst = self._connections, self._settings.burst_size()
        bursts = max(1, round(rate * self._settings.seconds / burst))
        interval = burst / rate
        sent, next_report = 0, start
        while sent < bursts:
            now = time.monotonic()
            if self._settings.waiting_limit and now >= start + self._settings.seconds:
                # A schedule beyond what this process can offer ends in time all the same.
                self._given_up = (bursts - sent) * burst
                break
            # At most one round of all connections without reading: a generator that is late still listens.
            due = min(bursts, int((now - start) / interval) + 1, sent + len(connections))
            for number in range(sent, due):
                index = number % len(connections)
                try:
                    connections[index].offer(start + number * interval, burst, self._offset, self._stamp, now)
                except ConnectionFailed as failure:
                    self._lost(index, failure)
                else:
                    if connections[index].out:
                        self._want_write(index)
            sent = due
            if now >= next_report:
                next_report = now + _PROGRESS_SECONDS
                self._progress(int((now - start) * rate))
            self._turn(max(0.0, start + sent * interval - time.monotonic()))
        self._progress(bursts * burst)

    def _send_at_most(self, start: float) -> None:
        """Keeps every window full until the time is over."""
        burst, next_report = self._settings.burst_size(), start
        while (now := time.monotonic()) < start + self._settings.seconds:
            for index, connection in enumerate(self._connections):
                try:
                    while connection.ready and not connection.out and connection.in_flight + burst <= connection.window:
                        connection.offer(now, burst, self._offset, self._stamp, now)
                except ConnectionFailed as failure:
                    self._lost(index, failure)
                else:
                    if connection.out:
                        self._want_write(index)
            if now >= next_report:
                next_report = now + _PROGRESS_SECONDS
                self._progress(None)
            self._turn(_PROGRESS_SECONDS)
        self._progress(None)

    def _drain(self) -> None:
        deadline = time.monotonic() + self._settings.drain_seconds
        next_report = 0.0
        while any(connection.flights or connection.waiting for connection in self._connections):
            now = time.monotonic()
            if now > deadline:
                break
            if now >= next_report:
                next_report = now + _PROGRESS_SECONDS
                self._progress(None)
            self._turn(0.05)
        self._progress(None)
        for connection in self._connections:
            if connection.ready and not connection.out and connection.socket is not None:
                try:
                    connection.socket.send(mqtt_wire.DISCONNECT)
                except OSError:
                    continue  # gone already; it has nothing of ours

    def _turn(self, timeout: float) -> None:
        """Waits for events for at most `timeout` seconds, and handles them."""
        down = self._down
        if down:
            timeout = max(0.0, min(timeout, down[0][0] - time.monotonic()))
        events = self._selector.select(timeout)
        now = time.monotonic()
        for key, mask in events:
            index: int = key.data
            connection = self._connections[index]
            try:
                if mask & selectors.EVENT_READ:
                    connection.read(now)
                    if connection.waiting:
                        connection.release(self._offset, self._stamp, now)
                if connection.out:
                    if mask & selectors.EVENT_WRITE:
                        connection.flush()
                    if connection.out and not key.events & selectors.EVENT_WRITE:
                        self._want_write(index)
                if not connection.out and key.events & selectors.EVENT_WRITE:
                    self._selector.modify(key.fileobj, selectors.EVENT_READ, index)
            except ConnectionFailed as failure:
                self._lost(index, failure)
        while down and down[0][0] <= now:
            self._open(heapq.heappop(down)[1])

    def _want_write(self, index: int) -> None:
        sock = self._connections[index].socket
        assert sock is not None
        self._selector.modify(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, index)

    def _open(self, index: int) -> None:
        sock = self._connections[index].open((self._settings.host, self._settings.port))
        self._selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, index)

    def _lost(self, index: int, failure: ConnectionFailed) -> None:
        connection = self._connections[index]
        self._last_failure = str(failure)
        self._reconnects += 1
        if connection.socket is not None:
            self._selector.unregister(connection.socket)
        connection.close()
        heapq.heappush(self._down, (time.monotonic() + _RETRY_SECONDS, index))

    def _progress(self, offered: int | None) -> None:
        """Tells how far it is, and pings those who have been silent."""
        now = time.monotonic()
        for index, connection in enumerate(self._connections):
            if connection.ready and now - connection.last_write > _PING_AFTER_SECONDS:
                try:
                    connection.ping(now)
                except ConnectionFailed as failure:
                    self._lost(index, failure)
        if self._report is not None:
            published = sum(connection.sent for connection in self._connections)
            acknowledged = sum(connection.acknowledged for connection in self._connections)
            waiting = sum(count for connection in self._connections for _, count in connection.waiting)
            total = published + waiting if offered is None else max(offered, published + waiting)
            self._report(Progress(time.time(), total, published, acknowledged))

    def _result(self, start: float, cpu_seconds: float) -> LoadResult:
        connections = self._connections
        p50, p99 = self._histogram.quantile(0.5), self._histogram.quantile(0.99)
        return LoadResult(
            published=sum(connection.sent for connection in connections),
            acknowledged=sum(connection.acknowledged for connection in connections),
            refused=sum(len(connection.refused) for connection in connections),
            given_up=self._given_up + sum(connection.given_up for connection in connections),
            resent=sum(connection.resent for connection in connections),
            reconnects=self._reconnects,
            seconds=self._settings.seconds,
            start_time=start + self._offset,
            cpu_seconds=cpu_seconds,
            puback_p50_ms=None if p50 is None else p50 * 1000,
            puback_p99_ms=None if p99 is None else p99 * 1000,
            window=min(connection.window for connection in connections),
            burst=self._settings.burst_size(),
            lanes=tuple(
                log
                for connection, lanes in zip(connections, self._lanes, strict=True)
                for log in lane_logs(lanes, connection.sent, connection.unacknowledged())
            ),
        )


def lane_logs(lanes: list[Lane], sent: int, unacknowledged: list[int]) -> list[LaneLog]:
    """Turns message numbers of a connection into sequence numbers of its lanes."""
    missing: dict[int, list[int]] = {}
    for number in unacknowledged:
        turn, index = divmod(number, len(lanes))
        missing.setdefault(index, []).append(lanes[index].first_sequence + turn)
    return [
        LaneLog(
            lane.device_id,
            lane.contract,
            lane.first_sequence,
            (sent - index + len(lanes) - 1) // len(lanes),
            tuple(missing.get(index, ())),
        )
        for index, lane in enumerate(lanes)
    ]


def main(argument: str) -> None:
    """Runs the settings given as JSON; prints JSON lines, the result last."""
    given: dict[str, Any] = json.loads(argument)
    given["protocol"] = Protocol(given["protocol"])
    settings = LoadSettings(**given)

    def report(progress: Progress) -> None:
        print(json.dumps({"progress": asdict(progress)}), flush=True)

    try:
        result = LoadGenerator(settings, report).run()
    except LoadError as error:
        sys.exit(str(error))
    print(json.dumps({"result": asdict(result)}), flush=True)


__all__ = ["FIRST_SEQUENCE", "LoadError", "LoadGenerator", "LoadResult", "LoadSettings", "Progress"]

if __name__ == "__main__":
    main(sys.stdin.read())
