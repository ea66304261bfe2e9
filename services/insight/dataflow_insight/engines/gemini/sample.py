"""A few readings for the model to see what values look like; only where the policy asks for it."""

import logging
from collections.abc import Mapping
from typing import Final

from dataflow_mesh.errors import DataflowError
from dataflow_mesh.logs import fields

from dataflow_insight.catalogue.catalogue import Contract, Kind
from dataflow_insight.engines.gemini.redaction import Redactor
from dataflow_insight.queries.query import quoted
from dataflow_insight.queries.reads import Reads

_log = logging.getLogger(__name__)

_MOST_CONTRACTS: Final = 5
_MOST_FIELDS: Final = 20
_MOST_TEXT: Final = 60

# The primary key serves it: device first, then time.
_NEWEST: Final = "SELECT {columns} FROM readings.{table} WHERE device_id = $1 ORDER BY event_time DESC LIMIT $2"


async def sample_readings(reads: Reads, redactor: Redactor) -> dict[str, list[Mapping[str, object]]]:
    """Returns newest readings of one device of each contract, as the policy lets the model see them.

    Args:
        reads: Where they are read from.
        redactor: Says how many, and hides what must not be seen.
    """
    found: dict[str, list[Mapping[str, object]]] = {}
    if not redactor.policy.sample_rows:
        return found
    contracts = [contract for contract in redactor.catalogue.contracts if contract.devices and not contract.builtin]
    for contract in contracts[:_MOST_CONTRACTS]:
        try:
            found[contract.name] = await _rows(reads, contract, redactor)
        except DataflowError as error:
            _log.info("no sample for the model", extra=fields("sample_missing", reason=type(error).__name__))
    return found


async def _rows(reads: Reads, contract: Contract, redactor: Redactor) -> list[Mapping[str, object]]:
    shown = [field for field in contract.fields if field.kind is not Kind.OTHER][:_MOST_FIELDS]
    if not shown:
        return []
    sql = _NEWEST.format(columns=", ".join(quoted(field.column) for field in shown), table=quoted(contract.name))
    rows = await reads.fetch(sql, contract.devices[0], redactor.policy.sample_rows)
    return [
        {
            "device_id": redactor.alias(contract.devices[0]),
            **{field.name: _shown(value, redactor) for field, value in zip(shown, row, strict=True)},
        }
        for row in rows
    ]


def _shown(value: object, redactor: Redactor) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    return redactor.outward(str(value)[:_MOST_TEXT])
