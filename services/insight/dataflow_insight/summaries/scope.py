"""Which readings are summarised, and the condition on them."""

from dataclasses import dataclass

from dataflow_insight.catalogue.catalogue import Contract
from dataflow_insight.queries.query import quoted
from dataflow_insight.summaries.period import Period


@dataclass(frozen=True, slots=True)
class Scope:
    """Which readings are summarised.

    Attributes:
        contract: Whose.
        period: When.
        device_ids: Only these; empty for all.
    """

    contract: Contract
    period: Period
    device_ids: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """The table, quoted."""
        return f"readings.{quoted(self.contract.name)}"


class Where:
    """The condition on readings `r` and its parameters: $1 and $2 are start and end, $3 the devices."""

    def __init__(self, scope: Scope) -> None:
        self._parameters: list[object] = [scope.period.start, scope.period.end]
        self._text = "r.event_time >= $1 AND r.event_time < $2"
        if scope.device_ids:
            self._text += f" AND r.device_id = ANY({self.parameter(list(scope.device_ids), 'text[]')})"

    def __str__(self) -> str:
        return self._text

    @property
    def parameters(self) -> tuple[object, ...]:
        """The values, in the order of their numbers."""
        return tuple(self._parameters)

    def parameter(self, value: object, sql_type: str) -> str:
        """Adds a parameter; returns how the SQL names it."""
        self._parameters.append(value)
        return f"${len(self._parameters)}::{sql_type}"
