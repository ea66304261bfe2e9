"""The catalogue as judging asks it: what judges this topic."""

from __future__ import annotations

from typing import Final

from dataflow_validator.catalog.registry import Catalog
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.judge import CompiledContract

_MAX_TOPICS: Final = 65_536


class ContractBrokenError(Exception):
    """The active revision of a contract does not compile here: its messages wait."""

    def __init__(self, contract: str) -> None:
        super().__init__(f"contract {contract!r} does not compile")
        self.contract = contract


class Rules:
    """One version of the catalogue, with the answer for each topic kept."""

    def __init__(self, catalog: Catalog) -> None:
        self.version = catalog.version
        self._catalog = catalog
        self._known: dict[str, tuple[CompiledContract, DeviceRule] | None] = {}

    def resolve(self, topic: str) -> tuple[CompiledContract, DeviceRule] | None:
        """Return what judges a topic, or None where no route takes it or its contract has no active revision.

        Raises:
            ContractBrokenError: The contract exists, but this process cannot judge by it.
        """
        try:
            return self._known[topic]
        except KeyError:
            pass
        route = self._catalog.routes.resolve(topic)
        found = None
        if route is not None:
            if route.contract in self._catalog.broken:
                raise ContractBrokenError(route.contract)
            contract = self._catalog.contracts.get(route.contract)
            found = None if contract is None else (contract, route.device_rule)
        if len(self._known) >= _MAX_TOPICS:
            self._known.clear()
        self._known[topic] = found
        return found
