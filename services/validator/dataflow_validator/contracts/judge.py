"""Judging: a message in, one row or one explained refusal for each of its items out.

`CompiledContract.judge` tries the straight path first, which serves every ordinary item, and leaves it at the first thing
that is out of the ordinary. The careful path then starts over and finds all there is to say. Both use the same parts, and
whatever the straight path accepts the careful one accepts with the same row.
"""

from typing import Final

import orjson

from dataflow_validator.contracts.canonical import InexactNumberError, bytes_hash, content_hash
from dataflow_validator.contracts.careful import judge_carefully, refusal
from dataflow_validator.contracts.checks import check_spec
from dataflow_validator.contracts.columns import UnfitError, json_text
from dataflow_validator.contracts.device import DeviceRule, DeviceSource, device_id_of
from dataflow_validator.contracts.event_time import Moment, read_plain
from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.names import Column
from dataflow_validator.contracts.outcome import Accepted, Arrival, RefusalKind, Refused
from dataflow_validator.contracts.parse import (
    DEFAULT_MAX_DEPTH,
    DEFAULT_MAX_PAYLOAD_BYTES,
    UnparsableError,
    parse,
    parse_exactly,
)
from dataflow_validator.contracts.plan import Plan
from dataflow_validator.contracts.pointer import MISSING, Members, resolve
from dataflow_validator.contracts.reasons import reason
from dataflow_validator.contracts.spec import ContractSpec

MAX_ITEMS: Final = 10_000
"""Elements of an array message: one message must not hold up its batch for seconds."""

_MAX_KNOWN_DEVICES: Final = 16_384
_IDENTITY: Final = IdKind.IDENTITY
_PAYLOAD: Final = DeviceSource.PAYLOAD


def compile_contract(
    spec: ContractSpec,
    revision: int,
    *,
    max_payload_bytes: int = DEFAULT_MAX_PAYLOAD_BYTES,
    max_depth: int = DEFAULT_MAX_DEPTH,
) -> "CompiledContract":
    """Check a contract and make it ready to judge.

    Args:
        spec: The contract.
        revision: Its number, kept for the caller.
        max_payload_bytes: Longer messages are UNPARSABLE.
        max_depth: Deeper nested messages are UNPARSABLE.

    Raises:
        ContractError: With all that is wrong with the contract.
    """
    check_spec(spec)
    return CompiledContract(Plan(spec), revision, max_payload_bytes, max_depth)


class CompiledContract:
    """One revision of a contract, ready to judge. Stateless but for a cache; for one thread at a time.

    Attributes:
        spec: What it was made from.
        revision: Its number.
        columns: The typed columns of its readings, in the order in which rows have them.
    """

    def __init__(self, plan: Plan, revision: int, max_payload_bytes: int, max_depth: int) -> None:
        """Lay out what the straight path touches; made by `compile_contract`, which checks first."""
        self.spec: ContractSpec = plan.spec
        self.revision = revision
        self.columns: tuple[Column, ...] = plan.columns
        self._plan = plan
        self._max_bytes = max_payload_bytes
        self._max_depth = max_depth
        self._is_valid = plan.validator.is_valid
        self._devices: dict[str, str] = {}
        self._names = [tokens[0] for tokens in plan.tokens]
        self._members = Members(plan.tokens).of
        self._is_flat = all(len(tokens) == 1 for tokens in plan.tokens)
        self._converters = list(plan.converters.items())
        self._hold = plan.bounds.hold
        tokens = plan.event_tokens
        self._event_name = tokens[0] if tokens is not None and len(tokens) == 1 else None

    def is_valid(self, item: object) -> bool:
        """Say whether the contract's schema alone accepts a parsed item: no device, no event time, no column."""
        return self._is_valid(item)

    def judge(self, arrival: Arrival, device_rule: DeviceRule) -> list[Accepted | Refused]:
        """Judge a message. Never raises on account of what is in it.

        Args:
            arrival: The message.
            device_rule: How its route finds the device.

        Returns:
            One outcome for each item, in order. A JSON array is as many items as it has elements, unless the contract's
            own schema says that the item is an array. An empty array has nothing to judge and is refused as it is, and so
            is one of more than `MAX_ITEMS` elements; a scalar is one item.
        """
        try:
            document, suspect = parse(arrival.payload, self._max_bytes, self._max_depth)
            try:
                if type(document) is dict:
                    return [self._judge_item(document, arrival, device_rule, None, suspect, False)]
                return self._judge_document(document, arrival, device_rule, suspect, exact=False)
            except InexactNumberError:
                document = parse_exactly(arrival.payload)
                return self._judge_document(document, arrival, device_rule, suspect, exact=True)
        except UnparsableError as problem:
            device_id = device_id_of(device_rule.find(arrival.topic, arrival.device_id, MISSING)) or ""
            hashed = bytes_hash(arrival.payload)
            kind = RefusalKind.UNPARSABLE
            return [refusal(self._plan, kind, arrival, MISSING, device_id, None, hashed, None, [problem.reason])]

    def judge_element(self, arrival: Arrival, device_rule: DeviceRule, element: int) -> Accepted | Refused:
        """Judge one element of an array message by itself, with the same outcome as within its message.

        Args:
            arrival: Its message; `payload` is the element's bytes and `message_sha1` that of the whole message.
            device_rule: How its route finds the device.
            element: Its index.
        """
        try:
            document, suspect = parse(arrival.payload, self._max_bytes, self._max_depth)
            try:
                return self._judge_item(document, arrival, device_rule, element, suspect, False)
            except InexactNumberError:
                return self._judge_item(parse_exactly(arrival.payload), arrival, device_rule, element, suspect, True)
        except UnparsableError as problem:
            device_id = device_id_of(device_rule.find(arrival.topic, arrival.device_id, MISSING)) or ""
            hashed = bytes_hash(arrival.payload)
            kind = RefusalKind.UNPARSABLE
            return refusal(self._plan, kind, arrival, MISSING, device_id, element, hashed, None, [problem.reason])

    def _judge_document(
        self, document: object, arrival: Arrival, rule: DeviceRule, suspect: bool, *, exact: bool
    ) -> list[Accepted | Refused]:
        if type(document) is not list or self._plan.array_is_item:
            return [self._judge_item(document, arrival, rule, None, suspect, exact)]
        if 0 < len(document) <= MAX_ITEMS:
            return [
                self._judge_item(item, arrival, rule, element, suspect, exact) for element, item in enumerate(document)
            ]
        device_id = device_id_of(rule.find(arrival.topic, arrival.device_id, MISSING)) or ""
        why = reason((), "items", f"1 to {MAX_ITEMS} elements", document, "as many items are not judged as one message")
        hashed = content_hash(document)
        kind = RefusalKind.REFUSED
        return [refusal(self._plan, kind, arrival, MISSING, device_id, None, hashed, None, [why])]

    def _judge_item(
        self, item: object, arrival: Arrival, rule: DeviceRule, element: int | None, suspect: bool, exact: bool
    ) -> Accepted | Refused:
        hashed = content_hash(item, exact=True) if exact else content_hash(item)
        plan = self._plan
        judged = item if plan.coercer is None else plan.coercer.coerce(item)
        if type(judged) is dict and not suspect and self._is_valid(judged):
            accepted = self._accept(judged, arrival, rule, element, hashed)
            if accepted is not None:
                return accepted
        return judge_carefully(plan, judged, arrival, rule, element, hashed)

    def _accept(
        self, item: dict[str, object], arrival: Arrival, rule: DeviceRule, element: int | None, hashed: int
    ) -> Accepted | None:
        """Make the row of a valid item on the straight path; `None` sends it to the careful one."""
        plan = self._plan
        get = item.get
        tokens = rule.tokens
        if rule.source is _PAYLOAD and len(tokens) == 1:
            found = get(tokens[0])
        else:
            found = rule.find(arrival.topic, arrival.device_id, item)
        device_id = self._devices.get(found) if type(found) is str else None
        if device_id is None and (device_id := self._new_device(found)) is None:
            return None

        receive_time = event_time = arrival.receive_time
        moment: Moment | None = None
        if plan.event_tokens is not None:
            value = get(self._event_name) if self._event_name is not None else resolve(item, plan.event_tokens)
            plain = read_plain(value) if plan.reads_plain else None
            if plain is not None:
                event_time = plain
            elif (moment := plan.read_moment(value)) is not None:
                event_time = moment.time
            else:
                return None
            if not self._hold(event_time, receive_time):
                return None

        values = list(map(get, self._names)) if self._is_flat else self._members(item)
        try:
            for index, convert in self._converters:
                value = values[index]
                if value is not None:
                    values[index] = convert(value)
        except UnfitError:
            return None
        if plan.event_column >= 0:
            values[plan.event_column] = event_time
        for index, default in plan.defaults.items():
            if values[index] is None and resolve(item, plan.tokens[index]) is MISSING:
                values[index] = default

        if plan.plain_identity is not None and plan.has_identity and (moment is None or not moment.finer):
            parts = [device_id, *[event_time if name is None else get(name) for name in plan.plain_identity]]
            message_id, id_kind = plan.uuid_of(orjson.dumps(parts)), _IDENTITY
        else:
            if moment is None and plan.event_tokens is not None:
                moment = Moment(event_time)
            message_id, id_kind = plan.message_id(item, arrival, device_id, element, moment)
        extra = None
        if plan.keeps_unknown and (left := plan.unknown.of(item)):
            extra = json_text(left)
        maybe_duplicate = arrival.maybe_duplicate and id_kind is IdKind.BRIDGE
        row = (device_id, event_time, receive_time, message_id, hashed, maybe_duplicate, *values, extra)
        return Accepted(row, id_kind, element or 0, moment is not None and moment.zone_assumed)

    def _new_device(self, found: object) -> str | None:
        device_id = device_id_of(found)
        if device_id is not None and type(found) is str:
            if len(self._devices) >= _MAX_KNOWN_DEVICES:
                self._devices.clear()
            self._devices[device_id] = device_id
        return device_id
