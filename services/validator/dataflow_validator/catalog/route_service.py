"""`dataflow.validator.v1.RouteService`."""

from dataflow.validator.v1 import route_pb2, route_service_pb2, route_service_pb2_grpc
from dataflow_mesh import paging
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog import route_records
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.errors import RouteInvalidError
from dataflow_validator.pages import Context, Row, read_page
from dataflow_validator.statements import statements
from dataflow_validator.time_messages import to_timestamp

SERVICE = "dataflow.validator.v1.RouteService"
"""Full name of the service."""


class RouteServicer(route_service_pb2_grpc.RouteServiceServicer):
    """Makes, shows and removes routes.

    Args:
        pool: Connections with short limits.
        registry: This process's catalogue; it follows each change before the answer leaves.
    """

    def __init__(self, pool: Pool, registry: Registry) -> None:
        self._pool = pool
        self._registry = registry

    async def CreateRoute(
        self,
        request: route_service_pb2.CreateRouteRequest,
        context: Context,
    ) -> route_service_pb2.CreateRouteResponse:
        """Makes a route."""
        async with self._pool.acquire() as connection:
            record = await route_records.create_route(
                connection,
                request.filter,
                request.contract.name,
                request.device_rule,
                pinned_revision=request.pinned_revision,
                request_id=request.request_id,
            )
            await self._registry.refresh(connection)
        return route_service_pb2.CreateRouteResponse(route=_message(record))

    async def GetRoute(
        self,
        request: route_service_pb2.GetRouteRequest,
        context: Context,
    ) -> route_service_pb2.GetRouteResponse:
        """Shows one route."""
        async with self._pool.acquire() as connection:
            record = await route_records.get_route(connection, request.route_id)
        return route_service_pb2.GetRouteResponse(route=_message(record))

    async def ListRoutes(
        self,
        request: route_service_pb2.ListRoutesRequest,
        context: Context,
    ) -> route_service_pb2.ListRoutesResponse:
        """Shows routes by filter."""
        method = f"{SERVICE}.ListRoutes"
        after = paging.decode(request.page_token, method)
        size = paging.page_size(request.page_size)
        arguments: list[object] = ["" if after is None else after[0], size + 1]
        page = await read_page(
            self._pool,
            statements("registry")["routes"],
            arguments,
            size,
            lambda row: _message(route_records.route_of(row)),
        )
        token = paging.encode([page.items[-1].filter], method) if page.more else ""
        return route_service_pb2.ListRoutesResponse(routes=page.items, next_page_token=token)

    async def DeleteRoute(
        self,
        request: route_service_pb2.DeleteRouteRequest,
        context: Context,
    ) -> route_service_pb2.DeleteRouteResponse:
        """Removes a route."""
        async with self._pool.acquire() as connection:
            await route_records.delete_route(connection, request.route_id)
            await self._registry.refresh(connection)
        return route_service_pb2.DeleteRouteResponse()

    async def ResolveTopic(
        self,
        request: route_service_pb2.ResolveTopicRequest,
        context: Context,
    ) -> route_service_pb2.ResolveTopicResponse:
        """Says which route takes a topic, by the newest catalogue."""
        if any(character in request.topic for character in "+#\0"):
            raise RouteInvalidError(
                f"{request.topic!r} is not a topic: it has a wildcard or a NUL", metadata={"filter": request.topic}
            )
        async with self._pool.acquire() as connection:
            catalog = await self._registry.refresh(connection)
            found = catalog.routes.resolve(request.topic)
            record = None if found is None else await route_records.find_route(connection, found.topic_filter)
        return route_service_pb2.ResolveTopicResponse(route=None if record is None else _message(record))

    async def ListUnroutedTopics(
        self,
        request: route_service_pb2.ListUnroutedTopicsRequest,
        context: Context,
    ) -> route_service_pb2.ListUnroutedTopicsResponse:
        """Shows topics that no route took."""
        method = f"{SERVICE}.ListUnroutedTopics"
        after = paging.decode(request.page_token, method)
        size = paging.page_size(request.page_size)
        count, topic = (None, None) if after is None else after
        page = await read_page(
            self._pool, statements("registry")["unrouted_topics"], [count, topic, size + 1], size, _unrouted_message
        )
        token = ""
        if page.more:
            token = paging.encode([page.items[-1].message_count, page.items[-1].topic], method)
        return route_service_pb2.ListUnroutedTopicsResponse(topics=page.items, next_page_token=token)


def _message(record: route_records.RouteRecord) -> route_pb2.Route:
    return route_pb2.Route(
        route_id=str(record.route_id),
        filter=record.filter,
        contract=record.contract,
        device_rule=record.device_rule,
        create_time=to_timestamp(record.create_time),
        pinned_revision=record.pinned_revision,
    )


def _unrouted_message(row: Row) -> route_pb2.UnroutedTopic:
    return route_pb2.UnroutedTopic(
        topic=row["topic"],
        message_count=row["messages"],
        last_receive_time=to_timestamp(row["last_receive_time"]),
    )
