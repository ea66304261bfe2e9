"""What came of a test up to now: counts by outcome, by place and clause, and some items to look at. Adds up over parts."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from dataflow_validator.contracts.outcome import Arrival
from dataflow_validator.contracts.reasons import Reason
from dataflow_validator.jobs.contract_test.request import TestRequest
from dataflow_validator.jobs.kind import Json

ROW_REFUSED: Final = "ROW_REFUSED"
ROW_CHANGED: Final = "ROW_CHANGED"
QUARANTINED_ACCEPTED: Final = "QUARANTINED_ACCEPTED"
QUARANTINED_REFUSED: Final = "QUARANTINED_REFUSED"
QUARANTINED_DUPLICATE: Final = "QUARANTINED_DUPLICATE"
QUARANTINED_CONFLICT: Final = "QUARANTINED_CONFLICT"

_MAX_CLAUSES: Final = 1_000
_MAX_SAMPLE_BYTES: Final = 4_096
_MAX_SAMPLE_REASONS: Final = 10


class Counts:
    """Counts of one part; as JSON it is the part's result.

    Args:
        max_samples: Of each outcome.
        written: What `to_json` wrote before; {} at the beginning.
    """

    def __init__(self, max_samples: int, written: Json) -> None:
        self._max_samples = max_samples
        self.numbers: Counter[str] = Counter(written.get("numbers", {}))
        self._clauses: Counter[tuple[str, str]] = Counter({(p, r): n for p, r, n in written.get("clauses", [])})
        self._left_off: int = written.get("clauses_left_off", 0)
        self._samples: dict[str, list[Json]] = {key: list(value) for key, value in written.get("samples", {}).items()}
        self.raw_start: str | None = written.get("raw_start")

    def refused(self, kind: str, reasons: Iterable[Reason]) -> None:
        """Counts an item that the candidate refuses, once at each place and clause."""
        self.numbers[kind.lower()] += 1
        for key in {(_place(reason.path), reason.rule) for reason in reasons}:
            if key in self._clauses or len(self._clauses) < _MAX_CLAUSES:
                self._clauses[key] += 1
            else:
                self._left_off += 1

    def wants_sample(self, outcome: str) -> bool:
        """Whether there are not enough samples of an outcome."""
        return len(self._samples.get(outcome, ())) < self._max_samples

    def sample(
        self,
        outcome: str,
        arrival: Arrival,
        payload: bytes,
        device_id: str,
        reasons: Iterable[Reason] = (),
        changes: Mapping[str, tuple[object, object]] | None = None,
        quarantine_id: int = 0,
    ) -> None:
        """Keeps an item to look at, if there are not enough of its outcome."""
        if not self.wants_sample(outcome):
            return
        self._samples.setdefault(outcome, []).append(
            {
                "outcome": f"CONTRACT_TEST_OUTCOME_{outcome}",
                "topic": arrival.topic,
                "deviceId": device_id,
                "payload": base64.b64encode(payload[:_MAX_SAMPLE_BYTES]).decode(),
                "payloadBytes": len(payload),
                "receiveTime": _moment(arrival.receive_time),
                "reasons": [reason._asdict() for reason in list(reasons)[:_MAX_SAMPLE_REASONS]],
                "changes": {
                    name: {"before": _shown(before), "after": _shown(after)}
                    for name, (before, after) in (changes or {}).items()
                },
                "quarantineId": str(quarantine_id) if quarantine_id else "",
            }
        )

    def add(self, other: Json) -> None:
        """Adds what another part counted."""
        numbers = self.numbers
        for key, items in other.get("numbers", {}).items():
            numbers[key] += items
        for path, rule, items in other.get("clauses", []):
            self._clauses[path, rule] += items
        self._left_off += other.get("clauses_left_off", 0)
        for outcome, samples in other.get("samples", {}).items():
            mine = self._samples.setdefault(outcome, [])
            mine += samples[: max(0, self._max_samples - len(mine))]
        starts = [start for start in (self.raw_start, other.get("raw_start")) if start]
        self.raw_start = min(starts, default=None)

    def to_json(self) -> Json:
        """Writes it as the constructor reads it."""
        return {
            "numbers": dict(self.numbers),
            "clauses": [[path, rule, items] for (path, rule), items in self._clauses.items()],
            "clauses_left_off": self._left_off,
            "samples": self._samples,
            "raw_start": self.raw_start,
        }

    def result(self, request: TestRequest) -> Json:
        """Writes the proto JSON of `ContractTestResult`."""
        numbers = self.numbers
        clauses = sorted(self._clauses.items(), key=lambda item: (-item[1], item[0]))
        left_off = self._left_off + sum(items for _, items in clauses[_MAX_CLAUSES:])
        names = (
            "accepted", "refused", "unparsable", "unstorable", "rows_unchanged", "rows_changed", "rows_refused",
            "quarantined_accepted", "quarantined_refused", "quarantined_duplicate", "quarantined_conflict", "messages",
        )  # fmt: skip
        not_logged = max(0, numbers["rows"] - numbers["rows_found"])
        written: Json = {
            "contract": request.contract,
            "revision": request.revision,
            "items": sum(numbers[name] for name in names[:4]),
            **{name: numbers[name] for name in names},
            "clauses": [{"path": path, "rule": rule, "items": items} for (path, rule), items in clauses[:_MAX_CLAUSES]],
            "clauses_left_off": left_off,
            "rows_not_logged": not_logged,
            "approximate": not_logged > 0,
            "samples": [sample for outcome in sorted(self._samples) for sample in self._samples[outcome]],
        }
        if not_logged:
            written["approximate_reason"] = (
                f"{not_logged} rows were not judged: the raw log has no message of theirs (any more), or no route of "
                "today leads it to this contract"
            )
        if self.raw_start is not None:
            written["raw_log_start_time"] = _moment(datetime.fromisoformat(self.raw_start))
        return written


def _place(path: str) -> str:
    if not any(character.isdigit() for character in path):
        return path
    return "/".join("*" if token.isdigit() else token for token in path.split("/"))


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, int) or isinstance(value, bool) or abs(value) <= 2**53 else str(value)
    if isinstance(value, datetime):
        return _moment(value)
    return str(value)
