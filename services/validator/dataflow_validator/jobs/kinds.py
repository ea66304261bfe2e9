"""Every kind of job by its name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dataflow_validator.devices.delete import DeleteDeviceData
from dataflow_validator.devices.export import ExportDeviceData
from dataflow_validator.exports.quarantine_job import ExportQuarantined
from dataflow_validator.exports.readings_job import ExportReadings
from dataflow_validator.jobs.contract_test.kind import ContractTestJob
from dataflow_validator.jobs.kind import JobKind
from dataflow_validator.rejudge.backfill import Backfill
from dataflow_validator.rejudge.purge import PurgeQuarantined
from dataflow_validator.rejudge.replay import ReplayQuarantined

_ALL: tuple[JobKind, ...] = (
    Backfill(),
    PurgeQuarantined(),
    ReplayQuarantined(),
    ContractTestJob(),
    DeleteDeviceData(),
    ExportDeviceData(),
    ExportQuarantined(),
    ExportReadings(),
)

KINDS: Final[Mapping[str, JobKind]] = MappingProxyType({kind.name: kind for kind in _ALL})
"""The kinds that this version can work on."""
