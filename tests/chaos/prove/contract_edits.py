"""Contracts that change while data flow: a new revision with one more optional field, and back to an older one."""

from __future__ import annotations

import json
from dataclasses import replace

import asyncpg
from dataflow_client import AsyncClient
from dataflow_validator.catalog.change import changing_catalog, raise_version
from dataflow_validator.catalog.contract_records import get_contract
from dataflow_validator.contracts.names import column_of, quote_identifier
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.statements import statements

_MOST_REVISIONS = 20
"""Of one contract; after that only the active one changes."""


async def edit_contract(dsn: str, client: AsyncClient, contract: str, share: float) -> str:
    """Makes a revision judge that did not before, and returns what was done.

    A revision is made by the statements that make a contract; it is activated through ContractService.

    Args:
        dsn: Of the stack's database.
        client: May activate.
        contract: Its name.
        share: Below 0.7 a new revision is made, from there on an older one is activated.
    """
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        record = await get_contract(connection, contract)
        revision = record.latest_revision
        if share < 0.7 and revision < _MOST_REVISIONS:
            revision += 1
            field = FieldSpec(f"added_{revision}", FieldType.NUMBER, required=False)
            newest = await connection.fetchval(
                "SELECT spec::text FROM validator.revision WHERE contract = $1 AND revision = $2",
                contract, record.latest_revision,
            )  # fmt: skip
            spec = ContractSpec.from_dict(json.loads(newest))
            await _make_revision(connection, contract, revision, replace(spec, fields=(*spec.fields, field)), field)
        else:
            revision = 1 + record.active_revision % record.latest_revision
    finally:
        await connection.close()
    await client.contracts.activate(contract, revision)
    return f"revision {record.active_revision} -> {revision}"


async def _make_revision(
    connection: asyncpg.Connection[asyncpg.Record], contract: str, revision: int, spec: ContractSpec, field: FieldSpec
) -> None:
    column = column_of(field)
    written = json.dumps(spec.to_dict(), sort_keys=True)
    async with changing_catalog(connection):
        await connection.execute(
            f"ALTER TABLE {readings_table_name(contract)} ADD COLUMN {quote_identifier(column.name)} {column.sql_type}"
        )
        await connection.execute(statements("registry")["insert_revision"], contract, revision, written)
        await connection.execute(
            "UPDATE validator.contract SET latest_revision = $2 WHERE name = $1", contract, revision
        )
        await raise_version(connection)
