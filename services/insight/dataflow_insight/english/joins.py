"""Reads questions whose fields lie in two contracts as if these were one, and then says which field is whose."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract
from dataflow_insight.english.names import concept_of
from dataflow_insight.plans.plan import Condition, Join, JoinOn, Plan, Scope

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)


def merged(first: Contract, second: Contract) -> Contract:
    """Returns a contract with the fields of both; of two fields for the same quantity, that of the first.

    Its devices, times and name are those of the first; a cadence it has only where both have the same.
    """
    names = {item.name for item in first.fields}
    concepts = {id(concept) for item in first.fields if (concept := concept_of(item)) is not None}
    more = tuple(
        item
        for item in second.fields
        if item.name not in names and ((concept := concept_of(item)) is None or id(concept) not in concepts)
    )
    return replace(
        first,
        fields=(*first.fields, *more),
        description=f"{first.description} {second.name} {second.description}".strip(),
        cadence=first.cadence if first.cadence == second.cadence else None,
    )


def meet(first: Contract, second: Contract) -> bool:
    """Returns whether two contracts have readings of the same time, as far as is known: else nothing belongs together."""
    if first.first_time is None or first.last_time is None or second.first_time is None or second.last_time is None:
        return False
    return first.first_time <= second.last_time and second.first_time <= first.last_time


def needs_both(plans: tuple[Plan, ...]) -> bool:
    """Returns whether plans that `resolved` returned are about more than one contract."""
    return any(plan.join is not None for plan in plans) or len({plan.contract for plan in plans}) > 1


def resolved(plan: Plan, first: Contract, second: Contract, leading: str) -> Plan:
    """Returns the plan over both contracts, or over one of them where it needs no other.

    Args:
        plan: Made over what `merged` returned.
        first: As given to `merged`.
        second: As given to `merged`.
        leading: The field that the question names first: where nothing is measured, its contract's readings count.
    """
    of_first = {item.name for item in first.fields}
    own, other = (first, second) if (plan.field or leading or first.fields[0].name) in of_first else (second, first)
    of_own = {item.name for item in own.fields}

    def beside(name: str) -> bool:
        return bool(name) and (name not in of_own if own is first else name in of_first)

    def conditions(given: tuple[Condition, ...]) -> tuple[Condition, ...]:
        return tuple(replace(item, joined=beside(item.field)) for item in given)

    def scope(given: Scope) -> Scope:
        return replace(given, conditions=conditions(given.conditions))

    found = replace(
        plan,
        contract=own.name,
        other_joined=beside(plan.other_field),
        holding=conditions(plan.holding),
        scope=scope(plan.scope),
        compared_with=scope(plan.compared_with) if plan.compared_with is not None else None,
        group_joined=beside(plan.group_field),
    )
    if not _joins(found):
        return found
    on = JoinOn.DEVICE_AND_TIME if _share_devices(plan, own, other) else JoinOn.TIME
    bucket = _bucket(own, other)
    return replace(
        found,
        join=Join(other.name, on, bucket),
        assumptions=(*found.assumptions, _note(own, other, on, bucket)),
    )


def _joins(plan: Plan) -> bool:
    scopes = (plan.scope, *((plan.compared_with,) if plan.compared_with is not None else ()))
    conditions = (*plan.holding, *(item for scope in scopes for item in scope.conditions))
    return plan.other_joined or plan.group_joined or any(item.joined for item in conditions)


def _share_devices(plan: Plan, own: Contract, other: Contract) -> bool:
    """Whether the devices asked about, or most of all, have readings of both contracts."""
    known = set(other.devices)
    asked = plan.scope.device_ids or own.devices
    return bool(asked) and sum(device in known for device in asked) * 2 > len(asked)


def _coarser(first: Contract, second: Contract) -> timedelta | None:
    if first.cadence is None or second.cadence is None:
        return None
    return max(first.cadence, second.cadence)


def _bucket(first: Contract, second: Contract) -> timedelta:
    """Returns the coarser cadence where it divides a day into whole minutes, else an hour."""
    coarser = _coarser(first, second)
    if coarser is None or coarser < _MINUTE or coarser > _DAY or coarser % _MINUTE or _DAY % coarser:
        return _HOUR
    return coarser


def _note(own: Contract, other: Contract, on: JoinOn, bucket: timedelta) -> str:
    minutes = bucket // _MINUTE
    length = (
        "hour" if bucket == _HOUR else "day" if bucket == _DAY else f"{minutes} minutes" if minutes > 1 else "minute"
    )
    if on is JoinOn.TIME:
        return f"readings of {own.name} and {other.name} belong together by the same {length}; all devices of {other.name} are taken together"
    return f"readings of {own.name} and {other.name} belong together by the same device and {length}"
