"""Making a call: token, deadline, retries and errors, the same for every RPC of every service."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
from google.protobuf.message import Message
from grpc import aio

from dataflow_client.codes import UnavailableError
from dataflow_client.failures import translated
from dataflow_client.retry import NEVER, RetryPolicy, is_unexplained

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How calls are made."""

    timeout_seconds: float = 30.0
    """Deadline of a call over all its tries; sent to the server with each of them."""
    publish_timeout_seconds: float = 60.0
    """The same for one batch of messages."""
    ask_timeout_seconds: float = 120.0
    """The same for one answer."""
    watch_seconds: float = 60.0
    """After so long a watch is opened anew, so that a link that died silently is noticed."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    """For calls that may be repeated."""
    publish_retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(max_attempts=1_000, max_delay_seconds=1.0))
    """For publishing: message ids make every repetition safe, so only the deadline ends it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes synchronous calls to one target."""

    options: CallOptions
    """Deadlines and retries."""
    metadata: Metadata = field(default=(), repr=False)
    """Sent with each call."""
    target: str = ""
    """For errors."""
    missing: str = ""
    """Why no call can be made, where no target was named."""
    sleep: Callable[[float], None] = time.sleep
    """Waits between tries."""
    clock: Callable[[], float] = time.monotonic
    """Measures the deadline."""

    def unary(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        *,
        retry: RetryPolicy | None = None,
        timeout_seconds: float | None = None,
        repeatable: bool = False,
    ) -> Response:
        """Calls until it succeeds, fails for good, or the deadline is reached.

        Args:
            method: Of a stub.
            request: Sent with each try.
            retry: None: the client's for calls that may be repeated.
            timeout_seconds: Over all tries; None: the client's.
            repeatable: Having its effect twice does no harm: it is also repeated after an end that nobody explains.

        Raises:
            DataflowError: What the server answered last.
        """
        self.check()
        policy = retry or self.options.retry
        deadline = self.clock() + (timeout_seconds or self.options.timeout_seconds)
        for attempt in itertools.count(1):
            try:
                return method(request, timeout=deadline - self.clock(), metadata=self.metadata)
            except grpc.RpcError as failure:
                error = translated(failure, self.target)
                pause = policy.delay(
                    error, attempt, deadline - self.clock(), transient=(repeatable and is_unexplained(error)) or None
                )
                if pause is None:
                    raise error from failure
            self.sleep(pause)
        raise AssertionError("unreachable")

    def stream(
        self,
        method: "grpc.UnaryStreamMultiCallable[Request, Response]",
        request: Request,
        *,
        timeout_seconds: float,
        retry: RetryPolicy = NEVER,
    ) -> Generator[Response, None, None]:
        """Yields the responses; repeats the call only while nothing came.

        Closing the iterator cancels the call.

        Raises:
            DataflowError: The call failed.
        """
        self.check()
        deadline = self.clock() + timeout_seconds
        for attempt in itertools.count(1):
            call = method(request, timeout=deadline - self.clock(), metadata=self.metadata)
            begun = False
            try:
                for response in call:
                    begun = True
                    yield response
            except grpc.RpcError as failure:
                error = translated(failure, self.target)
                pause = None if begun else retry.delay(error, attempt, deadline - self.clock())
                if pause is None:
                    raise error from failure
            else:
                return
            finally:
                call.cancel()
            self.sleep(pause)

    def check(self) -> None:
        """Refuses to call nobody.

        Raises:
            UnavailableError: No target was named.
        """
        if self.missing:
            raise UnavailableError(self.missing)


@dataclass(frozen=True, slots=True)
class AsyncCaller:
    """Makes asyncio calls to one target; the same rules as `Caller`."""

    options: CallOptions
    """Deadlines and retries."""
    metadata: Metadata = field(default=(), repr=False)
    """Sent with each call."""
    target: str = ""
    """For errors."""
    missing: str = ""
    """Why no call can be made, where no target was named."""

    async def unary(
        self,
        method: "aio.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        *,
        retry: RetryPolicy | None = None,
        timeout_seconds: float | None = None,
        repeatable: bool = False,
    ) -> Response:
        """Calls until it succeeds, fails for good, or the deadline is reached.

        Args:
            method: Of a stub.
            request: Sent with each try.
            retry: None: the client's for calls that may be repeated.
            timeout_seconds: Over all tries; None: the client's.
            repeatable: Having its effect twice does no harm: it is also repeated after an end that nobody explains.

        Raises:
            DataflowError: What the server answered last.
        """
        self.check()
        policy = retry or self.options.retry
        deadline = time.monotonic() + (timeout_seconds or self.options.timeout_seconds)
        for attempt in itertools.count(1):
            try:
                return await method(request, timeout=deadline - time.monotonic(), metadata=self.metadata)
            except grpc.RpcError as failure:
                error = translated(failure, self.target)
                pause = policy.delay(
                    error,
                    attempt,
                    deadline - time.monotonic(),
                    transient=(repeatable and is_unexplained(error)) or None,
                )
                if pause is None:
                    raise error from failure
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def stream(
        self,
        method: "aio.UnaryStreamMultiCallable[Request, Response]",
        request: Request,
        *,
        timeout_seconds: float,
        retry: RetryPolicy = NEVER,
    ) -> AsyncGenerator[Response, None]:
        """Yields the responses; repeats the call only while nothing came.

        Closing the iterator cancels the call.

        Raises:
            DataflowError: The call failed.
        """
        self.check()
        deadline = time.monotonic() + timeout_seconds
        for attempt in itertools.count(1):
            call = method(request, timeout=deadline - time.monotonic(), metadata=self.metadata)
            begun = False
            try:
                async for response in call:
                    begun = True
                    yield response
            except grpc.RpcError as failure:
                error = translated(failure, self.target)
                pause = None if begun else retry.delay(error, attempt, deadline - time.monotonic())
                if pause is None:
                    raise error from failure
            else:
                return
            finally:
                # Since grpcio 1.83 an abandoned asyncio call is never cancelled by itself (grpc#43462).
                call.cancel()
            await asyncio.sleep(pause)

    def check(self) -> None:
        """Refuses to call nobody.

        Raises:
            UnavailableError: No target was named.
        """
        if self.missing:
            raise UnavailableError(self.missing)


def bearer(token: str) -> Metadata:
    """Returns the metadata that carries a token.

    Raises:
        ValueError: A token has characters that no header can carry; its text is not repeated.
    """
    if not (token.isascii() and token.isprintable()):
        raise ValueError("the token has characters that no header can carry: is it the right file or variable?")
    return (("authorization", f"Bearer {token}"),) if token else ()
