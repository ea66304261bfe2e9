"""One RPC as the steps around it see it, and the chain that puts steps around all four shapes of RPC.

grpc.aio would wrap a handler once for each interceptor and shape; the chain does it once, so that each step is one
async context manager and knows no shapes. Responses of streams are written here and not by grpc's own loop: when a
caller goes away, the servicer's generator is closed at once and in order, not when the garbage collector finds it.
"""

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from dataflow_mesh.access import NOBODY, Caller
from dataflow_mesh.errors import InvalidRequestError

Context = grpc.aio.ServicerContext[Any, Any]

# In quotes: generic for the type checker only.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Maker: TypeAlias = Callable[..., Handler]
Behavior: TypeAlias = Callable[[Any, Any], Any]

_deadline: ContextVar[float | None] = ContextVar("dataflow_deadline", default=None)


def remaining_deadline() -> float | None:
    """Returns how many seconds the request that is being served has left, or None if it has no deadline.

    Whoever calls onwards gives this as time-out; the channels of `channel.py` do so by themselves.
    """
    ends_at = _deadline.get()
    return None if ends_at is None else max(0.0, ends_at - time.monotonic())


def set_deadline(ends_at: float | None) -> None:
    """Records when the request ends (monotonic time), for the rest of this task."""
    _deadline.set(ends_at)


@dataclass(slots=True)
class Call:
    """One RPC; steps further out learn from it what steps further in have found.

    Attributes:
        method: "/package.Service/Method".
        context: grpc's own context.
        response_streaming: Whether it may answer more than once.
        request_id: Given by the caller or made here.
        caller: Known after the access step.
        code: How it ended; None until the end.
    """

    method: str
    context: Context
    response_streaming: bool
    request_id: str = ""
    caller: Caller = NOBODY
    code: grpc.StatusCode | None = None
    started_at: float = field(default_factory=time.perf_counter)

    def metadata(self, key: str) -> str | None:
        """Returns the first value of a metadata key (lower case), or None."""
        for name, value in self.context.invocation_metadata() or ():
            if name == key:
                return value if isinstance(value, str) else None
        return None


class Step(Protocol):
    """One concern around every RPC."""

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Returns what is entered before the servicer is called and left when it has ended, with its error."""

    def check(self, request: Message) -> None:
        """Looks at each message of the request, before the servicer sees it."""


class Chain(grpc.aio.ServerInterceptor):
    """Puts steps around each RPC, the first one outermost.

    Args:
        steps: The steps. Messages are checked inside all of them.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Returns the handler with the steps around it; grpc calls this for each RPC."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None  # type: ignore[return-value]  # grpc answers UNIMPLEMENTED
        method = handler_call_details.method
        behavior, make = _shape(handler)
        wrapped = (
            self._streaming(method, behavior, handler)
            if handler.response_streaming
            else self._unary(method, behavior, handler)
        )
        # Without a deserializer: bytes that are no message are met within the steps, so that they get an error of ours.
        return make(wrapped, None, handler.response_serializer)

    def _unary(self, method: str, behavior: Behavior, handler: Handler) -> Behavior:
        async def serve(request: Any, context: Context) -> Any:
            async with AsyncExitStack() as stack:
                await self._enter(stack, Call(method, context, response_streaming=False))
                return await behavior(self._checked(request, handler), context)

        return serve

    def _streaming(self, method: str, behavior: Behavior, handler: Handler) -> Behavior:
        async def serve(request: Any, context: Context) -> None:
            async with AsyncExitStack() as stack:
                await self._enter(stack, Call(method, context, response_streaming=True))
                responses = behavior(self._checked(request, handler), context)
                if inspect.isawaitable(responses):
                    await responses  # it writes through the context, as the health service does
                    return
                async with aclosing(responses):
                    async for response in responses:
                        await context.write(response)

        return serve

    async def _enter(self, stack: AsyncExitStack, call: Call) -> None:
        for step in self._steps:
            await stack.enter_async_context(step.around(call))

    def _checked(self, request: Any, handler: Handler) -> Any:
        if handler.request_streaming:
            return self._check_each(request, handler)
        return self._check(request, handler)

    async def _check_each(self, requests: AsyncIterator[bytes], handler: Handler) -> AsyncIterator[Message]:
        async for request in requests:
            yield self._check(request, handler)

    def _check(self, request: bytes, handler: Handler) -> Message:
        assert handler.request_deserializer is not None
        try:
            message: Message = handler.request_deserializer(request)
        except DecodeError as error:
            raise InvalidRequestError("the request is no protobuf message of its type") from error
        for step in self._steps:
            step.check(message)
        return message


def _shape(handler: Handler) -> tuple[Behavior, Maker]:
    """Returns the servicer's method, and what makes a handler of the same shape."""
    found: Behavior | None
    make: Maker
    match bool(handler.request_streaming), bool(handler.response_streaming):
        case False, False:
            found, make = handler.unary_unary, grpc.unary_unary_rpc_method_handler
        case False, True:
            found, make = handler.unary_stream, grpc.unary_stream_rpc_method_handler
        case True, False:
            found, make = handler.stream_unary, grpc.stream_unary_rpc_method_handler
        case _:
            found, make = handler.stream_stream, grpc.stream_stream_rpc_method_handler
    assert found is not None
    return found, make
