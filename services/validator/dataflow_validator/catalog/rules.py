"""The catalogue as judging asks it: what judges this topic."""

from __future__ import annotations

from typing import Final

from dataflow_validator.catalog.registry import Catalog
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.failure import ContractBrokenError

_MAX_TOPICS: Final = 65_536


class Rules:
    """One version of the catalogue, with the answer for each topic kept."""

    def __init__(self, catalog: Catalog) -> None:
        self.version = catalog.version
        self._catalog = catalog
        self._known: dict[str, tuple[CompiledContract, DeviceRule] | None] = {}

    def resolve(self, topic: str) -> tuple[CompiledContract, DeviceRule] | None:
        """Return what judges a topic, or None where no route takes it or its contract has no active revision.

        The route says which revision: the one that it pins, else the active one. Several routes of one contract may so
        give several revisions of it.

        Raises:
            ContractBrokenError: The contract exists, but this process cannot judge by that revision.
        """
        try:
            return self._known[topic]
        except KeyError:
            pass
        route = self._catalog.routes.resolve(topic)
        found = None
        if route is not None:
            revision = route.revision or self._catalog.active.get(route.contract, 0)
            if (route.contract, revision) in self._catalog.broken:
                raise ContractBrokenError(route.contract, revision)
            contract = self._catalog.revisions.get((route.contract, revision))
            found = None if contract is None else (contract, route.device_rule)
        if len(self._known) >= _MAX_TOPICS:
            self._known.clear()
        self._known[topic] = found
        return found
