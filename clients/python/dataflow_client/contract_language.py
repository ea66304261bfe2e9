"""The contract language: JSON Schema documents in and out, and one payload judged at once."""

import json
from typing import TYPE_CHECKING, Any

from dataflow.validator.v1 import contract_language_pb2, contract_pb2

from dataflow_client.calls import AsyncCaller, Caller

if TYPE_CHECKING:
    from dataflow.validator.v1.contract_service_pb2_grpc import ContractServiceAsyncStub, ContractServiceStub


class ContractLanguage:
    """Reads and writes documents and judges payloads; nothing of it is stored."""

    _stub: "ContractServiceStub"
    _caller: Caller

    def import_json_schema(self, document: str | dict[str, Any]) -> contract_language_pb2.ImportJsonSchemaResponse:
        """Reads a JSON Schema 2020-12 document as the rules of a contract; `create` makes one of its `spec`.

        Args:
            document: Its text, or itself, such as what `model_json_schema()` of a Pydantic model returns.

        Raises:
            ContractInvalidError: It is no schema, or refers to another document; `violations` says the way out.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.ImportJsonSchema, _import(document))

    def export_json_schema(self, name: str, revision: int = 0) -> dict[str, Any]:
        """Returns a contract as a JSON Schema document; importing it gives an equal contract.

        Args:
            name: The contract.
            revision: Which one; 0 means the active one, else the newest.

        Raises:
            ContractNotFoundError: No such contract or revision.
            DataflowError: The call failed otherwise.
        """
        document: dict[str, Any] = json.loads(
            self._caller.unary(self._stub.ExportJsonSchema, _export(name, revision)).document
        )
        return document

    def judge(
        self,
        rules: str | contract_pb2.ContractSpec,
        payload: bytes | str,
        *,
        revision: int = 0,
        topic: str = "",
        device_id: str = "",
        message_id: str = "",
    ) -> contract_language_pb2.JudgePayloadResponse:
        """Says what would become of a payload: each item's values, or all reasons against it.

        Args:
            rules: The name of a contract, or rules that nobody has saved.
            payload: What would be published.
            revision: Of a named contract; 0 means the active one, else the newest.
            topic: Where it would be published: a route may say where the device is.
            device_id: Who would send it. With neither the device is not looked at.
            message_id: The sender's own id of the message.

        Raises:
            ContractNotFoundError: No such contract or revision.
            ContractInvalidError: The unsaved rules do not hold together.
            DataflowError: The call failed otherwise.
        """
        request = _judge(rules, payload, revision=revision, topic=topic, device_id=device_id, message_id=message_id)
        return self._caller.unary(self._stub.JudgePayload, request)


class AsyncContractLanguage:
    """Reads and writes documents and judges payloads; nothing of it is stored."""

    _stub: "ContractServiceAsyncStub"
    _caller: AsyncCaller

    async def import_json_schema(
        self, document: str | dict[str, Any]
    ) -> contract_language_pb2.ImportJsonSchemaResponse:
        """Reads a JSON Schema 2020-12 document as the rules of a contract; `create` makes one of its `spec`.

        Args:
            document: Its text, or itself, such as what `model_json_schema()` of a Pydantic model returns.

        Raises:
            ContractInvalidError: It is no schema, or refers to another document; `violations` says the way out.
            DataflowError: The call failed otherwise.
        """
        return await self._caller.unary(self._stub.ImportJsonSchema, _import(document))

    async def export_json_schema(self, name: str, revision: int = 0) -> dict[str, Any]:
        """Returns a contract as a JSON Schema document; importing it gives an equal contract.

        Args:
            name: The contract.
            revision: Which one; 0 means the active one, else the newest.

        Raises:
            ContractNotFoundError: No such contract or revision.
            DataflowError: The call failed otherwise.
        """
        response = await self._caller.unary(self._stub.ExportJsonSchema, _export(name, revision))
        document: dict[str, Any] = json.loads(response.document)
        return document

    async def judge(
        self,
        rules: str | contract_pb2.ContractSpec,
        payload: bytes | str,
        *,
        revision: int = 0,
        topic: str = "",
        device_id: str = "",
        message_id: str = "",
    ) -> contract_language_pb2.JudgePayloadResponse:
        """Says what would become of a payload: each item's values, or all reasons against it.

        Args:
            rules: The name of a contract, or rules that nobody has saved.
            payload: What would be published.
            revision: Of a named contract; 0 means the active one, else the newest.
            topic: Where it would be published: a route may say where the device is.
            device_id: Who would send it. With neither the device is not looked at.
            message_id: The sender's own id of the message.

        Raises:
            ContractNotFoundError: No such contract or revision.
            ContractInvalidError: The unsaved rules do not hold together.
            DataflowError: The call failed otherwise.
        """
        request = _judge(rules, payload, revision=revision, topic=topic, device_id=device_id, message_id=message_id)
        return await self._caller.unary(self._stub.JudgePayload, request)


def _import(document: str | dict[str, Any]) -> contract_language_pb2.ImportJsonSchemaRequest:
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return contract_language_pb2.ImportJsonSchemaRequest(document=text)


def _export(name: str, revision: int) -> contract_language_pb2.ExportJsonSchemaRequest:
    return contract_language_pb2.ExportJsonSchemaRequest(
        contract=contract_pb2.ContractRef(name=name), revision=revision
    )


def _judge(
    rules: str | contract_pb2.ContractSpec,
    payload: bytes | str,
    *,
    revision: int,
    topic: str,
    device_id: str,
    message_id: str,
) -> contract_language_pb2.JudgePayloadRequest:
    request = contract_language_pb2.JudgePayloadRequest(
        revision=revision, topic=topic, device_id=device_id, message_id=message_id
    )
    if isinstance(rules, str):
        request.contract.name = rules
    else:
        request.spec.CopyFrom(rules)
    if isinstance(payload, str):
        request.text = payload
    else:
        request.payload = payload
    return request
