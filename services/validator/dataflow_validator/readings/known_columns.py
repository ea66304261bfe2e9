"""The columns that the fields of all revisions of a contract have: what readers can ask for, and how it is typed."""

import json
from collections.abc import Sequence

from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.names import Column, column_of
from dataflow_validator.contracts.spec import ContractSpec, FieldType
from dataflow_validator.statements import statements


async def note_columns(connection: Connection, contract: str, revision: int, columns: Sequence[Column]) -> None:
    """Notes the columns of a revision's fields; those that are known keep their type.

    Args:
        connection: In the transaction that makes the revision.
        contract: The contract's name.
        revision: Its newest revision.
        columns: Of the revision's fields.
    """
    ordered = sorted(columns, key=lambda column: column.name)
    await connection.execute(
        statements("columns")["note"],
        contract,
        revision,
        [column.name for column in ordered],
        [column.sql_type for column in ordered],
        [column.field for column in ordered],
        [column.type.value for column in ordered],
        [column.unit for column in ordered],
        [column.description for column in ordered],
    )


async def note_missing(connection: Connection) -> None:
    """Notes the columns of contracts that an older version of DataFlow made."""
    for row in await connection.fetch(statements("columns")["without_columns"]):
        spec = ContractSpec.from_dict(json.loads(row["spec"]))
        await note_columns(connection, row["contract"], row["revision"], [column_of(item) for item in spec.fields])


def columns_of_row(written: str | None, spec: ContractSpec) -> tuple[Column, ...]:
    """Reads the columns of all revisions.

    Args:
        written: The JSON that the statements `contract` and `contracts` give as `columns`; `None` where none is noted.
        spec: The rules of the revision that judges: what of it an older version of DataFlow has not noted is added.
    """
    found = [
        Column(name, sql_type, field, FieldType(kind), unit, description)
        for name, sql_type, field, kind, unit, description in json.loads(written or "[]")
    ]
    names = {column.name for column in found}
    return (*found, *(column for item in spec.fields if (column := column_of(item)).name not in names))
