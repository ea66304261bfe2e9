"""SourceService: brokers to read from, made, shown, changed and removed while data flows."""

from __future__ import annotations

from typing import Final

from dataflow.bridge.v1 import source_service_pb2, source_service_pb2_grpc
from dataflow_mesh.paging import decode, encode, page_size
from dataflow_mesh.postgres import Pool
from grpc.aio import ServicerContext

from dataflow_bridge.errors import EtagMismatchError, SourceInvalidError
from dataflow_bridge.sources import records as source_records
from dataflow_bridge.sources.messages import PROTOCOLS, changed_source, source_message
from dataflow_bridge.sources.probe import probe
from dataflow_bridge.sources.records import NewSource, SourceRecord
from dataflow_bridge.sources.source import DEFAULT_SLOTS, problems
from dataflow_bridge.sources.tls import tls_context

_LIST: Final = "/dataflow.bridge.v1.SourceService/ListSources"
_POSTGRES_SECONDS: Final = 5.0
_UPDATE_TRIES: Final = 3


class SourceServicer(source_service_pb2_grpc.SourceServiceServicer):
    """Writes the table that every bridge follows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def CreateSource(
        self, request: source_service_pb2.CreateSourceRequest, context: ServicerContext[object, object]
    ) -> source_service_pb2.CreateSourceResponse:
        """Make a source and probe its broker."""
        wanted = NewSource(
            name=request.name,
            url=request.url,
            filters=tuple(request.filters),
            share_group=request.share_group,
            slots=request.slots or DEFAULT_SLOTS,
            qos=request.qos if request.HasField("qos") else 1,
            protocol=PROTOCOLS[request.protocol],
            username=request.username,
            password=request.password,
            ca_pem=request.tls.ca_pem,
            client_certificate_pem=request.tls.client_certificate_pem,
            client_key_pem=request.tls.client_key_pem,
            server_name=request.tls.server_name,
        )
        _check(wanted)
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            record = await source_records.create(connection, wanted, request_id=request.request_id)
        return source_service_pb2.CreateSourceResponse(source=source_message(await self._probed(record)))

    async def GetSource(
        self, request: source_service_pb2.GetSourceRequest, context: ServicerContext[object, object]
    ) -> source_service_pb2.GetSourceResponse:
        """Show one source."""
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            record = await source_records.get(connection, request.name)
        return source_service_pb2.GetSourceResponse(source=source_message(record))

    async def ListSources(
        self, request: source_service_pb2.ListSourcesRequest, context: ServicerContext[object, object]
    ) -> source_service_pb2.ListSourcesResponse:
        """Show all sources by name."""
        after = decode(request.page_token, _LIST)
        size = page_size(request.page_size)
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            records = await source_records.read(connection, after=str(after[0]) if after else "", limit=size + 1)
        page = records[:size]
        return source_service_pb2.ListSourcesResponse(
            sources=[source_message(record) for record in page],
            next_page_token=encode([page[-1].source.name], _LIST) if len(records) > size else "",
        )

    async def UpdateSource(
        self, request: source_service_pb2.UpdateSourceRequest, context: ServicerContext[object, object]
    ) -> source_service_pb2.UpdateSourceResponse:
        """Change a source; probe its broker again where it is reached in another way."""
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            for tries_left in reversed(range(_UPDATE_TRIES)):
                before = (await source_records.get(connection, request.name)).source
                changed = changed_source(before, request)
                _check(changed)
                try:
                    # What is left as it is comes from `before`: it must not have changed since.
                    record = await source_records.update(connection, changed, etag=request.etag or str(before.version))
                    break
                except EtagMismatchError:
                    if request.etag or not tries_left:
                        raise
        reached = any(request.HasField(name) for name in ("url", "qos", "protocol", "username", "password", "tls"))
        if reached:
            record = await self._probed(record)
        return source_service_pb2.UpdateSourceResponse(source=source_message(record))

    async def DeleteSource(
        self, request: source_service_pb2.DeleteSourceRequest, context: ServicerContext[object, object]
    ) -> source_service_pb2.DeleteSourceResponse:
        """Have a source drained and removed."""
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            await source_records.delete(connection, request.name, force=request.force)
        return source_service_pb2.DeleteSourceResponse()

    async def _probed(self, record: SourceRecord) -> SourceRecord:
        warnings = await probe(record.source)
        async with self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
            await source_records.write_warnings(connection, record.source, warnings)
            return await source_records.get(connection, record.source.name)


def _check(wanted: NewSource) -> None:
    found = problems(
        url=wanted.url,
        filters=wanted.filters,
        share_group=wanted.share_group,
        qos=wanted.qos,
        has_certificate=bool(wanted.client_certificate_pem),
        has_key=bool(wanted.client_key_pem),
        has_ca=bool(wanted.ca_pem),
    )
    if not found:
        try:
            tls_context(wanted)
        except ValueError as error:
            found.append(("tls", str(error)))
    if found:
        raise SourceInvalidError(
            "; ".join(f"{path} {problem}" for path, problem in found),
            metadata={"source": wanted.name},
            violations=found,
        )
