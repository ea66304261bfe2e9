"""The last word on a made-up item: both contracts judge it as they would judge a message."""

import json
from typing import Final

from dataflow_validator.contracts.compatibility.samples import RECEIVED
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.outcome import Accepted, Arrival, Refused
from dataflow_validator.contracts.parse import unstorable_strings
from dataflow_validator.contracts.schema import item_may_be_array
from dataflow_validator.contracts.spec import ContractSpec, Json

_RULE: Final = DeviceRule.parse("topic:1")
_ARRIVAL: Final = Arrival("compared", None, b"", RECEIVED, None, maybe_duplicate=False, batch_id=bytes(16), position=0)


class Judge:
    """Judges made-up items by one contract."""

    def __init__(self, spec: ContractSpec) -> None:
        """Compile the contract.

        Args:
            spec: The contract.

        Raises:
            ContractError: It cannot be compiled.
        """
        self.spec = spec
        self._compiled = compile_contract(spec, 1)
        self._array_is_item = item_may_be_array(spec)

    def payload(self, item: Json) -> bytes:
        """Write an item as the message that has it as its one item."""
        if isinstance(item, list) and not self._array_is_item:
            item = [item]
        return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    def outcomes(self, payload: bytes) -> list[Accepted | Refused]:
        """Judge a message."""
        return self._compiled.judge(_ARRIVAL._replace(payload=payload), _RULE)

    def accepts(self, payload: bytes) -> bool:
        """Say whether every item of a message is accepted."""
        return all(isinstance(outcome, Accepted) for outcome in self.outcomes(payload))


def is_storable(item: Json) -> bool:
    """Say whether Postgres can hold every text in an item; others are left out of comparisons."""
    return next(unstorable_strings(item), None) is None
