"""Routes: `dataflow.validator.v1.RouteService`."""

import uuid
from collections.abc import AsyncIterator, Iterator

import grpc
from dataflow.validator.v1 import contract_pb2, route_pb2, route_service_pb2
from dataflow.validator.v1.route_service_pb2_grpc import RouteServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items


class Routes:
    """Makes, shows and removes routes."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = RouteServiceStub(channel)
        self._caller = caller

    def create(
        self, topic_filter: str, contract: str, *, device_rule: str = "", pinned_revision: int = 0
    ) -> route_pb2.Route:
        """Makes a route; every validator follows it within a second.

        The request carries an id of its own, so that repeating it after a lost answer is the same request.

        Args:
            topic_filter: MQTT topic filter.
            contract: The contract that judges.
            device_rule: `topic:N`, `payload:/pointer` or `identity`; empty: the validator chooses and the route says.
            pinned_revision: The revision that judges, whichever is active; 0: the active one.

        Raises:
            RouteConflictError: The filter, or one that ties with it, exists.
            RouteInvalidError: Not a topic filter or not a device rule.
            ContractNotFoundError: There is no such contract, or no such revision.
            DataflowError: The call failed otherwise.
        """
        request = route_service_pb2.CreateRouteRequest(
            filter=topic_filter,
            contract=contract_pb2.ContractRef(name=contract),
            device_rule=device_rule,
            pinned_revision=pinned_revision,
            request_id=str(uuid.uuid4()),
        )
        return self._caller.unary(self._stub.CreateRoute, request).route

    def get(self, route_id: str) -> route_pb2.Route:
        """Returns one route.

        Raises:
            RouteNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.GetRoute, route_service_pb2.GetRouteRequest(route_id=route_id)).route

    def list(self, *, page_size: int = 0) -> Iterator[route_pb2.Route]:
        """Yields all routes by filter.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListRoutes, page),
            route_service_pb2.ListRoutesRequest(page_size=page_size),
            lambda response: response.routes,
        )

    def delete(self, route_id: str) -> None:
        """Removes a route; what it took before stays where it is.

        Raises:
            RouteNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        self._caller.unary(self._stub.DeleteRoute, route_service_pb2.DeleteRouteRequest(route_id=route_id))

    def resolve(self, topic: str) -> route_pb2.Route | None:
        """Returns the route that takes a topic; None where none does.

        Raises:
            RouteInvalidError: Not a topic.
            DataflowError: The call failed otherwise.
        """
        response = self._caller.unary(self._stub.ResolveTopic, route_service_pb2.ResolveTopicRequest(topic=topic))
        return response.route if response.HasField("route") else None

    def unrouted(self, *, page_size: int = 0) -> Iterator[route_pb2.UnroutedTopic]:
        """Yields the topics that no route took, most messages first.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListUnroutedTopics, page),
            route_service_pb2.ListUnroutedTopicsRequest(page_size=page_size),
            lambda response: response.topics,
        )


class AsyncRoutes:
    """Makes, shows and removes routes."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = RouteServiceStub(channel)
        self._caller = caller

    async def create(
        self, topic_filter: str, contract: str, *, device_rule: str = "", pinned_revision: int = 0
    ) -> route_pb2.Route:
        """Makes a route; every validator follows it within a second.

        The request carries an id of its own, so that repeating it after a lost answer is the same request.

        Args:
            topic_filter: MQTT topic filter.
            contract: The contract that judges.
            device_rule: `topic:N`, `payload:/pointer` or `identity`; empty: the validator chooses and the route says.
            pinned_revision: The revision that judges, whichever is active; 0: the active one.

        Raises:
            RouteConflictError: The filter, or one that ties with it, exists.
            RouteInvalidError: Not a topic filter or not a device rule.
            ContractNotFoundError: There is no such contract, or no such revision.
            DataflowError: The call failed otherwise.
        """
        request = route_service_pb2.CreateRouteRequest(
            filter=topic_filter,
            contract=contract_pb2.ContractRef(name=contract),
            device_rule=device_rule,
            pinned_revision=pinned_revision,
            request_id=str(uuid.uuid4()),
        )
        return (await self._caller.unary(self._stub.CreateRoute, request)).route

    async def get(self, route_id: str) -> route_pb2.Route:
        """Returns one route.

        Raises:
            RouteNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        return (
            await self._caller.unary(self._stub.GetRoute, route_service_pb2.GetRouteRequest(route_id=route_id))
        ).route

    def list(self, *, page_size: int = 0) -> AsyncIterator[route_pb2.Route]:
        """Yields all routes by filter.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListRoutes, page),
            route_service_pb2.ListRoutesRequest(page_size=page_size),
            lambda response: response.routes,
        )

    async def delete(self, route_id: str) -> None:
        """Removes a route; what it took before stays where it is.

        Raises:
            RouteNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        await self._caller.unary(self._stub.DeleteRoute, route_service_pb2.DeleteRouteRequest(route_id=route_id))

    async def resolve(self, topic: str) -> route_pb2.Route | None:
        """Returns the route that takes a topic; None where none does.

        Raises:
            RouteInvalidError: Not a topic.
            DataflowError: The call failed otherwise.
        """
        response = await self._caller.unary(self._stub.ResolveTopic, route_service_pb2.ResolveTopicRequest(topic=topic))
        return response.route if response.HasField("route") else None

    def unrouted(self, *, page_size: int = 0) -> AsyncIterator[route_pb2.UnroutedTopic]:
        """Yields the topics that no route took, most messages first.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListUnroutedTopics, page),
            route_service_pb2.ListUnroutedTopicsRequest(page_size=page_size),
            lambda response: response.topics,
        )
