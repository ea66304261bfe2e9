"""What leaves the house: which contracts and fields the model may know of, and under which names it knows devices."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from dataflow_insight.catalogue.catalogue import Catalogue, Contract, key_of
from dataflow_insight.engines.gemini.mentions import devices_in, keys_in
from dataflow_insight.plans.plan import Condition, Plan, Scope

_ALIAS: Final = re.compile(r"\bdevice_(\d{1,9})\b")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the model may see; the local engine sees everything.

    Attributes:
        aliases: Devices are called device_1, device_2 and so on.
        withheld: Patterns of names, "contract" or "contract.field", with * and ?, that the model must not know of.
        values: Whether the model sees the cells of results; if not, only how many rows there are and what the columns mean.
        sample_rows: Newest readings of one device that the model sees of each contract.
    """

    aliases: bool = False
    withheld: tuple[str, ...] = ()
    values: bool = True
    sample_rows: int = 0

    def hides(self, contract: str, field: str = "") -> bool:
        """Returns whether the model must not know of a contract, or of its field."""
        names = [contract, f"{contract}.{field}"] if field else [contract]
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.withheld)


class Redactor:
    """Applies a policy to one answer, both ways.

    Args:
        policy: What may leave.
        catalogue: What exists.
    """

    def __init__(self, policy: Policy, catalogue: Catalogue) -> None:
        self.policy = policy
        self._all = catalogue.contracts
        self.catalogue = Catalogue(tuple(_visible(policy, catalogue.contracts)))
        self._aliases: dict[str, str] = {}
        self._devices: list[str] = []

    @property
    def withholds(self) -> bool:
        """Whether the model sees less than there is."""
        return bool(self.policy.withheld)

    def names_withheld(self, text: str) -> bool:
        """Returns whether a text names a contract or field that the model must not know of."""
        hidden = {key_of(name) for contract in self._all for name in self._hidden_names(contract)}
        return bool(hidden) and not hidden.isdisjoint(keys_in(text))

    def _hidden_names(self, contract: Contract) -> Iterator[str]:
        if self.policy.hides(contract.name):
            yield contract.name
        for field in contract.fields:
            if self.policy.hides(contract.name, field.name):
                yield field.name

    def outward(self, text: str) -> str:
        """Returns a text with the aliases of devices in place of their names."""
        if not self.policy.aliases:
            return text
        pieces, position = [], 0
        for mention in devices_in(text, self._all):
            pieces += [text[position : mention.start], self.alias(mention.device)]
            position = mention.end
        return "".join([*pieces, text[position:]])

    def alias(self, device: str) -> str:
        """Returns the name under which the model knows a device."""
        if not self.policy.aliases:
            return device
        if device not in self._aliases:
            self._devices.append(device)
            self._aliases[device] = f"device_{len(self._devices)}"
        return self._aliases[device]

    def inward(self, text: str) -> str:
        """Returns a text with the names of devices in place of their aliases."""
        if not self.policy.aliases:
            return text
        return _ALIAS.sub(lambda found: self._device(found[1]) or found[0], text)

    def real(self, plan: Plan) -> Plan:
        """Returns the model's plan with real device ids; an alias that was never given stays, and names no device."""
        if not self.policy.aliases:
            return plan
        compared = plan.compared_with
        return replace(
            plan,
            scope=self._real_scope(plan.scope),
            compared_with=None if compared is None else self._real_scope(compared),
        )

    def hidden_name(self, plan: Plan) -> str | None:
        """Returns the name in a plan that the model must not know of, `None` where there is none."""
        joined = plan.join.contract if plan.join is not None else ""
        for contract in (plan.contract, joined):
            if contract and self.policy.hides(contract):
                return contract
        for field, is_joined in _fields(plan):
            if field and self.policy.hides(joined if is_joined else plan.contract, field):
                return field
        return None

    def _real_scope(self, scope: Scope) -> Scope:
        return replace(
            scope,
            device_ids=tuple(self._named(name) for name in scope.device_ids),
            excluded_device_ids=tuple(self._named(name) for name in scope.excluded_device_ids),
        )

    def _named(self, name: str) -> str:
        found = _ALIAS.fullmatch(name)
        # A name that is none of ours would let the model try out which devices exist.
        return (self._device(found[1]) if found else None) or f"device_0 ({name[:20]!r})"

    def _device(self, number: str) -> str | None:
        index = int(number) - 1
        return self._devices[index] if 0 <= index < len(self._devices) else None


def _visible(policy: Policy, contracts: Collection[Contract]) -> Iterator[Contract]:
    for contract in contracts:
        if policy.hides(contract.name):
            continue
        fields = tuple(field for field in contract.fields if not policy.hides(contract.name, field.name))
        yield contract if len(fields) == len(contract.fields) else replace(contract, fields=fields)


def _fields(plan: Plan) -> Iterator[tuple[str, bool]]:
    yield plan.field, False
    yield plan.other_field, plan.other_joined
    yield plan.group_field, plan.group_joined
    conditions: list[Condition] = [*plan.holding, *plan.scope.conditions]
    if plan.compared_with is not None:
        conditions += plan.compared_with.conditions
    for condition in conditions:
        yield condition.field, condition.joined
