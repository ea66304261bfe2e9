"""The part of `dataflow.validator.v1.ContractService` that is about the contract language."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from dataflow.validator.v1 import contract_language_pb2, contract_service_pb2_grpc
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.contract_messages import read_spec, spec_message
from dataflow_validator.catalog.contract_records import get_contract, invalid_contract
from dataflow_validator.catalog.judged_messages import content_bytes, judged_response
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.revision_records import get_revision
from dataflow_validator.contracts.columns import json_text
from dataflow_validator.contracts.device import DeviceRule, DeviceSource
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.exchange_in import Imported, import_json_schema
from dataflow_validator.contracts.exchange_out import export_json_schema
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.outcome import Accepted, Arrival, Refused
from dataflow_validator.contracts.parse import read_document
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.errors import ContractInvalidError
from dataflow_validator.pages import Context
from dataflow_validator.time_messages import from_timestamp

_BY_SENDER = DeviceRule(DeviceSource.IDENTITY)
_UNSAVED = "unsaved"
"""The name of rules that have none: message ids are made with it."""
_ANYBODY = "-"
"""Stands in for a device that the caller does not care about."""


class LanguageServicer(contract_service_pb2_grpc.ContractServiceServicer):
    """Reads and writes JSON Schema documents, and judges single payloads. Stores nothing.

    Args:
        pool: Connections with short limits.
        registry: This process's catalogue, for routes.
    """

    def __init__(self, pool: Pool, registry: Registry) -> None:
        self._pool = pool
        self._registry = registry

    async def ImportJsonSchema(
        self, request: contract_language_pb2.ImportJsonSchemaRequest, context: Context
    ) -> contract_language_pb2.ImportJsonSchemaResponse:
        """Reads a document as rules."""
        try:
            # In a thread: a document of a megabyte takes a while, and live data goes on.
            imported = await asyncio.to_thread(_imported, request.document)
        except ContractError as error:
            count = len(error.problems)
            raise ContractInvalidError(
                f"the document cannot become a contract: {count} problem{'' if count == 1 else 's'}, in the violations",
                violations=[("document", str(problem)) for problem in error.problems],
            ) from error
        return contract_language_pb2.ImportJsonSchemaResponse(
            spec=spec_message(imported.spec),
            name=imported.spec.name,
            warnings=[
                contract_language_pb2.DocumentWarning(path=warning.path, message=str(warning))
                for warning in imported.warnings
            ],
        )

    async def ExportJsonSchema(
        self, request: contract_language_pb2.ExportJsonSchemaRequest, context: Context
    ) -> contract_language_pb2.ExportJsonSchemaResponse:
        """Writes a revision as a document."""
        spec, revision = await self._spec(request.contract.name, request.revision)
        document = json_text(export_json_schema(spec))
        return contract_language_pb2.ExportJsonSchemaResponse(document=document, revision=revision)

    async def JudgePayload(
        self, request: contract_language_pb2.JudgePayloadRequest, context: Context
    ) -> contract_language_pb2.JudgePayloadResponse:
        """Says what would become of one payload."""
        if request.WhichOneof("rules") == "contract":
            spec, revision = await self._spec(request.contract.name, request.revision)
        else:
            spec, revision = await asyncio.to_thread(read_spec, _UNSAVED, request.spec), 0
        received = datetime.now(UTC)
        if request.HasField("receive_time"):
            received = from_timestamp(request.receive_time, "receive_time")
        rule = self._device_rule(request, spec.name)
        anybody = rule == _BY_SENDER and not request.device_id
        arrival = Arrival(
            topic=request.topic,
            device_id=_ANYBODY if anybody else request.device_id or None,
            payload=content_bytes(request),
            receive_time=received,
            message_id=request.message_id or None,
            maybe_duplicate=False,
            batch_id=bytes(16),
            position=0,
        )
        try:
            # A contract of its own, since a compiled one is for one thread at a time and live data uses those there are.
            columns, outcomes = await asyncio.to_thread(_judged, spec, revision, arrival, rule)
        except ContractError as error:
            raise invalid_contract(spec.name, error) from error
        return judged_response(columns, outcomes, revision=revision, anybody=anybody)

    async def _spec(self, name: str, revision: int) -> tuple[ContractSpec, int]:
        async with self._pool.acquire() as connection:
            record = await get_contract(connection, name)
            if not revision:
                return record.spec, record.active_revision or record.latest_revision
            return (await get_revision(connection, name, revision)).spec, revision

    def _device_rule(self, request: contract_language_pb2.JudgePayloadRequest, name: str) -> DeviceRule:
        """Find where the device stands: an explicit sender goes first, then a route to the same contract."""
        if request.topic and not request.device_id:
            route = self._registry.current.routes.resolve(request.topic)
            if route is not None and route.contract == name:
                return route.device_rule
        return _BY_SENDER


def _imported(document: str) -> Imported:
    return import_json_schema(read_document(document.encode(), "the document"))


def _judged(
    spec: ContractSpec, revision: int, arrival: Arrival, rule: DeviceRule
) -> tuple[tuple[Any, ...], list[Accepted | Refused]]:
    contract = compile_contract(spec, revision)
    return contract.columns, contract.judge(arrival, rule)
