"""Everything of one device: `dataflow.validator.v1.DeviceDataService`."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import grpc
from dataflow.validator.v1 import device_data_service_pb2, job_pb2
from dataflow.validator.v1.device_data_service_pb2_grpc import DeviceDataServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items


class DeviceData:
    """Deletes and exports everything of one device, and shows who did."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = DeviceDataServiceStub(channel)
        self._caller = caller

    def delete(self, device_id: str, *, dry_run: bool = False, request_id: str = "") -> job_pb2.Job:
        """Begins the job that deletes everything of a device; revoke the device first.

        Args:
            device_id: The device, exactly.
            dry_run: Only count what there is.
            request_id: The same one is the same job; empty for a new one.

        Raises:
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = device_data_service_pb2.DeleteDeviceDataRequest(
            device_id=device_id, dry_run=dry_run, request_id=request_id or str(uuid4())
        )
        return self._caller.unary(self._stub.DeleteDeviceData, request).job

    def export(self, device_id: str, *, dry_run: bool = False, request_id: str = "") -> job_pb2.Job:
        """Begins the job that writes everything of a device to files on the validator's machine.

        Args:
            device_id: The device, exactly.
            dry_run: Only count what there is.
            request_id: The same one is the same job; empty for a new one.

        Raises:
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = device_data_service_pb2.ExportDeviceDataRequest(
            device_id=device_id, dry_run=dry_run, request_id=request_id or str(uuid4())
        )
        return self._caller.unary(self._stub.ExportDeviceData, request).job

    def audit_events(self, target: str = "", *, page_size: int = 0) -> Iterator[device_data_service_pb2.AuditEvent]:
        """Yields who destroyed or took out what, the newest first.

        Args:
            target: Only of this one, such as `device:pump-7`; empty for all.
            page_size: Events of one page; 0 for the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListAuditEvents, page),
            device_data_service_pb2.ListAuditEventsRequest(target=target, page_size=page_size),
            lambda response: response.events,
        )


class AsyncDeviceData:
    """Deletes and exports everything of one device, and shows who did."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = DeviceDataServiceStub(channel)
        self._caller = caller

    async def delete(self, device_id: str, *, dry_run: bool = False, request_id: str = "") -> job_pb2.Job:
        """Begins the job that deletes everything of a device; revoke the device first.

        Args:
            device_id: The device, exactly.
            dry_run: Only count what there is.
            request_id: The same one is the same job; empty for a new one.

        Raises:
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = device_data_service_pb2.DeleteDeviceDataRequest(
            device_id=device_id, dry_run=dry_run, request_id=request_id or str(uuid4())
        )
        return (await self._caller.unary(self._stub.DeleteDeviceData, request)).job

    async def export(self, device_id: str, *, dry_run: bool = False, request_id: str = "") -> job_pb2.Job:
        """Begins the job that writes everything of a device to files on the validator's machine.

        Args:
            device_id: The device, exactly.
            dry_run: Only count what there is.
            request_id: The same one is the same job; empty for a new one.

        Raises:
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = device_data_service_pb2.ExportDeviceDataRequest(
            device_id=device_id, dry_run=dry_run, request_id=request_id or str(uuid4())
        )
        return (await self._caller.unary(self._stub.ExportDeviceData, request)).job

    def audit_events(
        self, target: str = "", *, page_size: int = 0
    ) -> AsyncIterator[device_data_service_pb2.AuditEvent]:
        """Yields who destroyed or took out what, the newest first.

        Args:
            target: Only of this one, such as `device:pump-7`; empty for all.
            page_size: Events of one page; 0 for the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListAuditEvents, page),
            device_data_service_pb2.ListAuditEventsRequest(target=target, page_size=page_size),
            lambda response: response.events,
        )
