"""What would judge each topic if the candidate were the active revision."""

from __future__ import annotations

import asyncio
from typing import Final

from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.registry import Catalog, Registry
from dataflow_validator.catalog.routes import matches
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.judge import CompiledContract, compile_contract
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.jobs.contract_test.request import CandidateRoute, TestRequest
from dataflow_validator.jobs.kind import JobFailedError, Json

_MAX_TOPICS: Final = 65_536
_SAME_VALUES: Final = (
    "required", "nullable", "unit", "min", "max", "exclusive_min", "exclusive_max", "multiple_of", "enum", "pattern",
    "min_length", "max_length", "items", "members", "description",
)  # fmt: skip
"""Rules of a field that say whether a value is taken, not which one is stored."""
_SAME_ROWS: Final = (
    "json_schema",
    "event_time_min",
    "event_time_max",
    "event_time_ahead_us",
    "dedupe_window_us",
    "description",
)
"""The same of a contract."""

Judging = tuple[CompiledContract, DeviceRule]


class Candidate:
    """The candidate among the routes of one catalogue; asked in this process's one event loop.

    Args:
        compiled: The candidate.
        catalog: The catalogue.
        route: A route that is not made yet.
    """

    def __init__(self, compiled: CompiledContract, catalog: Catalog, route: CandidateRoute | None) -> None:
        self.compiled = compiled
        self.version = catalog.version
        self._catalog = catalog
        self._route = route
        self._known: dict[str, Judging | None] = {}
        self._values: dict[tuple[CompiledContract, CompiledContract], bool] = {}

    def resolve(self, topic: str) -> Judging | None:
        """Returns what would judge a topic by the candidate's contract; `None` for topics of others."""
        try:
            return self._known[topic]
        except KeyError:
            pass
        found = self._find(topic)
        if len(self._known) >= _MAX_TOPICS:
            self._known.clear()
        self._known[topic] = found
        return found

    def _find(self, topic: str) -> Judging | None:
        route = self._catalog.routes.resolve(topic)
        if route is None:
            if self._route is None or not matches(self._route.topic_filter, topic):
                return None
            return self.compiled, self._route.device_rule
        if route.contract != self.compiled.spec.name:
            return None
        if not route.revision:
            return self.compiled, route.device_rule
        # What a route pins stays as it is, whatever becomes the active revision.
        pinned = self._catalog.revisions.get((route.contract, route.revision))
        return None if pinned is None else (pinned, route.device_rule)

    def may_change_values(self, before: CompiledContract, after: CompiledContract) -> bool:
        """Says whether an item that both accept may become other values by `after` than by `before`."""
        key = (before, after)
        known = self._values.get(key)
        if known is None:
            known = self._values[key] = _values(before.spec) != _values(after.spec)
        return known


def _values(spec: ContractSpec) -> Json:
    written = {key: value for key, value in spec.to_dict().items() if key not in _SAME_ROWS}
    fields = [item.to_dict() for item in spec.fields]
    return {**written, "fields": [{k: v for k, v in item.items() if k not in _SAME_VALUES} for item in fields]}


async def load_candidate(pool: Pool, registry: Registry, request: TestRequest) -> Candidate:
    """Compiles the candidate, in a thread.

    Raises:
        JobFailedError: It does not compile.
        ContractNotFoundError: There is no such revision.
    """
    if request.spec is None:
        async with pool.acquire() as connection:
            compiled = await registry.compiled(connection, request.contract, request.revision)
    else:
        try:
            compiled = await asyncio.to_thread(compile_contract, request.spec, 0)
        except ContractError as error:
            raise JobFailedError("CONTRACT_INVALID", str(error), {"contract": request.contract}) from error
    return Candidate(compiled, registry.current, request.route)
