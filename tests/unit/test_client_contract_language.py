"""`client.contracts`: documents in and out and judging, synchronous and asyncio, against a scripted server."""

import asyncio
import json

from dataflow.validator.v1 import contract_language_pb2, contract_pb2
from dataflow_client import AsyncClient, Client, Connection, Targets
from dataflow_client.testing import Script, serving

DOCUMENT = {"type": "object"}
SPEC = contract_pb2.ContractSpec(json_schema="true")


def scripted() -> Script:
    script = Script()
    script.on("ImportJsonSchema", contract_language_pb2.ImportJsonSchemaResponse(spec=SPEC))
    script.on("ExportJsonSchema", contract_language_pb2.ExportJsonSchemaResponse(document=json.dumps(DOCUMENT)))
    script.on("JudgePayload", contract_language_pb2.JudgePayloadResponse(item_count=1))
    return script


def check_requests(script: Script) -> None:
    assert json.loads(script.requests("ImportJsonSchema")[0].document) == DOCUMENT
    assert script.requests("ImportJsonSchema")[1].document == "true"
    assert script.requests("ExportJsonSchema")[0].revision == 2
    named, unsaved = script.requests("JudgePayload")
    assert (named.contract.name, named.text, named.device_id) == ("room", "{}", "d")
    assert (unsaved.spec, unsaved.payload) == (SPEC, b"\xff")


def test_the_client_sends_what_it_was_given() -> None:
    """A document as text or as itself, rules by name or unsaved, payloads as text or bytes."""
    script = scripted()
    with serving(script) as target, Client(Connection(Targets(validator=target), token="t")) as client:
        assert client.contracts.import_json_schema(DOCUMENT).spec == SPEC
        client.contracts.import_json_schema("true")
        assert client.contracts.export_json_schema("room", 2) == DOCUMENT
        assert client.contracts.judge("room", "{}", device_id="d").item_count == 1
        client.contracts.judge(SPEC, b"\xff")
    check_requests(script)


def test_the_asyncio_client_does_the_same() -> None:
    """Same names, same requests."""
    script = scripted()

    async def run(target: str) -> None:
        async with AsyncClient(Connection(Targets(validator=target), token="t")) as client:
            assert (await client.contracts.import_json_schema(DOCUMENT)).spec == SPEC
            await client.contracts.import_json_schema("true")
            assert await client.contracts.export_json_schema("room", 2) == DOCUMENT
            assert (await client.contracts.judge("room", "{}", device_id="d")).item_count == 1
            await client.contracts.judge(SPEC, b"\xff")

    with serving(script) as target:
        asyncio.run(run(target))
    check_requests(script)
