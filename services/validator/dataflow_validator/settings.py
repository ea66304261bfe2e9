"""Settings of a validator."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dataflow_mesh.settings import MeshSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorSettings(MeshSettings):
    """What can be set about a validator."""

    table: ClassVar[str] = "validator"

    validator_id: str = field(
        default_factory=socket.gethostname, metadata={"help": "Name of this validator, the same after a restart."}
    )
    read_count: int = field(default=16, metadata={"help": "Batches that one read takes from a ring node."})
    max_batches: int = field(default=32, metadata={"help": "Batches in one transaction."})
    max_lone_deaths: int = field(
        default=3, metadata={"help": "Readers that may die over a batch that they work on alone; then it is parked."}
    )
    raw_days: int = field(default=7, metadata={"help": "Days that the raw log is kept."})
    ledger_days: int = field(default=7, metadata={"help": "Days that the ledger keeps its row of each batch."})
    ledger_minute_days: int = field(default=30, metadata={"help": "Days that the ledger's minutes are kept."})
    ledger_minute_devices: int = field(
        default=1_000,
        metadata={"help": "Devices of one minute, bridge and contract that the ledger's minutes count by name."},
    )
    claim_days: int = field(
        default=8,
        metadata={"help": "Days that batch ids are remembered; more than the bridges' batch_horizon."},
    )

    quarantine_days: int = field(default=90, metadata={"help": "Days that quarantined items are kept; 0 for ever."})
    quarantine_device_items: int = field(
        default=1_000_000,
        metadata={
            "help": "Quarantined items of one device (of one topic or contract, where none is known) that are kept, the"
            " newest; 0 for all."
        },
    )
    quarantine_max_bytes: int = field(
        default=20 * 1024**3,
        metadata={"help": "Bytes of all quarantined items that are kept, the newest; 0 for no limit."},
    )

    export_dir: Path | None = field(
        default=None,
        metadata={
            "help": "Directory for the files of export jobs, the same disk for all validators; unset: no such jobs."
        },
    )

    job_days: int = field(default=30, metadata={"help": "Days that ended jobs are kept, with their results."})

    def problems(self) -> list[str]:
        """Return what is wrong with the values together."""
        found = MeshSettings.problems(self)
        if not self.postgres_dsn:
            found.append("postgres_dsn: needed")
        if self.token_file is None:
            found.append("token_file: needed")
        found += [
            f"{name}: {value} is not above 0"
            for name, value in (
                ("read_count", self.read_count),
                ("max_batches", self.max_batches),
                ("max_lone_deaths", self.max_lone_deaths),
                ("raw_days", self.raw_days),
                ("job_days", self.job_days),
                ("ledger_days", self.ledger_days),
                ("ledger_minute_days", self.ledger_minute_days),
                ("ledger_minute_devices", self.ledger_minute_devices),
                ("claim_days", self.claim_days),
            )
            if value < 1
        ]
        found += [
            f"{name}: {value} is below 0"
            for name, value in (
                ("quarantine_days", self.quarantine_days),
                ("quarantine_device_items", self.quarantine_device_items),
                ("quarantine_max_bytes", self.quarantine_max_bytes),
            )
            if value < 0
        ]
        return found
