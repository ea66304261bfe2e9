"""Contracts' options, revisions and changes as messages."""

from collections.abc import Mapping
from typing import Final

import asyncpg
from dataflow.validator.v1 import contract_pb2, contract_service_pb2

from dataflow_validator.catalog.activation import Redriven
from dataflow_validator.catalog.contract_changes import Remains
from dataflow_validator.catalog.contract_messages import contract_message, spec_message
from dataflow_validator.catalog.contract_records import ContractOptions, ContractRecord, Redrive
from dataflow_validator.catalog.fitness import Mode
from dataflow_validator.catalog.revision_records import RevisionRecord
from dataflow_validator.time_messages import to_timestamp

_CHANGE_PREFIX: Final = "CONTRACT_CHANGE_KIND_"


def read_options(message: contract_pb2.ContractOptions) -> ContractOptions:
    """Reads the options of a new contract."""
    return ContractOptions(
        _mode(message.compatibility) or Mode.BACKWARD,
        _redrive(message.redrive) or Redrive.ASK,
        message.readings_days if message.HasField("readings_days") else None,
        message.rollup_days if message.HasField("rollup_days") else None,
        message.description,
    )


def read_changes(request: contract_service_pb2.UpdateContractRequest) -> Mapping[str, object]:
    """Reads which options an update sets, by the name of the attribute of `ContractOptions`."""
    changed: dict[str, object] = {}
    if (mode := _mode(request.compatibility)) is not None:
        changed["compatibility"] = mode
    if (redrive := _redrive(request.redrive)) is not None:
        changed["redrive"] = redrive
    if request.HasField("readings_days"):
        changed["readings_days"] = _days(request.readings_days)
    if request.HasField("rollup_days"):
        changed["rollup_days"] = _days(request.rollup_days)
    if request.HasField("description"):
        changed["description"] = request.description
    return changed


def revision_message(record: RevisionRecord) -> contract_pb2.Revision:
    """Writes a revision."""
    return contract_pb2.Revision(
        contract=record.contract,
        revision=record.revision,
        spec=spec_message(record.spec),
        create_time=to_timestamp(record.create_time),
        created_by=record.created_by,
        active=record.active,
        pinned_by=record.pinned_by,
    )


def advice_message(redriven: Redriven, contract: str) -> contract_service_pb2.RedriveAdvice:
    """Writes what becomes of quarantine."""
    asks = redriven.quarantined and not redriven.job_id
    return contract_service_pb2.RedriveAdvice(
        quarantined=redriven.quarantined,
        more=redriven.more,
        job_id=redriven.job_id,
        command=f"dataflow quarantine replay --contract {contract}" if asks else "",
    )


def remains_message(name: str, remains: Remains) -> contract_service_pb2.DeleteContractResponse:
    """Writes what stays of a contract."""
    return contract_service_pb2.DeleteContractResponse(
        table=remains.table,
        estimated_rows=remains.rows,
        quarantined=remains.quarantined,
        revisions=remains.revisions,
        message=(
            f"Contract {name!r} is deleted. What it stored stays: the table {remains.table} with about {remains.rows} rows, "
            f"{remains.quarantined} items in quarantine, {remains.revisions} revisions. Make a contract of this name, with "
            "the same identity and event-time field, to go on with them; drop the table yourself to be rid of the rows."
        ),
    )


def existing_message(record: ContractRecord, sequence: int) -> contract_pb2.ContractChange:
    """Writes a contract that was there when a watch began."""
    return contract_pb2.ContractChange(
        sequence=sequence,
        kind=contract_pb2.CONTRACT_CHANGE_KIND_EXISTING,
        name=record.name,
        revision=record.active_revision,
        change_time=to_timestamp(record.update_time),
        contract=contract_message(record),
    )


def change_message(row: asyncpg.Record, record: ContractRecord | None) -> contract_pb2.ContractChange:
    """Writes a change.

    Args:
        row: Of the statement `changes_after`.
        record: The contract as it is now; `None` if it is no more.
    """
    return contract_pb2.ContractChange(
        sequence=row["sequence"],
        kind=contract_pb2.ContractChangeKind.Value(_CHANGE_PREFIX + row["kind"]),
        name=row["contract"],
        revision=row["revision"],
        change_time=to_timestamp(row["change_time"]),
        actor=row["actor"],
        contract=None if record is None else contract_message(record),
    )


def _mode(value: contract_pb2.CompatibilityMode.ValueType) -> Mode | None:
    return Mode(contract_pb2.CompatibilityMode.Name(value).removeprefix("COMPATIBILITY_MODE_")) if value else None


def _redrive(value: contract_pb2.Redrive.ValueType) -> Redrive | None:
    return Redrive(contract_pb2.Redrive.Name(value).removeprefix("REDRIVE_")) if value else None


def _days(keep: contract_pb2.KeepDays) -> int | None:
    return keep.days if keep.HasField("days") else None
