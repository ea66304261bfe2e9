"""What a request about readings means: the contract, its rows, the columns of the fields that it names."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.validator.v1 import reading_pb2
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.contract_records import ContractRecord, get_contract
from dataflow_validator.contracts.names import Column
from dataflow_validator.errors import FieldInvalidError
from dataflow_validator.pages import storable
from dataflow_validator.readings.queries import Selection
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.time_messages import from_timestamp


async def select_readings(
    pool: Pool, message: reading_pb2.ReadingFilter, path: str = "filter"
) -> tuple[ContractRecord, Selection]:
    """Reads a filter.

    Args:
        pool: Where the contract is looked up.
        message: The filter.
        path: Its path in the request, for errors.

    Raises:
        ContractNotFoundError: There is no such contract.
        InvalidRequestError: A time is outside of the years 1 to 9999.
    """
    start = from_timestamp(message.start_time, f"{path}.start_time") if message.HasField("start_time") else None
    end = from_timestamp(message.end_time, f"{path}.end_time") if message.HasField("end_time") else None
    async with pool.acquire() as connection:
        contract = await get_contract(connection, message.contract)
    devices = sorted(set(storable(list(message.device_ids)))) if message.device_ids else None
    return contract, Selection(readings_table_name(contract.name), devices, start, end)


def chosen_columns(contract: ContractRecord, names: Sequence[str]) -> tuple[Column, ...]:
    """Returns the columns of fields, in the contract's order; of all where none is named.

    Raises:
        FieldInvalidError: The contract has no such field.
    """
    if not names:
        return contract.columns
    known = {column.field for column in contract.columns}
    for name in names:
        if name not in known:
            raise FieldInvalidError(
                f"contract {contract.name!r} has no field {name!r}; it has {', '.join(map(repr, sorted(known)[:20]))}",
                metadata={"contract": contract.name, "field": name},
            )
    wanted = set(names)
    return tuple(column for column in contract.columns if column.field in wanted)
