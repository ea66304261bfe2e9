"""A bridge process: listener and gRPC in, batcher, ring out."""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from contextlib import AsyncExitStack
from uuid import UUID

from dataflow.bridge.v1 import (
    device_service_pb2_grpc,
    ingest_service_pb2_grpc,
    ring_service_pb2_grpc,
    source_service_pb2_grpc,
)
from dataflow_mesh.access import Tokens
from dataflow_mesh.errors import PostgresUnavailableError
from dataflow_mesh.lifecycle import Process, run
from dataflow_mesh.logs import configure_logging
from dataflow_mesh.postgres import connect_pool
from dataflow_mesh.server import GrpcServer, is_loopback
from dataflow_mesh.settings import load
from dataflow_mesh.telemetry import telemetry
from dataflow_ring.append import Appender

from dataflow_bridge.batcher import Batcher
from dataflow_bridge.clocks import Clocks
from dataflow_bridge.devices.deliveries import Deliveries
from dataflow_bridge.devices.records import CHANNEL as DEVICE_CHANNEL
from dataflow_bridge.devices.records import DeviceMail
from dataflow_bridge.devices.service import DeviceServicer
from dataflow_bridge.errors import UnfitNodeError
from dataflow_bridge.ingest.service import IngestServicer
from dataflow_bridge.instance import Instance
from dataflow_bridge.listener.authenticate import TokenAuthenticator
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.clock import SystemClock
from dataflow_bridge.listener.listener import Listener
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.metrics import report
from dataflow_bridge.pace import Pace, PacedAppender
from dataflow_bridge.ring.leader import leading
from dataflow_bridge.ring.membership import Membership
from dataflow_bridge.ring.service import RingServicer
from dataflow_bridge.sessions.claims import SessionClaims
from dataflow_bridge.sessions.memory import Sessions
from dataflow_bridge.sessions.metrics import report_sessions
from dataflow_bridge.sessions.table import SessionTable
from dataflow_bridge.sessions.upkeep import SessionUpkeep
from dataflow_bridge.sessions.watch import SessionWatch
from dataflow_bridge.settings import BridgeSettings
from dataflow_bridge.sources.readers import SourceReaders
from dataflow_bridge.sources.service import SourceServicer

logger = logging.getLogger(__name__)

_START_PATIENCE_SECONDS = 60.0


async def serve(process: Process, settings: BridgeSettings) -> None:
    """Run a bridge until it is told to stop; then drain: intake, acknowledgements, ring."""
    assert settings.token_file is not None
    tokens = Tokens.load(settings.token_file)
    budget = Budget(settings.memory_budget_bytes)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            await connect_pool(
                settings.postgres_dsn, application_name=settings.bridge_id, min_size=0, max_size=4, command_seconds=10.0
            )
        )
        appender = await stack.enter_async_context(
            Appender(
                copies=settings.copies,
                min_copies=settings.min_copies or None,
                disk_limit_bytes=settings.node_disk_bytes,
            )
        )
        membership = Membership(pool, appender, settings.state_dir, settings.bridge_id)
        await _start_membership(membership, settings, process)
        clocks = Clocks(pool, lambda: [member.node for member in membership.members])
        await clocks.check(postgres=not membership.stale)
        process.spawn(clocks.watch(), name="clocks")
        process.spawn(membership.follow(), name="membership")
        pace = Pace(settings.slow_down_seconds)
        process.spawn(pace.watch(lambda: appender.nodes), name="pace", may_end=True)
        batcher = await stack.enter_async_context(
            Batcher(PacedAppender(appender, pace), settings.bridge_id, budget.release)
        )
        instance = Instance(pool, batcher, settings.bridge_id, appender)
        process.spawn(instance.follow(), name="instance")
        leadership = await stack.enter_async_context(leading(settings, batcher.boot_id, membership, appender))
        for name, work in leadership.tasks():
            process.spawn(work, name=name)
        server = GrpcServer.from_settings(
            settings,
            [
                (
                    ingest_service_pb2_grpc.add_IngestServiceServicer_to_server,
                    IngestServicer(batcher, budget, process.stopping),
                    "dataflow.bridge.v1.IngestService",
                ),
                (
                    ring_service_pb2_grpc.add_RingServiceServicer_to_server,
                    RingServicer(membership, appender, leadership.recopier, settings.bridge_id, process.stopping),
                    "dataflow.bridge.v1.RingService",
                ),
                (
                    device_service_pb2_grpc.add_DeviceServiceServicer_to_server,
                    DeviceServicer(pool),
                    "dataflow.bridge.v1.DeviceService",
                ),
                (
                    source_service_pb2_grpc.add_SourceServiceServicer_to_server,
                    SourceServicer(pool),
                    "dataflow.bridge.v1.SourceService",
                ),
            ],
            tokens=tokens,
        )
        clock = SystemClock()
        boot_id = UUID(bytes=batcher.boot_id)
        table = SessionTable(pool, settings.bridge_id, boot_id)
        claims = SessionClaims(table, clock)
        sessions = Sessions(clock, claims)
        upkeep = SessionUpkeep(pool, table, sessions)
        deliveries = Deliveries(DeviceMail(pool), clock)
        channels = {DEVICE_CHANNEL: deliveries.news}
        watch = SessionWatch(settings.postgres_dsn, f"{settings.bridge_id} sessions", boot_id, sessions, channels)
        process.spawn(claims.run(), name="session claims")
        process.spawn(watch.watch(), name="session watch")
        process.spawn(watch.notice_freezes(), name="freezes")
        process.spawn(deliveries.run(), name="deliveries")
        process.spawn(upkeep.run(leadership.lease), name="session upkeep")
        report_sessions(sessions, claims, upkeep)
        loopback = all(is_loopback(a) for a in (settings.mqtt_listen, settings.mqtt_websocket_listen) if a)
        listener = Listener(
            ListenerSettings(
                listen=settings.mqtt_listen,
                websocket_listen=settings.mqtt_websocket_listen,
                insecure_listen=settings.insecure_listen,
            ),
            batcher,
            TokenAuthenticator(tokens, allow_anonymous=loopback or settings.mqtt_allow_anonymous),
            budget,
            sessions,
            clock,
            tls=_tls(settings),
            drain_seconds=settings.drain_seconds / 2,
            postmaster=deliveries,
        )
        await stack.enter_async_context(server)
        await stack.enter_async_context(listener)
        sources = SourceReaders(pool, batcher, budget, settings.bridge_id, batcher.boot_id)
        process.spawn(sources.run(), name="sources")
        process.spawn(
            report(listener.counters, batcher, appender, process.stopping, leadership.figures, pace),
            name="metrics",
            may_end=True,
        )
        await process.stopping.wait()
        await server.set_serving("", False)
        await server.set_serving("dataflow.bridge.v1.IngestService", False)  # clients that know others go there
        await asyncio.gather(listener.stop(settings.drain_seconds / 2), sources.stop(settings.drain_seconds / 2))
        await server.stop()
        try:
            async with asyncio.timeout(settings.drain_seconds / 4):
                await batcher.drain()
        except TimeoutError:
            logger.warning("the ring did not take all batches in time", extra={"action": "bridge.drain_timeout"})
        else:
            await instance.end()
        await claims.drain(settings.drain_seconds / 8)


async def _start_membership(membership: Membership, settings: BridgeSettings, process: Process) -> None:
    """Wait for Postgres and the seeds: in a fresh system all start at once."""
    deadline = asyncio.get_running_loop().time() + _START_PATIENCE_SECONDS
    while not process.stopping.is_set():
        try:
            await membership.start(settings.seeds)
        except (PostgresUnavailableError, UnfitNodeError) as error:
            unreachable = isinstance(error, PostgresUnavailableError) or error.metadata.get("check") == "ping"
            if not unreachable or asyncio.get_running_loop().time() > deadline:
                raise
            logger.info("waiting for Postgres and the ring", extra={"action": "bridge.wait", "detail": str(error)})
            await asyncio.sleep(0.2)
        else:
            return


def _tls(settings: BridgeSettings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_cert, settings.tls_key)
    if settings.tls_client_ca is not None:
        context.load_verify_locations(settings.tls_client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL  # a token will do for devices without a certificate
    return context


def main() -> int:
    """Run a bridge; return its exit code."""
    settings = load(BridgeSettings, sys.argv[1:])
    configure_logging(settings.log_level, settings.log_format, service="bridge", instance=settings.bridge_id)
    with telemetry("bridge", settings.bridge_id, settings.metrics_listen):
        return run(settings.bridge_id, lambda process: serve(process, settings), drain_seconds=settings.drain_seconds)


if __name__ == "__main__":
    sys.exit(main())
