"""A service with one method of each shape, made at run time: tests of the mesh use no business proto."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
from buf.validate import validate_pb2
from dataflow.access.v1 import role_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from dataflow_mesh.server import Service

NAME = "dataflow.meshtest.v1.EchoService"
_PACKAGE, _, _SERVICE = NAME.rpartition(".")
_FILE = "dataflow/meshtest/v1/echo_service.proto"

SHAPES = {"Unary": (False, False), "Down": (False, True), "Up": (True, False), "Both": (True, True)}
"""By method: whether the request, and whether the response, is a stream."""

Handler = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]


def text_class() -> type[Message]:
    """Returns the class of the one message: `Text {string text = 1 (at most 10 characters); uint32 number = 2 (< 100)}`."""
    pool = descriptor_pool.Default()
    try:
        pool.FindFileByName(_FILE)
    except KeyError:
        pool.Add(_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Text"))


def echo_service(**handlers: Handler) -> Service:
    """Returns the service for a `GrpcServer`.

    Methods: `Unary`, `Down` (streams down), `Up` (streams up), `Both`: all echo. They need VIEWER.

    Args:
        handlers: Servicer methods that replace the echoing ones, by name.
    """
    text = text_class()
    serving = {"Unary": _unary, "Down": _down, "Up": _up, "Both": _both} | handlers

    def add_to_server(_: object, server: grpc.aio.Server) -> None:
        made = {name: _maker(name)(serving[name], text.FromString, _serialize) for name in SHAPES}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, made),))

    return add_to_server, object(), NAME


def echo_call(channel: grpc.aio.Channel, method: str) -> Any:
    """Returns the client's callable for one method."""
    up, down = SHAPES[method]
    make = getattr(channel, f"{'stream' if up else 'unary'}_{'stream' if down else 'unary'}")
    return make(f"/{NAME}/{method}", request_serializer=_serialize, response_deserializer=text_class().FromString)


async def _unary(request: Message, _: object) -> Message:
    return request


async def _down(request: Message, _: object) -> AsyncIterator[Message]:
    for _number in range(3):
        yield request


async def _up(requests: AsyncIterator[Message], _: object) -> Message:
    last = text_class()()
    async for request in requests:
        last = request
    return last


async def _both(requests: AsyncIterator[Message], _: object) -> AsyncIterator[Message]:
    async for request in requests:
        yield request


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()


def _maker(name: str) -> Any:
    up, down = SHAPES[name]
    return getattr(grpc, f"{'stream' if up else 'unary'}_{'stream' if down else 'unary'}_rpc_method_handler")


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto3")
    file.dependency.extend(["buf/validate/validate.proto", "dataflow/access/v1/role.proto"])
    text = file.message_type.add(name="Text")
    kinds = descriptor_pb2.FieldDescriptorProto
    field = text.field.add(name="text", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    field.options.Extensions[validate_pb2.field].string.max_len = 10
    field = text.field.add(name="number", number=2, type=kinds.TYPE_UINT32, label=kinds.LABEL_OPTIONAL)
    field.options.Extensions[validate_pb2.field].uint32.lt = 100
    service = file.service.add(name=_SERVICE)
    for name, (up, down) in SHAPES.items():
        method = service.method.add(
            name=name,
            input_type=f".{_PACKAGE}.Text",
            output_type=f".{_PACKAGE}.Text",
            client_streaming=up,
            server_streaming=down,
        )
        method.options.Extensions[role_pb2.required_roles].append(role_pb2.ROLE_VIEWER)
        method.options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
    return file
