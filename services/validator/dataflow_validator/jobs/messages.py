"""Jobs as messages."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from dataflow.validator.v1 import job_pb2
from google.protobuf import json_format

from dataflow_validator.jobs.kind import Json
from dataflow_validator.jobs.records import STATES, JobRecord
from dataflow_validator.json_messages import to_struct
from dataflow_validator.time_messages import to_timestamp

KIND_NAMES: Final = {number: name.removeprefix("JOB_KIND_") for name, number in job_pb2.JobKind.items() if number != 0}
"""The kinds' names by their numbers."""

STATE_NAMES: Final = {job_pb2.JobState.Value(f"JOB_STATE_{state}"): state for state in STATES}
"""The states' names by their numbers."""

_KINDS: Final = {name: number for number, name in KIND_NAMES.items()}
_STATES: Final = {name: number for number, name in STATE_NAMES.items()}

_RESULTS: Final = {
    "BACKFILL": "backfill",
    "PURGE_QUARANTINED": "purge",
    "REPLAY_QUARANTINED": "replay",
    "DELETE_DEVICE_DATA": "device_deletion",
    "EXPORT_DEVICE_DATA": "device_export",
    "EXPORT_QUARANTINED": "quarantine_export",
    "EXPORT_READINGS": "readings_export",
    "TEST_CONTRACT": "contract_test",
}
"""The member of `Job.result` that each kind fills."""

_TOO_LONG: Final = ("samples",)
"""Members of results that lists leave out."""


def job_message(record: JobRecord, *, whole: bool = False, brief: bool = False) -> job_pb2.Job:
    """Makes the message of a job.

    Args:
        record: The job.
        whole: With what was asked for.
        brief: Without the samples of its result, for lists.
    """
    message = job_pb2.Job(
        job_id=str(record.job_id),
        kind=_KINDS.get(record.kind, job_pb2.JOB_KIND_UNSPECIFIED),
        state=_STATES[record.state],
        dry_run=record.dry_run,
        rate=record.rate or 0.0,
        created_by=record.created_by,
        create_time=to_timestamp(record.create_time),
        update_time=to_timestamp(record.update_time),
        progress=job_pb2.JobProgress(
            done=record.done, total=record.total, parts=record.parts, parts_running=record.running
        ),
        cancel_requested=record.cancel_requested,
    )
    if record.start_time is not None:
        message.start_time.CopyFrom(to_timestamp(record.start_time))
    if record.end_time is not None:
        message.end_time.CopyFrom(to_timestamp(record.end_time))
    if record.error is not None:
        message.error.CopyFrom(_error(record.error))
    if whole:
        message.request.CopyFrom(to_struct(record.request))
    if record.result is not None and (member := _RESULTS.get(record.kind)) is not None:
        shown = {key: value for key, value in record.result.items() if not (brief and key in _TOO_LONG)}
        # Written by this version or by another one: what it does not know is left out.
        json_format.ParseDict(shown, getattr(message, member), ignore_unknown_fields=True)
    return message


def _error(error: Json) -> job_pb2.JobError:
    return job_pb2.JobError(
        reason=error.get("reason", ""), message=error.get("message", ""), metadata=error.get("metadata", {})
    )


def job_id_of(text: str) -> UUID:
    """Reads an id that the rules of its field have let through."""
    return UUID(text)
