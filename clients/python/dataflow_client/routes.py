"""Routes: `dataflow.validator.v1.RouteService`."""

import uuid
from collections.abc import AsyncIterator, Iterator

import grpc
from dataflow.validator.v1 import contract_pb2, inference_pb2, route_pb2, route_service_pb2
from dataflow.validator.v1.route_service_pb2_grpc import RouteServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items


def _update_request(
    route_id: str, contract: str | None, device_rule: str | None, pinned_revision: int | None, etag: str
) -> route_service_pb2.UpdateRouteRequest:
    return route_service_pb2.UpdateRouteRequest(
        route_id=route_id,
        contract=None if contract is None else contract_pb2.ContractRef(name=contract),
        device_rule=device_rule,
        pinned_revision=pinned_revision,
        etag=etag,
    )


class Routes:
    """Makes, shows, changes and removes routes; proposes contracts."""

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

    def update(
        self,
        route_id: str,
        *,
        contract: str | None = None,
        device_rule: str | None = None,
        pinned_revision: int | None = None,
        etag: str = "",
    ) -> route_pb2.Route:
        """Changes what a route leads to; what is None stays as it is.

        Args:
            route_id: Which one.
            contract: The contract that judges; a new one unpins the revision, unless one is given.
            device_rule: As for `create`.
            pinned_revision: The revision that judges, whichever is active; 0 unpins.
            etag: As the route was read; empty: whatever it is.

        Raises:
            EtagMismatchError: The route has changed since it was read.
            RouteNotFoundError: There is none of that id.
            RouteInvalidError: Not a device rule.
            ContractNotFoundError: There is no such contract, or no such revision of it.
            DataflowError: The call failed otherwise.
        """
        request = _update_request(route_id, contract, device_rule, pinned_revision, etag)
        return self._caller.unary(self._stub.UpdateRoute, request).route

    def explain(self, topic: str) -> route_service_pb2.ResolveTopicResponse:
        """Returns the route that takes a topic, all others that match, and why this one wins.

        Raises:
            RouteInvalidError: Not a topic.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.ResolveTopic, route_service_pb2.ResolveTopicRequest(topic=topic))

    def infer(self, topic_filter: str, *, name: str = "", sample_size: int = 0) -> inference_pb2.Inference:
        """Proposes a contract and a device rule from what was seen on matching topics; changes nothing.

        Args:
            topic_filter: MQTT topic filter.
            name: The contract's name.
            sample_size: Messages to look at, at most 10,000; 0: the server's choice.

        Raises:
            RouteInvalidError: Not a topic filter.
            DataflowError: The call failed otherwise.
        """
        request = route_service_pb2.InferContractRequest(topic_filter=topic_filter, name=name, sample_size=sample_size)
        return self._caller.unary(self._stub.InferContract, request).inference

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

    def unrouted(self, topic_filter: str = "", *, page_size: int = 0) -> Iterator[route_pb2.UnroutedTopic]:
        """Yields the topics that no route took, most messages first.

        Args:
            topic_filter: Only topics that this MQTT topic filter matches; empty for all.
            page_size: Topics of one page; 0 for the server's choice.

        Raises:
            RouteInvalidError: Not a topic filter.
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListUnroutedTopics, page),
            route_service_pb2.ListUnroutedTopicsRequest(topic_filter=topic_filter, page_size=page_size),
            lambda response: response.topics,
        )


class AsyncRoutes:
    """Makes, shows, changes and removes routes; proposes contracts."""

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

    async def update(
        self,
        route_id: str,
        *,
        contract: str | None = None,
        device_rule: str | None = None,
        pinned_revision: int | None = None,
        etag: str = "",
    ) -> route_pb2.Route:
        """Changes what a route leads to; what is None stays as it is.

        Args:
            route_id: Which one.
            contract: The contract that judges; a new one unpins the revision, unless one is given.
            device_rule: As for `create`.
            pinned_revision: The revision that judges, whichever is active; 0 unpins.
            etag: As the route was read; empty: whatever it is.

        Raises:
            EtagMismatchError: The route has changed since it was read.
            RouteNotFoundError: There is none of that id.
            RouteInvalidError: Not a device rule.
            ContractNotFoundError: There is no such contract, or no such revision of it.
            DataflowError: The call failed otherwise.
        """
        request = _update_request(route_id, contract, device_rule, pinned_revision, etag)
        return (await self._caller.unary(self._stub.UpdateRoute, request)).route

    async def explain(self, topic: str) -> route_service_pb2.ResolveTopicResponse:
        """Returns the route that takes a topic, all others that match, and why this one wins.

        Raises:
            RouteInvalidError: Not a topic.
            DataflowError: The call failed otherwise.
        """
        return await self._caller.unary(self._stub.ResolveTopic, route_service_pb2.ResolveTopicRequest(topic=topic))

    async def infer(self, topic_filter: str, *, name: str = "", sample_size: int = 0) -> inference_pb2.Inference:
        """Proposes a contract and a device rule from what was seen on matching topics; changes nothing.

        Args:
            topic_filter: MQTT topic filter.
            name: The contract's name.
            sample_size: Messages to look at, at most 10,000; 0: the server's choice.

        Raises:
            RouteInvalidError: Not a topic filter.
            DataflowError: The call failed otherwise.
        """
        request = route_service_pb2.InferContractRequest(topic_filter=topic_filter, name=name, sample_size=sample_size)
        return (await self._caller.unary(self._stub.InferContract, request)).inference

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

    def unrouted(self, topic_filter: str = "", *, page_size: int = 0) -> AsyncIterator[route_pb2.UnroutedTopic]:
        """Yields the topics that no route took, most messages first.

        Args:
            topic_filter: Only topics that this MQTT topic filter matches; empty for all.
            page_size: Topics of one page; 0 for the server's choice.

        Raises:
            RouteInvalidError: Not a topic filter.
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListUnroutedTopics, page),
            route_service_pb2.ListUnroutedTopicsRequest(topic_filter=topic_filter, page_size=page_size),
            lambda response: response.topics,
        )
