"""A validator process: reads the ring, judges, stores, and answers about contracts, routes, readings, quarantine, ledger."""

from __future__ import annotations

import asyncio
import logging
import sys
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib import resources
from typing import Final

from dataflow.validator.v1 import (
    contract_service_pb2_grpc,
    device_data_service_pb2_grpc,
    job_service_pb2_grpc,
    ledger_service_pb2_grpc,
    quarantine_service_pb2_grpc,
    reading_service_pb2_grpc,
    route_service_pb2_grpc,
)
from dataflow_mesh.access import Tokens
from dataflow_mesh.lease import Lease
from dataflow_mesh.lifecycle import Process, run
from dataflow_mesh.logs import configure_logging
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Limits, Pool, check_durability, connect_pool, wait_ready
from dataflow_mesh.server import GrpcServer, Service
from dataflow_mesh.settings import load
from dataflow_mesh.telemetry import telemetry
from dataflow_ring.consume import ReaderOptions

from dataflow_validator.catalog.builtin import ensure_builtin
from dataflow_validator.catalog.contract_service import ContractServicer
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_service import RouteServicer
from dataflow_validator.consumer_name import ConsumerName
from dataflow_validator.devices.service import DeviceDataServicer
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.pressure import Pressure
from dataflow_validator.jobs.service import JobServicer
from dataflow_validator.jobs.worker import WorkerSettings
from dataflow_validator.jobs.workers import Workers
from dataflow_validator.ledger.fold import Fold
from dataflow_validator.ledger.health import LedgerHealth
from dataflow_validator.ledger.ring import RingLooker
from dataflow_validator.ledger.service import LedgerServicer
from dataflow_validator.ledger.watch import LedgerWatch
from dataflow_validator.metrics import report
from dataflow_validator.parked.retry import ParkedRetry
from dataflow_validator.pipeline import Pipeline, PipelineOptions
from dataflow_validator.quarantine.limits import QuarantineLimiter, QuarantineLimits
from dataflow_validator.quarantine.service import QuarantineServicer
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.readings.service import ReadingServicer
from dataflow_validator.retention import Retention, RetentionSettings
from dataflow_validator.ring_follower import RingFollower
from dataflow_validator.rollups.worker import RollupWorker
from dataflow_validator.settings import ValidatorSettings
from dataflow_validator.store import prepare_connection
from dataflow_validator.upkeep import LEASE, Upkeep

logger = logging.getLogger(__name__)

_CONNECTIONS: Final = 8
_UPKEEP_CONNECTIONS: Final = 7
_COMMAND_SECONDS: Final = 15.0
_ANSWER_MILLISECONDS: Final = 30_000
_ROLLUP_CONNECTIONS: Final = 2
_ROLLUP_MILLISECONDS: Final = 600_000
_ROLLUP_IDLE_MILLISECONDS: Final = 20_000


async def serve(process: Process, settings: ValidatorSettings) -> None:
    """Run a validator until it is told to stop; then finish what it took from the ring."""
    assert settings.token_file is not None
    tokens = Tokens.load(settings.token_file)
    await wait_ready(settings.postgres_dsn, timeout_seconds=60.0)
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(ConsumerName(settings.postgres_dsn, settings.validator_id))
        process.spawn(name.keep(), name="name")
        pool = await stack.enter_async_context(
            await connect_pool(
                settings.postgres_dsn,
                application_name=settings.validator_id,
                min_size=2,
                max_size=_CONNECTIONS,
                init=prepare_connection,
                command_seconds=_COMMAND_SECONDS,
            )
        )
        await _prepare_database(pool)
        registry = Registry()
        async with pool.acquire() as connection:
            await registry.refresh(connection)
        partitions = Partitions()
        await partitions.ensure_ahead(pool, registry.current.contracts)
        follower = await stack.enter_async_context(
            RingFollower(pool, ReaderOptions(consumer=settings.validator_id, read_count=settings.read_count))
        )
        pipeline = Pipeline(
            pool,
            registry,
            partitions,
            follower.reader,
            PipelineOptions(max_batches=settings.max_batches, max_lone_deaths=settings.max_lone_deaths),
        )
        process.spawn(registry.watch(pool, process.stopping), name="catalogue", may_end=True)
        process.spawn(pipeline.run(), name="pipeline")
        process.spawn(follower.follow(pipeline), name="ring")
        process.spawn(report(pipeline, follower, process.stopping), name="metrics", may_end=True)
        # Of their own, so that a slow caller never makes a transaction of the pipeline wait for a connection.
        answers = await stack.enter_async_context(
            await connect_pool(
                settings.postgres_dsn,
                application_name=f"{settings.validator_id}-answers",
                min_size=0,
                limits=Limits(statement_ms=_ANSWER_MILLISECONDS),
            )
        )
        parked_retry = ParkedRetry(answers, registry, partitions)
        server = await stack.enter_async_context(
            GrpcServer.from_settings(
                settings, _services(answers, registry, parked_retry, process.stopping), tokens=tokens
            )
        )
        upkeep = await stack.enter_async_context(
            await connect_pool(
                settings.postgres_dsn,
                application_name=f"{settings.validator_id}-upkeep",
                max_size=_UPKEEP_CONNECTIONS,
                limits=Limits(statement_ms=_ANSWER_MILLISECONDS),
                command_seconds=_COMMAND_SECONDS,
            )
        )
        _upkeep(upkeep, partitions, registry, server, settings).spawn(process)
        workers = Workers(upkeep, _worker(settings), lambda: _pressure(pipeline, follower))
        process.spawn(workers.run(process.stopping), name="jobs", may_end=True)
        rollups = await stack.enter_async_context(
            await connect_pool(
                settings.postgres_dsn,
                application_name=f"{settings.validator_id}-rollups",
                max_size=_ROLLUP_CONNECTIONS,
                # Nobody waits for its locks: it may lose the processor for a while.
                limits=Limits(statement_ms=_ROLLUP_MILLISECONDS, idle_in_transaction_ms=_ROLLUP_IDLE_MILLISECONDS),
            )
        )
        process.spawn(RollupWorker(rollups).run(process.stopping), name="rollups", may_end=True)
        await process.stopping.wait()
        await server.set_serving("", False)
        try:
            async with asyncio.timeout(settings.drain_seconds / 2):
                await pipeline.drain()
        except TimeoutError:
            logger.warning("not all batches were stored in time", extra={"action": "validator.drain_timeout"})


def _upkeep(
    pool: Pool, partitions: Partitions, registry: Registry, server: GrpcServer, settings: ValidatorSettings
) -> Upkeep:
    # Another holder after each start: what an earlier life of this validator began, it may not go on with.
    lease = Lease(pool, "validator", LEASE, f"{settings.validator_id}/{uuid.uuid4()}")
    retention = RetentionSettings(
        raw_days=settings.raw_days,
        ledger_days=settings.ledger_days,
        job_days=settings.job_days,
        ledger_minute_days=settings.ledger_minute_days,
        batch_horizon=timedelta(days=settings.claim_days),
    )
    return Upkeep(
        lease,
        Fold(pool, lease, settings.ledger_minute_devices),
        LedgerWatch(pool, lease, RingLooker(pool)),
        Retention(pool, partitions, registry, lease, retention),
        LedgerHealth(pool, server.set_serving),
        QuarantineLimiter(
            pool,
            lease,
            QuarantineLimits(
                days=settings.quarantine_days,
                device_items=settings.quarantine_device_items,
                max_bytes=settings.quarantine_max_bytes,
            ),
        ),
    )


def _worker(settings: ValidatorSettings) -> WorkerSettings:
    return WorkerSettings(
        postgres_dsn=settings.postgres_dsn,
        holder=settings.validator_id,
        export_dir=str(settings.export_dir or ""),
        log_level=settings.log_level,
        log_format=settings.log_format,
    )


def _pressure(pipeline: Pipeline, follower: RingFollower) -> Pressure:
    ages = [reader.fill.oldest_age_seconds or 0.0 for reader in follower.readers if reader.fill is not None]
    return Pressure(max(ages, default=0.0), pipeline.queue_share)


def _services(pool: Pool, registry: Registry, parked_retry: ParkedRetry, stopping: asyncio.Event) -> list[Service]:
    package = "dataflow.validator.v1"
    return [
        (
            contract_service_pb2_grpc.add_ContractServiceServicer_to_server,
            ContractServicer(pool, registry, stopping),
            f"{package}.ContractService",
        ),
        (
            route_service_pb2_grpc.add_RouteServiceServicer_to_server,
            RouteServicer(pool, registry),
            f"{package}.RouteService",
        ),
        (
            reading_service_pb2_grpc.add_ReadingServiceServicer_to_server,
            ReadingServicer(pool, stopping),
            f"{package}.ReadingService",
        ),
        (
            quarantine_service_pb2_grpc.add_QuarantineServiceServicer_to_server,
            QuarantineServicer(pool, parked_retry),
            f"{package}.QuarantineService",
        ),
        (
            job_service_pb2_grpc.add_JobServiceServicer_to_server,
            JobServicer(pool, KINDS, stopping),
            f"{package}.JobService",
        ),
        (
            device_data_service_pb2_grpc.add_DeviceDataServiceServicer_to_server,
            DeviceDataServicer(pool),
            f"{package}.DeviceDataService",
        ),
        (
            ledger_service_pb2_grpc.add_LedgerServiceServicer_to_server,
            LedgerServicer(pool, RingLooker(pool)),
            f"{package}.LedgerService",
        ),
    ]


async def _prepare_database(pool: Pool) -> None:
    async with pool.acquire() as connection:
        for warning in await check_durability(connection):
            logger.warning("postgres setting", extra={"action": "postgres.setting", "detail": warning})
        await migrate(connection, "validator", resources.files("dataflow_validator") / "migrations")
        await ensure_builtin(connection)


def main() -> int:
    """Run a validator; return its exit code."""
    settings = load(ValidatorSettings, sys.argv[1:])
    configure_logging(settings.log_level, settings.log_format, service="validator", instance=settings.validator_id)
    with telemetry("validator", settings.validator_id, settings.metrics_listen):
        return run(
            settings.validator_id, lambda process: serve(process, settings), drain_seconds=settings.drain_seconds
        )


if __name__ == "__main__":
    sys.exit(main())
