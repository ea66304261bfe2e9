"""What devices are sent: `dataflow.bridge.v1.DeviceService`."""

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import grpc
from dataflow.bridge.v1 import device_command_pb2, device_service_pb2
from dataflow.bridge.v1.device_service_pb2_grpc import DeviceServiceStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items

_ANY_STATE = device_command_pb2.COMMAND_STATE_UNSPECIFIED


class Devices:
    """Sends commands and configuration to devices."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = DeviceServiceStub(channel)
        self._caller = caller

    def send_command(
        self,
        device_id: str,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        expire_seconds: float = 3_600.0,
        request_id: str = "",
    ) -> device_command_pb2.DeviceCommand:
        """Sends a command, which is delivered at least once, now or when the device connects.

        Args:
            device_id: To whom.
            name: What to do.
            arguments: How, as JSON can say it.
            expire_seconds: For how long it is worth delivering, 1 s to 30 days.
            request_id: The same one makes one command; empty: one of this call's own, so that its retries are one request.

        Returns:
            The command; its `command_id` is in the topic that the device sees.

        Raises:
            RequestIdReusedError: The request_id made another command.
            DataflowError: The call failed otherwise.
        """
        request = _send(device_id, name, arguments, expire_seconds, request_id)
        return self._caller.unary(self._stub.SendCommand, request).command

    def list_commands(
        self,
        device_id: str = "",
        *,
        state: device_command_pb2.CommandState.ValueType = _ANY_STATE,
        page_size: int = 0,
    ) -> Iterator[device_command_pb2.DeviceCommand]:
        """Yields commands, newest first: of one device or of all, in one state or in any.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListCommands, page),
            _list(device_id, state, page_size),
            lambda response: response.commands,
        )

    def set_config(
        self, device_id: str, config: Mapping[str, Any], *, request_id: str = ""
    ) -> device_command_pb2.DeviceConfig:
        """Sets the whole configuration of a device as its next version.

        Args:
            device_id: Whose.
            config: As JSON can say it.
            request_id: As for `send_command`.

        Raises:
            RequestIdReusedError: The request_id set another configuration.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.SetConfig, _set(device_id, config, request_id)).config


class AsyncDevices:
    """Sends commands and configuration to devices."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = DeviceServiceStub(channel)
        self._caller = caller

    async def send_command(
        self,
        device_id: str,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        expire_seconds: float = 3_600.0,
        request_id: str = "",
    ) -> device_command_pb2.DeviceCommand:
        """Sends a command, which is delivered at least once, now or when the device connects.

        Args:
            device_id: To whom.
            name: What to do.
            arguments: How, as JSON can say it.
            expire_seconds: For how long it is worth delivering, 1 s to 30 days.
            request_id: The same one makes one command; empty: one of this call's own, so that its retries are one request.

        Returns:
            The command; its `command_id` is in the topic that the device sees.

        Raises:
            RequestIdReusedError: The request_id made another command.
            DataflowError: The call failed otherwise.
        """
        request = _send(device_id, name, arguments, expire_seconds, request_id)
        return (await self._caller.unary(self._stub.SendCommand, request)).command

    def list_commands(
        self,
        device_id: str = "",
        *,
        state: device_command_pb2.CommandState.ValueType = _ANY_STATE,
        page_size: int = 0,
    ) -> AsyncIterator[device_command_pb2.DeviceCommand]:
        """Yields commands, newest first: of one device or of all, in one state or in any.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListCommands, page),
            _list(device_id, state, page_size),
            lambda response: response.commands,
        )

    async def set_config(
        self, device_id: str, config: Mapping[str, Any], *, request_id: str = ""
    ) -> device_command_pb2.DeviceConfig:
        """Sets the whole configuration of a device as its next version.

        Args:
            device_id: Whose.
            config: As JSON can say it.
            request_id: As for `send_command`.

        Raises:
            RequestIdReusedError: The request_id set another configuration.
            DataflowError: The call failed otherwise.
        """
        return (await self._caller.unary(self._stub.SetConfig, _set(device_id, config, request_id))).config


def _send(
    device_id: str, name: str, arguments: Mapping[str, Any] | None, expire_seconds: float, request_id: str
) -> device_service_pb2.SendCommandRequest:
    expire = Duration()
    expire.FromNanoseconds(round(expire_seconds * 1e9))
    return device_service_pb2.SendCommandRequest(
        device_id=device_id,
        name=name,
        arguments=ParseDict(dict(arguments or {}), Struct()),
        expire_after=expire,
        request_id=request_id or str(uuid.uuid4()),
    )


def _list(
    device_id: str, state: device_command_pb2.CommandState.ValueType, page_size: int
) -> device_service_pb2.ListCommandsRequest:
    selected = device_service_pb2.CommandFilter(device_id=device_id, state=state)
    return device_service_pb2.ListCommandsRequest(filter=selected, page_size=page_size)


def _set(device_id: str, config: Mapping[str, Any], request_id: str) -> device_service_pb2.SetConfigRequest:
    return device_service_pb2.SetConfigRequest(
        device_id=device_id, config=ParseDict(dict(config), Struct()), request_id=request_id or str(uuid.uuid4())
    )
