"""Changes of a contract as a whole: its options, and its end."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dataflow_mesh.postgres import Connection

from dataflow_validator.audit import record
from dataflow_validator.catalog.change import changing_catalog, note_change, raise_version
from dataflow_validator.catalog.contract_records import ContractOptions, ContractRecord, get_contract
from dataflow_validator.errors import ContractInUseError
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.statements import statements


@dataclass(frozen=True, slots=True)
class Remains:
    """What stays of a contract that was deleted.

    Attributes:
        table: The qualified, quoted name of its table.
        rows: Rows in it, as Postgres estimates them.
        quarantined: Items in quarantine, at most 100,000 of them counted.
        revisions: How many.
    """

    table: str
    rows: int
    quarantined: int
    revisions: int


async def update_contract(
    connection: Connection, name: str, changed: Mapping[str, object], *, etag: str = "", actor: str = ""
) -> ContractRecord:
    """Changes options of a contract; nothing happens where they are so already.

    Args:
        connection: In no transaction.
        name: The contract.
        changed: New values by the name of the attribute of `ContractOptions`.
        etag: The contract's, as the caller read it; empty for whatever it is.
        actor: Access identity of who asked.

    Raises:
        ContractNotFoundError: There is no such contract.
        EtagMismatchError: The contract has changed since it was read.
    """
    async with changing_catalog(connection):
        contract = await get_contract(connection, name)
        contract.check_etag(etag)
        options: ContractOptions = replace(contract.options, **changed)  # type: ignore[arg-type]
        if options == contract.options:
            return contract
        await connection.execute(statements("registry")["update_contract"], name, *options.columns())
        await note_change(connection, name, "UPDATED", contract.latest_revision, actor)
        return await get_contract(connection, name)


async def delete_contract(connection: Connection, name: str, *, etag: str = "", actor: str = "") -> Remains:
    """Deletes a contract; its table, its quarantine and its revisions stay.

    Args:
        connection: In no transaction.
        name: The contract.
        etag: As the caller read it; empty for whatever it is.
        actor: Access identity of who asked.

    Raises:
        ContractNotFoundError: There is no such contract.
        ContractInUseError: Routes lead to it, or it is DataFlow's own.
        EtagMismatchError: The contract has changed since it was read.
    """
    sql = statements("registry")
    async with changing_catalog(connection):
        contract = await get_contract(connection, name)
        contract.check_etag(etag)
        if contract.builtin:
            raise ContractInUseError(f"contract {name!r} is DataFlow's own", metadata={"contract": name})
        routes = ", ".join(row["filter"] for row in await connection.fetch(sql["routes_of"], name))
        if routes:
            raise ContractInUseError(
                f"routes lead to contract {name!r}: {routes}. Delete them first",
                metadata={"contract": name, "routes": routes},
            )
        row = await connection.fetchrow(sql["what_stays"], name, readings_table_name(name))
        assert row is not None, "a SELECT without FROM gives a row"
        remains = Remains(readings_table_name(name), row["rows"], row["quarantined"], row["revisions"])
        await connection.execute(sql["delete_contract"], name)
        await raise_version(connection)
        await note_change(connection, name, "DELETED", contract.latest_revision, actor)
        await record(
            connection,
            actor=actor,
            action="DeleteContract",
            target=f"contract:{name}",
            detail={"table": remains.table, "rows": remains.rows, "quarantined": remains.quarantined},
        )
        return remains
