"""What the parts of one query share: the plan, its contracts, the parameters, and how fields are called in between."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field, Kind
from dataflow_insight.catalogue.units import SECONDS, Conversion, conversion
from dataflow_insight.plans.plan import Difference, Measure, Plan, Scope
from dataflow_insight.queries.parameters import Parameters
from dataflow_insight.queries.query import quoted

SUBTRACTED: Final = frozenset({Measure.RANGE, Measure.CHANGE})
"""Measures that subtract values: whole numbers must not leave the range of bigint on the way."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the parts of one query share.

    Attributes:
        plan: Checked.
        contract: Its contract.
        joined: The contract beside it, if there is one.
        parameters: Of the whole query.
        fields: The fields that the query reads, in the order of their aliases f0, f1, ...
        joined_fields: Those of the joined contract, g0, g1, ...
    """

    plan: Plan
    contract: Contract
    joined: Contract | None
    parameters: Parameters
    fields: tuple[Field, ...]
    joined_fields: tuple[Field, ...]

    @property
    def table(self) -> str:
        """The table of the readings, quoted."""
        return f"readings.{quoted(self.contract.name)}"

    @property
    def zone(self) -> str:
        """The SQL of the plan's time zone."""
        return self.parameters.add(self.plan.time_zone, "text")

    @property
    def measured(self) -> Field | None:
        """The field that is measured."""
        return self.contract.field_named(self.plan.field) if self.plan.field else None

    def column(self, name: str, *, joined: bool = False) -> str:
        """Returns the SQL of a field in a row of the source."""
        fields = self.joined_fields if joined else self.fields
        number = next(index for index, item in enumerate(fields) if item.name == name)
        return f"j.g{number}" if joined else f"r.f{number}"

    def stored(self, number: int) -> str:
        """Returns the SQL of a field in a row of the contract's table."""
        item = self.fields[number]
        subtracted = self.plan.measure in SUBTRACTED or self.plan.difference is not Difference.NONE
        cast = "::numeric" if item.kind is Kind.INTEGER and item.name == self.plan.field and subtracted else ""
        return f"t.{quoted(item.column)}{cast}"

    def converted(self, value: str) -> str:
        """Returns the SQL of a value in the plan's unit."""
        change = self.conversion
        if change is None:
            return value
        offset = f" + {self.parameters.add(change.offset, 'double precision')}" if change.offset else ""
        return f"({value} * {self.parameters.add(change.factor, 'double precision')}{offset})"

    def converted_difference(self, value: str) -> str:
        """Returns the SQL of a difference of two values in the plan's unit."""
        change = self.conversion
        return value if change is None else f"({value} * {self.parameters.add(change.factor, 'double precision')})"

    @property
    def converts_values(self) -> bool:
        """Whether the plan's unit is about the values of its field, and not about seconds."""
        item = self.measured
        return item is not None and item.kind.numeric and self.plan.measure is not Measure.GAP

    @property
    def conversion(self) -> Conversion | None:
        """From the field's unit (of gaps: seconds) to the plan's; `None` where nothing changes."""
        if not self.plan.unit:
            return None
        item = self.measured
        source = SECONDS if self.plan.measure is Measure.GAP else item.source_unit if item is not None else ""
        found = conversion(source, self.plan.unit)
        return None if found is None or found == Conversion(1.0) else found


def frame_of(plan: Plan, contract: Contract, joined: Contract | None) -> Frame:
    """Returns what the parts of a plan's query share."""
    conditions = [condition for scope in scopes_of(plan) for condition in scope.conditions] + list(plan.holding)
    used = [(plan.field, False), (plan.other_field, plan.other_joined), (plan.group_field, plan.group_joined)]
    used += [(condition.field, condition.joined) for condition in conditions]
    own = _fields(contract, (name for name, of_joined in used if name and not of_joined))
    beside = _fields(joined, (name for name, of_joined in used if name and of_joined)) if joined is not None else ()
    return Frame(plan, contract, joined, Parameters(), own, beside)


def scopes_of(plan: Plan) -> tuple[Scope, ...]:
    """Returns the plan's scopes: what is asked about, and what that is compared with."""
    return (plan.scope,) if plan.compared_with is None else (plan.scope, plan.compared_with)


def _fields(contract: Contract, names: Iterable[str]) -> tuple[Field, ...]:
    found = {name: contract.field_named(name) for name in names}
    return tuple(item for item in found.values() if item is not None)
