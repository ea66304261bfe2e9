"""DeviceService: commands and configuration for devices, kept in Postgres and delivered by whichever bridge has the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson
from dataflow.bridge.v1 import device_command_pb2, device_service_pb2, device_service_pb2_grpc
from dataflow_mesh.access import current_caller
from dataflow_mesh.errors import InvalidRequestError
from dataflow_mesh.paging import decode, encode, page_size
from google.protobuf import json_format

from dataflow_bridge.devices import records as device_records
from dataflow_bridge.devices.records import NewCommand
from dataflow_bridge.ingest.messages import whole_numbers

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg
    from dataflow_mesh.postgres import Pool
    from google.protobuf.struct_pb2 import Struct
    from google.protobuf.timestamp_pb2 import Timestamp
    from grpc.aio import ServicerContext

_LIST: Final = "/dataflow.bridge.v1.DeviceService/ListCommands"
_POSTGRES_SECONDS: Final = 5.0
_DEFAULT_EXPIRE_SECONDS: Final = 3_600.0
_MAX_JSON_BYTES: Final = 256 * 1024


class DeviceServicer(device_service_pb2_grpc.DeviceServiceServicer):
    """Writes what devices are to be sent, and tells how far it is."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def SendCommand(
        self, request: device_service_pb2.SendCommandRequest, context: ServicerContext[object, object]
    ) -> device_service_pb2.SendCommandResponse:
        """Keep a command and tell the bridges."""
        expire = request.expire_after
        wanted = NewCommand(
            request.device_id,
            request.name,
            _json(request.arguments, "arguments"),
            expire.seconds + expire.nanos / 1e9 if request.HasField("expire_after") else _DEFAULT_EXPIRE_SECONDS,
            current_caller().name,
            request.request_id,
        )
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            row = await device_records.create_command(connection, wanted)
        return device_service_pb2.SendCommandResponse(command=_command(row))

    async def ListCommands(
        self, request: device_service_pb2.ListCommandsRequest, context: ServicerContext[object, object]
    ) -> device_service_pb2.ListCommandsResponse:
        """Show commands, newest first."""
        after = decode(request.page_token, _LIST, request.filter)
        size = page_size(request.page_size)
        state = request.filter.state
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            rows = await device_records.list_commands(
                connection,
                request.filter.device_id or None,
                device_command_pb2.CommandState.Name(state).removeprefix("COMMAND_STATE_") if state else None,
                UUID(str(after[0])) if after else None,
                size + 1,
            )
        page = rows[:size]
        return device_service_pb2.ListCommandsResponse(
            commands=[_command(row) for row in page],
            next_page_token=encode([str(page[-1]["command_id"])], _LIST, request.filter) if len(rows) > size else "",
        )

    async def SetConfig(
        self, request: device_service_pb2.SetConfigRequest, context: ServicerContext[object, object]
    ) -> device_service_pb2.SetConfigResponse:
        """Keep a configuration as the next version and tell the bridges."""
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            row = await device_records.set_config(
                connection,
                request.device_id,
                _json(request.config, "config"),
                current_caller().name,
                request.request_id,
            )
        config = device_command_pb2.DeviceConfig(
            device_id=row["device_id"],
            version=row["version"],
            caller=row["caller"],
            delivered_version=row["delivered_version"],
        )
        json_format.Parse(row["config"], config.config)
        _set_time(config.set_time, row["set_time"])
        _set_time(config.deliver_time, row["deliver_time"])
        return device_service_pb2.SetConfigResponse(config=config)


def _json(struct: Struct, field: str) -> str:
    """Return a Struct as JSON.

    Raises:
        InvalidRequestError: It cannot be said in JSON, or is too large.
    """
    try:
        text = orjson.dumps(whole_numbers(json_format.MessageToDict(struct)))
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"{field}: no JSON: NaN and infinities cannot be sent, nor what nests too deeply"
        ) from error
    if len(text) > _MAX_JSON_BYTES:
        raise InvalidRequestError(f"{field}: has {len(text)} bytes as JSON, at most {_MAX_JSON_BYTES} are sent")
    return text.decode()


def _command(row: asyncpg.Record) -> device_command_pb2.DeviceCommand:
    state = (
        device_command_pb2.COMMAND_STATE_ACKNOWLEDGED
        if row["acknowledge_time"] is not None
        else device_command_pb2.COMMAND_STATE_DELIVERED
        if row["deliver_time"] is not None
        else device_command_pb2.COMMAND_STATE_EXPIRED
        if row["expired"]
        else device_command_pb2.COMMAND_STATE_PENDING
    )
    command = device_command_pb2.DeviceCommand(
        command_id=str(row["command_id"]),
        device_id=row["device_id"],
        name=row["name"],
        state=state,
        caller=row["caller"],
        acknowledgement=row["acknowledgement"] or b"",
        detail=row["detail"],
    )
    json_format.Parse(row["arguments"], command.arguments)
    _set_time(command.create_time, row["create_time"])
    _set_time(command.expire_time, row["expire_time"])
    _set_time(command.deliver_time, row["deliver_time"])
    _set_time(command.acknowledge_time, row["acknowledge_time"])
    return command


def _set_time(field: Timestamp, moment: datetime | None) -> None:
    if moment is not None:
        field.FromDatetime(moment)
