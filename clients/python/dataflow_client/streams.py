"""Publishing over one stream after the other, for threads."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from dataflow.bridge.v1.ingest_service_pb2 import StreamMessagesRequest, StreamMessagesResponse

from dataflow_client.calls import Caller
from dataflow_client.codes import DataflowError, UnavailableError
from dataflow_client.failures import translated
from dataflow_client.messages import OutgoingMessage, PublishResult
from dataflow_client.outbox import Outbox, StreamLimits, no_progress, pause_before_resend
from dataflow_client.retry import NEVER, is_unexplained

if TYPE_CHECKING:
    from dataflow.bridge.v1.ingest_service_pb2_grpc import IngestServiceStub


@dataclass(slots=True)
class _Connection:
    """What the threads of one stream tell each other, under the lock of the run."""

    answers: deque[StreamMessagesResponse] = field(default_factory=deque)
    failure: grpc.RpcError | None = None
    over: bool = False
    half_closed: bool = False


class MessageStream:
    """One run of `Ingest.stream`.

    The caller's thread yields results. One thread reads the input, as the input may block; for each stream gRPC has one
    that sends, and another reads the answers, so that waiting for them has a limit.
    """

    def __init__(self, stub: "IngestServiceStub", caller: Caller, limits: StreamLimits, timeout_seconds: float) -> None:
        self._stub = stub
        self._caller = caller
        self._limits = limits
        self._timeout_seconds = timeout_seconds
        self._outbox = Outbox(limits)
        self._closed = False
        self._changed = threading.Condition()

    def results(self, messages: Iterable[OutgoingMessage]) -> Generator[PublishResult, None, None]:
        """Yields what became of each batch, in order."""
        outbox, attempt = self._outbox, 0
        # A daemon: input that blocks for ever (a terminal, a socket) must not keep the program from ending.
        threading.Thread(target=self._feed, args=(messages,), name="dataflow-stream-input", daemon=True).start()
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: not outbox.is_empty or outbox.is_done)
                    if outbox.is_done:
                        break
                try:
                    with closing(self._connection()) as results:
                        for result in results:
                            attempt = 0
                            yield result
                            with self._changed:
                                outbox.touch(self._caller.clock())
                except DataflowError as error:
                    attempt += 1
                    with self._changed:
                        remaining = outbox.remaining(self._timeout_seconds, self._caller.clock())
                    pause = pause_before_resend(self._caller.options.publish_retry, error, attempt, remaining)
                    if pause is None:
                        raise
                    self._caller.sleep(pause)
                    if is_unexplained(error) and (told := self._ask()) is not None:
                        yield told
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
        if outbox.failure is not None:
            raise outbox.failure

    def _connection(self) -> Generator[PublishResult, None, None]:
        """Sends everything that is unacknowledged, then what comes; ends when the server has answered all it got.

        Raises:
            DataflowError: The stream broke.
        """
        connection = _Connection()
        with self._changed:
            self._outbox.rewind()
        call = self._stub.StreamMessages(
            self._requests(connection),
            timeout=self._limits.stream_seconds + self._timeout_seconds,
            metadata=self._caller.metadata,
        )
        reader = threading.Thread(target=self._read, args=(call, connection), name="dataflow-stream-read", daemon=True)
        reader.start()
        try:
            while (result := self._next(connection)) is not None:
                yield result
        finally:
            with self._changed:
                connection.over = True
                self._changed.notify_all()
            call.cancel()
            reader.join()

    def _next(self, connection: _Connection) -> PublishResult | None:
        """Waits for an answer; None when the stream ended in order."""
        with self._changed:
            while not connection.answers and not connection.over:
                remaining = self._outbox.remaining(self._timeout_seconds, self._caller.clock())
                if remaining <= 0:
                    raise no_progress(self._timeout_seconds, self._caller.target)
                self._changed.wait(remaining)
            if connection.answers:
                result = self._outbox.acknowledge(connection.answers.popleft(), self._caller.clock())
                self._changed.notify_all()
                return result
            if connection.failure is not None:
                raise translated(connection.failure, self._caller.target) from connection.failure
            if not connection.half_closed:
                raise UnavailableError("the server ended the stream", target=self._caller.target)
            return None

    def _read(self, call: Iterable[StreamMessagesResponse], connection: _Connection) -> None:
        failure: grpc.RpcError | None = None
        try:
            for response in call:
                with self._changed:
                    connection.answers.append(response)
                    self._changed.notify_all()
        except grpc.RpcError as error:
            failure = error
        with self._changed:
            connection.failure = failure
            connection.over = True
            self._changed.notify_all()

    def _requests(self, connection: _Connection) -> Iterator[StreamMessagesRequest]:
        """Yields what to send; gRPC takes it from a thread of its own, one when the link has room."""
        ends_at = self._caller.clock() + self._limits.stream_seconds
        while (request := self._request(connection, ends_at)) is not None:
            yield request

    def _request(self, connection: _Connection, ends_at: float) -> StreamMessagesRequest | None:
        outbox = self._outbox
        with self._changed:
            while not connection.over and not outbox.is_sent and (now := self._caller.clock()) < ends_at:
                if (request := outbox.take(now)) is not None:
                    return request
                self._changed.wait(min(outbox.due or ends_at, ends_at) - now)
            connection.half_closed = True
            return None

    def _ask(self) -> PublishResult | None:
        """Publishes the oldest batch by itself: a refusal is told for certain there, where a stream may hide it.

        Raises:
            DataflowError: The server refuses.
        """
        with self._changed:
            oldest = self._outbox.oldest
            timeout = self._outbox.remaining(self._timeout_seconds, self._caller.clock())
        if oldest is None:
            return None
        try:
            response = self._caller.unary(
                self._stub.PublishMessages, oldest.request, retry=NEVER, timeout_seconds=max(0.1, timeout)
            )
        except DataflowError as error:
            if pause_before_resend(self._caller.options.publish_retry, error, 1, 3600.0) is None:
                raise
            return None
        with self._changed:
            result = self._outbox.acknowledge_oldest(response, self._caller.clock())
            self._changed.notify_all()
        return result

    def _feed(self, messages: Iterable[OutgoingMessage]) -> None:
        failure: BaseException | None = None
        try:
            for message in messages:
                with self._changed:
                    self._changed.wait_for(lambda: self._outbox.has_room or self._closed)
                    if self._closed:
                        return
                    if self._outbox.add(message, self._caller.clock()):
                        self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 - it is raised where the results are read, after those before it
            failure = error
        with self._changed:
            self._outbox.end(failure)
            self._changed.notify_all()
