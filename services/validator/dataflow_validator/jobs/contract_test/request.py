"""What TestContract is asked for, as its job keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.jobs.kind import Json

DEFAULT_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class CandidateRoute:
    """A route that is not made yet: it leads the messages of a filter, which no route takes now, to the contract."""

    topic_filter: str
    device_rule: DeviceRule


@dataclass(frozen=True, slots=True)
class TestRequest:
    """What to judge, and by what.

    Attributes:
        contract: The contract's name.
        revision: A saved revision; 0 where `spec` is given.
        spec: Rules that are not saved; `None` where `revision` is given.
        start: Received from this time on.
        end: Received before this time.
        device_ids: Any of these; empty for all.
        route: A route that is not made yet.
        max_samples: Of each outcome.
    """

    __test__ = False

    contract: str
    revision: int = 0
    spec: ContractSpec | None = None
    start: datetime | None = None
    end: datetime | None = None
    device_ids: frozenset[str] = frozenset()
    route: CandidateRoute | None = None
    max_samples: int = DEFAULT_SAMPLES

    @property
    def narrows(self) -> bool:
        """Whether not all items of the contract are asked for."""
        return self.start is not None or self.end is not None or bool(self.device_ids)

    def wants(self, device_id: str, receive_time: datetime) -> bool:
        """Whether an item of this device and time is asked for."""
        return (
            (self.start is None or receive_time >= self.start)
            and (self.end is None or receive_time < self.end)
            and (not self.device_ids or device_id in self.device_ids)
        )

    def to_json(self) -> Json:
        """Writes it as `from_json` reads it."""
        return {
            "contract": self.contract,
            "revision": self.revision,
            "spec": None if self.spec is None else self.spec.to_dict(),
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "device_ids": sorted(self.device_ids),
            "route": None
            if self.route is None
            else {"filter": self.route.topic_filter, "device": str(self.route.device_rule)},
            "max_samples": self.max_samples,
        }

    @classmethod
    def from_json(cls, written: Json) -> Self:
        """Reads what `to_json` wrote."""
        route = written.get("route")
        return cls(
            written["contract"],
            written.get("revision", 0),
            None if written.get("spec") is None else ContractSpec.from_dict(written["spec"]),
            None if written.get("start") is None else datetime.fromisoformat(written["start"]),
            None if written.get("end") is None else datetime.fromisoformat(written["end"]),
            frozenset(written.get("device_ids", ())),
            None if route is None else CandidateRoute(route["filter"], DeviceRule.parse(route["device"])),
            written.get("max_samples", DEFAULT_SAMPLES),
        )
