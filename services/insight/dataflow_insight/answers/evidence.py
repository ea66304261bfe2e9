"""What a text may lean on: the question, the catalogue, the present, and the results so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from dataflow_insight.catalogue.catalogue import Catalogue

if TYPE_CHECKING:  # engines write drafts, so that at run time the import goes the other way
    from dataflow_insight.engines.engine import Computed


@dataclass(frozen=True)
class Evidence:
    """Everything that a sentence is held against.

    Attributes:
        question: As asked; what it says proves nothing, but its limits may be repeated.
        catalogue: Which devices, fields and contracts exist.
        now: The present, UTC: what "yesterday" means.
        results: What was computed; may grow while the text arrives.
    """

    question: str
    catalogue: Catalogue
    now: datetime
    results: "Sequence[Computed]"

    @cached_property
    def devices(self) -> frozenset[str]:
        """All known device ids."""
        return frozenset(device for contract in self.catalogue.contracts for device in contract.devices)
