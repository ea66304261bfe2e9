"""A scripted server for tests of programs that use this SDK: real gRPC on 127.0.0.1, answers as the test says."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from dataflow.bridge.v1 import ingest_service_pb2, ring_service_pb2, source_service_pb2
from dataflow.insight.v1 import ask_service_pb2
from dataflow.validator.v1 import (
    contract_service_pb2,
    device_data_service_pb2,
    job_service_pb2,
    ledger_service_pb2,
    quarantine_service_pb2,
    reading_service_pb2,
    route_service_pb2,
)
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from dataflow_client.failures import DOMAIN

_FILES = (
    ingest_service_pb2,
    ring_service_pb2,
    source_service_pb2,
    ask_service_pb2,
    contract_service_pb2,
    device_data_service_pb2,
    job_service_pb2,
    ledger_service_pb2,
    quarantine_service_pb2,
    reading_service_pb2,
    route_service_pb2,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is an error, with the details that a service would give."""

    code: grpc.StatusCode
    """The gRPC code."""
    message: str = "it failed"
    """For people."""
    reason: str = ""
    """A value of ErrorReason without its prefix; empty for an error that no service made."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The reason's keys."""
    violations: Mapping[str, str] = field(default_factory=dict)
    """Field to what is wrong with it."""
    retry_after: float | None = None
    """Seconds of RetryInfo."""

    def trailer(self) -> tuple[tuple[str, bytes], ...]:
        """Returns the trailing metadata that carries the details."""
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        if self.reason:
            info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=dict(self.metadata))
            status.details.add().Pack(info)
        if self.violations:
            request = error_details_pb2.BadRequest()
            for name, description in self.violations.items():
                request.field_violations.add(field=name, description=description)
            status.details.add().Pack(request)
        if self.retry_after is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(round(self.retry_after * 1e9))
            status.details.add().Pack(retry)
        return (("grpc-status-details-bin", status.SerializeToString()),)


class Hang:
    """Part of a stream: nothing more comes until the caller ends the call."""


Part = Message | Failure | Hang
Answer = Part | Sequence[Part] | Callable[[Any], Part]
"""A response, an error, the parts of a stream, or a function of the request."""


@dataclass(slots=True)
class Call:
    """A call that came."""

    request: Message
    """What was asked."""
    metadata: Mapping[str, str | bytes]
    """With which metadata."""
    remaining_seconds: float | None
    """Its deadline; None without one."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the call is over, also by cancellation."""


class Script:
    """What to answer, and what was asked; RPCs are named as in their service, such as `ListNodes`."""

    def __init__(self) -> None:
        self._answers: dict[str, list[Answer]] = {}
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self._lock = threading.Lock()
        self._methods = {
            f"/{service.full_name}/{method.name}": method
            for file in _FILES
            for service in file.DESCRIPTOR.services_by_name.values()
            for method in service.methods
        }

    def on(self, method: str, *answers: Answer) -> None:
        """Answers calls of a method in this order; the last answer repeats. Of a stream, each request is a call."""
        if not any(known.name == method for known in self._methods.values()):
            raise KeyError(method)
        self._answers[method] = list(answers)

    def requests(self, method: str) -> list[Any]:
        """Returns what was asked so far."""
        return [call.request for call in self.calls[method]]

    def method(self, path: str) -> MethodDescriptor | None:
        """Returns the method of a gRPC path."""
        return self._methods.get(path)

    def take(self, method: str, call: Call) -> Sequence[Part]:
        """Notes a call and returns the parts of its answer."""
        with self._lock:
            self.calls[method].append(call)
            answers = self._answers.get(method)
            if not answers:
                return [Failure(grpc.StatusCode.UNIMPLEMENTED, f"the test has no answer for {method}")]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Message | Failure | Hang):
            return [answer]
        if isinstance(answer, Sequence):
            return answer
        return [answer(call.request)]


def _call(request: Message, context: grpc.ServicerContext) -> Call:
    return Call(request, dict(context.invocation_metadata()), context.time_remaining())


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, script: Script) -> None:
        self._script = script

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        method = self._script.method(handler_call_details.method)
        if method is None:
            return None
        request = message_factory.GetMessageClass(method.input_type)
        if method.client_streaming:

            def serve_each(messages: Iterator[Message], context: grpc.ServicerContext) -> Iterator[Message]:
                for message in messages:
                    yield from self._parts(method.name, message, context)

            return grpc.stream_stream_rpc_method_handler(serve_each, request.FromString, _serialized)
        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        behaviour = self._stream if method.server_streaming else self._unary

        def serve(message: Message, context: grpc.ServicerContext) -> Any:
            return behaviour(method.name, message, context)

        return make(serve, request.FromString, _serialized)

    def _parts(self, method: str, message: Message, context: grpc.ServicerContext) -> Iterator[Message]:
        call = _call(message, context)
        context.add_callback(call.ended.set)
        for part in self._script.take(method, call):
            if isinstance(part, Failure):
                context.set_trailing_metadata(part.trailer())
                context.abort(part.code, part.message)
            if isinstance(part, Hang):
                call.ended.wait()
                return
            yield part

    def _unary(self, method: str, message: Message, context: grpc.ServicerContext) -> Message | None:
        return next(self._parts(method, message, context), None)

    def _stream(self, method: str, message: Message, context: grpc.ServicerContext) -> Iterator[Message]:
        yield from self._parts(method, message, context)


class _AsyncHandler(_Handler):
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        method = self._script.method(handler_call_details.method)
        if method is None:
            return None
        request = message_factory.GetMessageClass(method.input_type)

        async def parts(message: Message, context: Any) -> AsyncIterator[Message]:
            call = _call(message, context)
            context.add_done_callback(lambda _: call.ended.set())
            for part in self._script.take(method.name, call):
                if isinstance(part, Failure):
                    await context.abort(part.code, part.message, part.trailer())
                elif isinstance(part, Hang):
                    await asyncio.Event().wait()  # until the cancellation of this task
                else:
                    yield part

        async def unary(message: Message, context: Any) -> Message | None:
            async for part in parts(message, context):
                return part
            return None

        async def each(messages: AsyncIterator[Message], context: Any) -> AsyncIterator[Message]:
            async for message in messages:
                async for part in parts(message, context):
                    yield part

        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(each, request.FromString, _serialized)

        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(parts, request.FromString, _serialized)
        return grpc.unary_unary_rpc_method_handler(unary, request.FromString, _serialized)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


@contextmanager
def serving(script: Script, *, port: int = 0) -> Iterator[str]:
    """Serves a script from threads; yields the target."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), handlers=[_Handler(script)])
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        server.stop(grace=None).wait()


@asynccontextmanager
async def serving_async(script: Script, *, port: int = 0) -> AsyncIterator[str]:
    """Serves a script from this event loop; yields the target."""
    server = aio.server(handlers=[_AsyncHandler(script)])
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(grace=None)
