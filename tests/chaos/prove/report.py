"""What came of a campaign: for programs as JSON, for people as a section of docs/proof.md."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.chaos.prove.checker import Findings
from tests.chaos.prove.history import History
from tests.chaos.prove.plan import FAULTS, Plan

_BEGIN: Final = "<!-- prove: begin; written by `make prove` -->"
_END: Final = "<!-- prove: end -->"
_OUTCOMES: Final = ("stored", "quarantined", "conflict", "duplicate")


@dataclass(slots=True)
class Report:
    """The result."""

    plan: Plan
    published_seconds: float
    """How long senders published."""
    seconds: float
    findings: Findings
    history: History

    @property
    def violations(self) -> dict[str, list[str]]:
        """Everything that does not hold; empty when all is well."""
        return self.findings.violations

    @property
    def command(self) -> str:
        """What repeats the campaign."""
        plan = self.plan
        command = f"make prove ARGS='--seed {plan.seed} --faults {plan.faults} --messages {plan.messages}"
        command += f" --rate {plan.rate:g} --pause-seconds {plan.pause_seconds:g} --clients {plan.clients}"
        if set(plan.weights) != set(FAULTS):
            command += f' --only "{",".join(plan.weights)}"'
        return command + "'"

    def document(self) -> dict[str, Any]:
        """Returns the report for JSON."""
        return {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": self.command,
            "seed": self.plan.seed,
            "seconds": round(self.seconds, 1),
            "published_seconds": round(self.published_seconds, 1),
            "machine": machine(),
            "faults": len(self.history.events),
            "faults_by_kind": self.history.counts(),
            "faults_left_out": dict(self.history.skipped),
            "counts": self.findings.counts,
            "violations": self.violations,
            "history": self.history.document(),
        }

    def markdown(self) -> str:
        """Returns the section for docs/proof.md."""
        counts, ledger = self.findings.counts, self.findings.counts.get("ledger", {})
        verdict = "none" if not self.violations else "; ".join(sorted(self.violations))
        lines = [
            f"{datetime.now(UTC):%Y-%m-%d}, {machine()}: `{self.command}`",
            "",
            "| what | |",
            "|---|---|",
            f"| messages acknowledged | {counts.get('messages_acknowledged', 0):,} in {self.published_seconds:.0f} s |",
            f"| by way and kind of id | {_by_way(counts)} |",
            f"| packets and calls sent again by clients | {counts.get('packets_resent', 0):,} |",
            f"| items with a number of their own | {counts.get('items_distinct', 0):,} |",
            f"| items in the ledger | {ledger.get('items', 0):,}, in {ledger.get('batches', 0):,} batches |",
            f"| of them | {_listed({name: ledger.get(name, 0) for name in _OUTCOMES})} |",
            f"| extra rows of kind d | {counts.get('extra_rows_of_kind_d', 0)} |",
            f"| of them marked `maybe_duplicate` | {counts.get('extra_rows_of_kind_d_marked', 0)} |",
            f"| ledger checked during the run | {_listed(counts.get('ledger_samples', {}))} |",
            f"| faults | {len(self.history.events)}: {_listed(self.history.counts())} |",
        ]
        if self.history.skipped:
            lines.append(f"| faults left out | {_listed(dict(self.history.skipped))} |")
        lines.append(f"| **violations** | **{verdict}** |")
        return "\n".join(lines)

    def write_proof(self, path: Path) -> None:
        """Puts the section into the document, in the place of the one before.

        Raises:
            ValueError: The document has no place for it.
        """
        text = path.read_text(encoding="utf-8")
        head, begin, rest = text.partition(_BEGIN)
        _, end, tail = rest.partition(_END)
        if not begin or not end:
            raise ValueError(f"{path} has no lines {_BEGIN!r} and {_END!r}")
        path.write_text(f"{head}{begin}\n{self.markdown()}\n{end}{tail}", encoding="utf-8")


def machine() -> str:
    """Returns what it ran on, in words."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _by_way(counts: dict[str, Any]) -> str:
    ways: dict[str, dict[str, int]] = counts.get("acknowledged_by", {})
    return "; ".join(
        f"{way}: " + ", ".join(f"{kind} {count:,}" for kind, count in kinds.items()) for way, kinds in ways.items()
    )
