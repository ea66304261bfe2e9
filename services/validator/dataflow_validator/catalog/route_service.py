"""`dataflow.validator.v1.RouteService`."""

from dataflow.validator.v1 import route_pb2, route_service_pb2
from dataflow_mesh import paging
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog import route_records
from dataflow_validator.catalog.inference_service import InferenceServicer
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.routes import Route, check_filter, specificity
from dataflow_validator.contracts.errors import RouteError
from dataflow_validator.errors import RouteInvalidError
from dataflow_validator.pages import Context, Row, read_page, selection
from dataflow_validator.quarantine.filters import topic_pattern
from dataflow_validator.statements import statements
from dataflow_validator.time_messages import to_timestamp

SERVICE = "dataflow.validator.v1.RouteService"
"""Full name of the service."""


class RouteServicer(InferenceServicer):
    """Makes, shows, changes and removes routes; with what it inherits, proposes contracts.

    Args:
        pool: Connections with short limits.
        registry: This process's catalogue; it follows each change before the answer leaves.
    """

    def __init__(self, pool: Pool, registry: Registry) -> None:
        super().__init__(pool)
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

    async def UpdateRoute(
        self,
        request: route_service_pb2.UpdateRouteRequest,
        context: Context,
    ) -> route_service_pb2.UpdateRouteResponse:
        """Changes what a route leads to."""
        async with self._pool.acquire() as connection:
            record = await route_records.update_route(
                connection,
                request.route_id,
                contract=request.contract.name,
                device_rule=request.device_rule if request.HasField("device_rule") else None,
                pinned_revision=request.pinned_revision if request.HasField("pinned_revision") else None,
                etag=request.etag,
            )
            await self._registry.refresh(connection)
        return route_service_pb2.UpdateRouteResponse(route=_message(record))

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
            found = catalog.routes.matching(request.topic)
            records = [await route_records.find_route(connection, route.topic_filter) for route in found]
        pairs = [(route, record) for route, record in zip(found, records, strict=True) if record is not None]
        if not pairs:
            return route_service_pb2.ResolveTopicResponse()
        winner, record = pairs[0]
        revision = winner.revision or catalog.active.get(winner.contract, 0)
        return route_service_pb2.ResolveTopicResponse(
            route=_message(record),
            matches=[_matching(route, one, winner) for route, one in pairs],
            revision=revision,
        )

    async def ListUnroutedTopics(
        self,
        request: route_service_pb2.ListUnroutedTopicsRequest,
        context: Context,
    ) -> route_service_pb2.ListUnroutedTopicsResponse:
        """Shows topics that no route took."""
        method, bound = f"{SERVICE}.ListUnroutedTopics", selection(request)
        after = paging.decode(request.page_token, method, bound)
        size = paging.page_size(request.page_size)
        count, topic = (None, None) if after is None else after
        pattern = _pattern(request.topic_filter)
        page = await read_page(
            self._pool,
            statements("registry")["unrouted_topics"],
            [count, topic, size + 1, pattern],
            size,
            _unrouted_message,
        )
        token = ""
        if page.more:
            token = paging.encode([page.items[-1].message_count, page.items[-1].topic], method, bound)
        return route_service_pb2.ListUnroutedTopicsResponse(topics=page.items, next_page_token=token)


def _message(record: route_records.RouteRecord) -> route_pb2.Route:
    return route_pb2.Route(
        route_id=str(record.route_id),
        filter=record.filter,
        contract=record.contract,
        device_rule=record.device_rule,
        create_time=to_timestamp(record.create_time),
        pinned_revision=record.pinned_revision,
        etag=record.etag,
    )


def _matching(route: Route, record: route_records.RouteRecord, winner: Route) -> route_pb2.MatchingRoute:
    literal, closed, levels = specificity(route.topic_filter)
    return route_pb2.MatchingRoute(
        route=_message(record),
        literal_levels=literal,
        open_ended=not closed,
        levels=levels,
        why=_why(route, winner),
    )


def _why(route: Route, winner: Route) -> str:
    literal, closed, levels = specificity(route.topic_filter)
    if route is winner:
        return f"the most specific: {literal} of {levels} levels literal{'' if closed else ', open end'}"
    other_literal, other_closed, other_levels = specificity(winner.topic_filter)
    if literal != other_literal:
        return f"fewer literal levels than {winner.topic_filter!r}: {literal}, not {other_literal}"
    if closed != other_closed:
        return f"ends in '#', and {winner.topic_filter!r} does not"
    return f"fewer levels than {winner.topic_filter!r}: {levels}, not {other_levels}"


def _pattern(topic_filter: str) -> str | None:
    """Checks a topic filter of a request and makes its regular expression; `None` for none."""
    if not topic_filter:
        return None
    try:
        check_filter(topic_filter)
    except RouteError as error:
        raise RouteInvalidError(str(error), metadata={"filter": topic_filter}) from error
    return topic_pattern(topic_filter)


def _unrouted_message(row: Row) -> route_pb2.UnroutedTopic:
    message = route_pb2.UnroutedTopic(
        topic=row["topic"],
        message_count=row["messages"],
        sample=row["sample"] or b"",
        sample_size_bytes=row["size"] or 0,
    )
    # Gone between counting and looking: the count says 0 the next time.
    if row["last_receive_time"] is not None:
        message.first_receive_time.CopyFrom(to_timestamp(row["first_receive_time"]))
        message.last_receive_time.CopyFrom(to_timestamp(row["last_receive_time"]))
    return message
