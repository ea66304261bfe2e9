"""Broker sources: `dataflow.bridge.v1.SourceService`."""

import uuid
from collections.abc import AsyncIterator, Iterator, Sequence

import grpc
from dataflow.bridge.v1 import source_pb2, source_service_pb2
from dataflow.bridge.v1.source_service_pb2_grpc import SourceServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items
from dataflow_client.retry import NEVER

PROTOCOL_5 = source_pb2.MQTT_PROTOCOL_5
PROTOCOL_3_1_1 = source_pb2.MQTT_PROTOCOL_3_1_1


class Sources:
    """Makes, shows, changes and removes brokers that the bridges read from."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = SourceServiceStub(channel)
        self._caller = caller

    def create(
        self,
        name: str,
        url: str,
        filters: Sequence[str],
        *,
        share_group: str = "",
        slots: int = 1,
        qos: int = 1,
        protocol: source_pb2.MqttProtocol.ValueType = PROTOCOL_5,
        username: str = "",
        password: str = "",
        tls: source_pb2.SourceTls | None = None,
    ) -> source_pb2.Source:
        """Makes a source; the bridges read it within about a second.

        The request carries an id of its own, so that repeating it after a lost answer is the same request.

        Args:
            name: [a-z0-9-]; stands in every message as its source.
            url: mqtt://host:port or mqtts://host:port.
            filters: MQTT topic filters.
            share_group: Share group at the broker; empty: one that nobody else uses.
            slots: Number of sessions; more spread the messages over more bridges.
            qos: QoS of the subscriptions; 2 is subscribed to as 1.
            protocol: Version of MQTT.
            username: For the broker.
            password: For the broker; never shown again.
            tls: Certificates.

        Returns:
            The source; `status.warnings` says what is wrong with the broker.

        Raises:
            SourceExistsError: The name is taken, or its sessions are still drained.
            SourceInvalidError: It cannot be made so; `violations` lists all problems.
            DataflowError: The call failed otherwise.
        """
        request = _create(name, url, filters, share_group, slots, qos, protocol, username, password, tls)
        return self._caller.unary(self._stub.CreateSource, request).source

    def get(self, name: str) -> source_pb2.Source:
        """Returns one source and how it goes.

        Raises:
            SourceNotFoundError: There is none of that name.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.GetSource, source_service_pb2.GetSourceRequest(name=name)).source

    def list(self, *, page_size: int = 0) -> Iterator[source_pb2.Source]:
        """Yields all sources by name.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListSources, page),
            source_service_pb2.ListSourcesRequest(page_size=page_size),
            lambda response: response.sources,
        )

    def update(self, request: source_service_pb2.UpdateSourceRequest) -> source_pb2.Source:
        """Changes what is set in the request and leaves the rest; never repeated by itself.

        Args:
            request: Name, the etag as it was read (empty: whatever happened since), and what changes.

        Raises:
            EtagMismatchError: Somebody was faster.
            SourceInvalidError: It cannot be made so.
            SourceNotFoundError: There is none of that name, or it is being removed.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.UpdateSource, request, retry=NEVER).source

    def delete(self, name: str, *, force: bool = False) -> None:
        """Removes a source once its sessions are read empty; returns at once.

        Args:
            name: The source.
            force: Do not drain; for a broker that is gone.

        Raises:
            SourceNotFoundError: There is none of that name.
            DataflowError: The call failed otherwise.
        """
        self._caller.unary(self._stub.DeleteSource, source_service_pb2.DeleteSourceRequest(name=name, force=force))


class AsyncSources:
    """Makes, shows, changes and removes brokers that the bridges read from."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = SourceServiceStub(channel)
        self._caller = caller

    async def create(
        self,
        name: str,
        url: str,
        filters: Sequence[str],
        *,
        share_group: str = "",
        slots: int = 1,
        qos: int = 1,
        protocol: source_pb2.MqttProtocol.ValueType = PROTOCOL_5,
        username: str = "",
        password: str = "",
        tls: source_pb2.SourceTls | None = None,
    ) -> source_pb2.Source:
        """Makes a source; the bridges read it within about a second.

        The request carries an id of its own, so that repeating it after a lost answer is the same request.

        Args:
            name: [a-z0-9-]; stands in every message as its source.
            url: mqtt://host:port or mqtts://host:port.
            filters: MQTT topic filters.
            share_group: Share group at the broker; empty: one that nobody else uses.
            slots: Number of sessions; more spread the messages over more bridges.
            qos: QoS of the subscriptions; 2 is subscribed to as 1.
            protocol: Version of MQTT.
            username: For the broker.
            password: For the broker; never shown again.
            tls: Certificates.

        Returns:
            The source; `status.warnings` says what is wrong with the broker.

        Raises:
            SourceExistsError: The name is taken, or its sessions are still drained.
            SourceInvalidError: It cannot be made so; `violations` lists all problems.
            DataflowError: The call failed otherwise.
        """
        request = _create(name, url, filters, share_group, slots, qos, protocol, username, password, tls)
        return (await self._caller.unary(self._stub.CreateSource, request)).source

    async def get(self, name: str) -> source_pb2.Source:
        """Returns one source and how it goes.

        Raises:
            SourceNotFoundError: There is none of that name.
            DataflowError: The call failed otherwise.
        """
        request = source_service_pb2.GetSourceRequest(name=name)
        return (await self._caller.unary(self._stub.GetSource, request)).source

    def list(self, *, page_size: int = 0) -> AsyncIterator[source_pb2.Source]:
        """Yields all sources by name.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListSources, page),
            source_service_pb2.ListSourcesRequest(page_size=page_size),
            lambda response: response.sources,
        )

    async def update(self, request: source_service_pb2.UpdateSourceRequest) -> source_pb2.Source:
        """Changes what is set in the request and leaves the rest; never repeated by itself.

        Args:
            request: Name, the etag as it was read (empty: whatever happened since), and what changes.

        Raises:
            EtagMismatchError: Somebody was faster.
            SourceInvalidError: It cannot be made so.
            SourceNotFoundError: There is none of that name, or it is being removed.
            DataflowError: The call failed otherwise.
        """
        return (await self._caller.unary(self._stub.UpdateSource, request, retry=NEVER)).source

    async def delete(self, name: str, *, force: bool = False) -> None:
        """Removes a source once its sessions are read empty; returns at once.

        Args:
            name: The source.
            force: Do not drain; for a broker that is gone.

        Raises:
            SourceNotFoundError: There is none of that name.
            DataflowError: The call failed otherwise.
        """
        request = source_service_pb2.DeleteSourceRequest(name=name, force=force)
        await self._caller.unary(self._stub.DeleteSource, request)


def _create(
    name: str,
    url: str,
    filters: Sequence[str],
    share_group: str,
    slots: int,
    qos: int,
    protocol: source_pb2.MqttProtocol.ValueType,
    username: str,
    password: str,
    tls: source_pb2.SourceTls | None,
) -> source_service_pb2.CreateSourceRequest:
    return source_service_pb2.CreateSourceRequest(
        name=name,
        url=url,
        filters=filters,
        share_group=share_group,
        slots=slots,
        qos=qos,
        protocol=protocol,
        username=username,
        password=password,
        tls=tls,
        request_id=str(uuid.uuid4()),
    )
