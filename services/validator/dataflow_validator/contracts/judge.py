"""Judging: a message in, one row or one explained refusal for each of its items out.

`CompiledContract.judge` tries the straight path first, which serves every ordinary item, and leaves it at the first thing
that is out of the ordinary. The careful path then starts over and finds all there is to say. Both use the same parts, and
whatever the straight path accepts the careful one accepts with the same row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from dataflow_validator.contracts.canonical import InexactNumberError, bytes_hash, content_hash
from dataflow_validator.contracts.checks import check_spec
from dataflow_validator.contracts.coercion import Coercer
from dataflow_validator.contracts.columns import Convert, UnfitError, UnknownMembers, converter, json_text
from dataflow_validator.contracts.device import MAX_DEVICE_ID_BYTES, DeviceRule, DeviceSource, device_id_of
from dataflow_validator.contracts.event_time import Bounds, Moment, compile_reader, read_plain
from dataflow_validator.contracts.identity import IdKind, MessageIds
from dataflow_validator.contracts.names import Column, column_of
from dataflow_validator.contracts.outcome import Accepted, Arrival, RefusalKind, Refused
from dataflow_validator.contracts.parse import (
    DEFAULT_MAX_DEPTH,
    DEFAULT_MAX_PAYLOAD_BYTES,
    UnparsableError,
    parse,
    parse_exactly,
    unstorable_strings,
    without_surrogates,
)
from dataflow_validator.contracts.pointer import MISSING, pointer_of, resolve
from dataflow_validator.contracts.reasons import Reason, reason, root_cause_first, schema_reasons, storable_text
from dataflow_validator.contracts.schema import compile_schema, item_may_be_array
from dataflow_validator.contracts.spec import Coercion, ContractSpec, EventTimeFormat, FieldType, UnknownFields

_MAX_KNOWN_DEVICES: Final = 16_384


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
    return CompiledContract(spec, revision, max_payload_bytes, max_depth)


class CompiledContract:
    """One revision of a contract, ready to judge. Stateless but for caches; one event loop or thread at a time.

    Attributes:
        spec: What it was made from.
        revision: Its number.
        columns: The typed columns of its readings, in the order in which rows have them.
    """

    def __init__(self, spec: ContractSpec, revision: int, max_payload_bytes: int, max_depth: int) -> None:
        """Compile; use `compile_contract`, which checks first."""
        self.spec = spec
        self.revision = revision
        self.columns: tuple[Column, ...] = tuple(column_of(item) for item in spec.fields)
        self._max_bytes = max_payload_bytes
        self._max_depth = max_depth
        self._validator = compile_schema(spec)
        self._is_valid = self._validator.is_valid
        self._coercer = Coercer(spec.fields) if spec.coerce is Coercion.LOSSLESS else None
        self._array_is_item = item_may_be_array(spec)
        self._ids = MessageIds(spec.name)
        self._devices: dict[str, str] = {}
        self._prepare_columns()
        self._prepare_event_time()
        self._prepare_identity()

    def _prepare_columns(self) -> None:
        spec = self.spec
        self._tokens = [item.tokens for item in spec.fields]
        self._pointers = [storable_text(pointer_of(tokens), 512) for tokens in self._tokens]
        self._is_flat = all(len(tokens) == 1 for tokens in self._tokens)
        self._names = [tokens[0] for tokens in self._tokens]
        self._converters: list[tuple[int, Convert]] = [
            (index, convert)
            for index, (item, column) in enumerate(zip(spec.fields, self.columns, strict=True))
            if (convert := converter(item, column.sql_type)) is not None
        ]
        self._defaults = [
            (index, item.tokens, item.default) for index, item in enumerate(spec.fields) if item.has_default
        ]
        self._unknown = UnknownMembers(spec.fields)
        self._keeps_unknown = spec.unknown is UnknownFields.KEEP

    def _prepare_event_time(self) -> None:
        spec = self.spec
        self._event_tokens: tuple[str, ...] | None = None
        self._bounds = Bounds(spec.event_time_min, spec.event_time_max, spec.event_time_ahead)
        self._read_moment = compile_reader(spec.event_time_format)
        self._hold = self._bounds.hold
        self._reads_plain = spec.event_time_format in {EventTimeFormat.AUTO, EventTimeFormat.RFC3339}
        self._event_column = -1
        for index, item in enumerate(spec.fields):
            if item.name == spec.event_time:
                self._event_tokens = item.tokens
                if item.type is FieldType.TIMESTAMP:
                    # Read once, by the declared format: the column takes the event time itself.
                    self._event_column = index
                    self._converters = [pair for pair in self._converters if pair[0] != index]
        tokens = self._event_tokens
        self._event_name = tokens[0] if tokens is not None and len(tokens) == 1 else None

    def _prepare_identity(self) -> None:
        spec = self.spec
        by_name = {item.name: item for item in spec.fields}
        members = [by_name[name] for name in spec.identity if name in by_name]
        self._has_identity = bool(spec.identity)
        self._identity = [
            (item.tokens, item.type is FieldType.TIMESTAMP, item.name == spec.event_time) for item in members
        ]
        # Nearly every identity is made of text and moments at the top level, which need no canonical form of numbers.
        self._identity_names: list[str | None] | None = None
        if all(len(item.tokens) == 1 for item in members) and all(
            item.name == spec.event_time or item.type in {FieldType.STRING, FieldType.BOOLEAN} for item in members
        ):
            self._identity_names = [None if item.name == spec.event_time else item.tokens[0] for item in members]

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
            own schema says that the item is an array. An empty array has nothing to judge and is refused as it is; a
            scalar is one item.
        """
        try:
            document, suspect = parse(arrival.payload, max_bytes=self._max_bytes, max_depth=self._max_depth)
            try:
                return self._judge_document(document, arrival, device_rule, suspect=suspect, exact=False)
            except InexactNumberError:
                document = parse_exactly(arrival.payload)
                return self._judge_document(document, arrival, device_rule, suspect=suspect, exact=True)
        except UnparsableError as problem:
            device_id = device_id_of(device_rule.find(arrival.topic, arrival.device_id, MISSING)) or ""
            hashed = bytes_hash(arrival.payload)
            return [
                self._refusal(RefusalKind.UNPARSABLE, arrival, MISSING, device_id, None, hashed, None, [problem.reason])
            ]

    def _judge_document(
        self, document: object, arrival: Arrival, rule: DeviceRule, *, suspect: bool, exact: bool
    ) -> list[Accepted | Refused]:
        if type(document) is list and not self._array_is_item:
            if document:
                return [
                    self._judge_item(item, arrival, rule, element, suspect=suspect, exact=exact)
                    for element, item in enumerate(document)
                ]
            device_id = device_id_of(rule.find(arrival.topic, arrival.device_id, MISSING)) or ""
            why = reason(
                (), "items", "at least one element", document, "an array message with no element holds no item"
            )
            hashed = content_hash(document)
            return [self._refusal(RefusalKind.REFUSED, arrival, MISSING, device_id, None, hashed, None, [why])]
        return [self._judge_item(document, arrival, rule, None, suspect=suspect, exact=exact)]

    def _judge_item(
        self, item: object, arrival: Arrival, rule: DeviceRule, element: int | None, *, suspect: bool, exact: bool
    ) -> Accepted | Refused:
        hashed = content_hash(item, exact=exact)
        judged = item if self._coercer is None else self._coercer.coerce(item)
        if not suspect and type(judged) is dict and self._is_valid(judged):
            accepted = self._accept(judged, arrival, rule, element, hashed)
            if accepted is not None:
                return accepted
        return self._judge_carefully(judged, arrival, rule, element, hashed)

    def _accept(
        self, item: dict[str, object], arrival: Arrival, rule: DeviceRule, element: int | None, hashed: int
    ) -> Accepted | None:
        """Make the row of a valid item on the straight path; `None` sends it to the careful one."""
        get = item.get
        found = (
            get(rule.tokens[0])
            if rule.source is DeviceSource.PAYLOAD and len(rule.tokens) == 1
            else rule.find(arrival.topic, arrival.device_id, item)
        )
        device_id = self._devices.get(found) if type(found) is str else None
        if device_id is None and (device_id := self._new_device(found)) is None:
            return None

        receive_time = event_time = arrival.receive_time
        zone_assumed = False
        finer = ""
        if self._event_tokens is not None:
            value = get(self._event_name) if self._event_name is not None else resolve(item, self._event_tokens)
            plain = read_plain(value) if self._reads_plain else None
            if plain is not None:
                event_time = plain
            else:
                moment = self._read_moment(value)
                if moment is None:
                    return None
                event_time, zone_assumed, finer = moment
            if not self._hold(event_time, receive_time):
                return None

        if self._is_flat:
            values = [get(name) for name in self._names]
        else:
            values = [_or_null(resolve(item, tokens)) for tokens in self._tokens]
        try:
            for index, convert in self._converters:
                value = values[index]
                if value is not None:
                    values[index] = convert(value)
        except UnfitError:
            return None
        if self._event_column >= 0:
            values[self._event_column] = event_time
        for index, tokens, default in self._defaults:
            if values[index] is None and resolve(item, tokens) is MISSING:
                values[index] = self._default(index, default)

        if self._has_identity and self._identity_names is not None and not finer:
            encoded = [device_id, *[event_time if name is None else get(name) for name in self._identity_names]]
            message_id, id_kind = self._ids.from_encoded_identity(orjson.dumps(encoded)), IdKind.IDENTITY
        else:
            moment = Moment(event_time, zone_assumed, finer) if self._event_tokens is not None else None
            message_id, id_kind = self._message_id(item, arrival, device_id, element, moment)
        extra = None
        if self._keeps_unknown and (left := self._unknown.of(item)):
            extra = json_text(left)
        maybe_duplicate = arrival.maybe_duplicate and id_kind is IdKind.BRIDGE
        row = (device_id, event_time, receive_time, message_id, hashed, maybe_duplicate, *values, extra)
        return Accepted(row, id_kind, element or 0, zone_assumed)

    def _new_device(self, found: object) -> str | None:
        device_id = device_id_of(found)
        if device_id is not None and type(found) is str:
            if len(self._devices) >= _MAX_KNOWN_DEVICES:
                self._devices.clear()
            self._devices[device_id] = device_id
        return device_id

    def _default(self, index: int, default: object) -> object:
        convert = dict(self._converters).get(index)
        return default if convert is None or default is None else convert(default)

    def _judge_carefully(
        self, item: object, arrival: Arrival, rule: DeviceRule, element: int | None, hashed: int
    ) -> Accepted | Refused:
        """Find all reasons against an item; accept it where there are none."""
        reasons = schema_reasons(self._validator, without_surrogates(item))
        blamed = {why.path for why in reasons}

        found = rule.find(arrival.topic, arrival.device_id, item)
        device_id = device_id_of(found)
        if device_id is None:
            reasons.append(_device_reason(rule, found))

        moment: Moment | None = None
        if self._event_tokens is not None:
            value = resolve(item, self._event_tokens)
            moment = self._read_moment(value)
            if moment is not None:
                reasons += self._bounds.reasons(self._event_tokens, value, moment.time, arrival.receive_time)
            elif storable_text(pointer_of(self._event_tokens), 512) not in blamed:
                wrong = f"not a moment ({self.spec.event_time_format}): write RFC 3339, such as 2026-01-31T12:00:00Z"
                reasons.append(reason(self._event_tokens, "timestamp", "a moment in time", value, wrong))

        left: dict[str, object] = {}
        values = self._careful_values(item, moment, blamed, left, reasons)
        extra = self._careful_extra(item, left, reasons)
        reasons += self._unstorable(item, extra)

        if reasons or device_id is None:
            kind = RefusalKind.REFUSED
            if all(why.rule == "storable" for why in reasons):
                kind = RefusalKind.UNSTORABLE
            return self._refusal(kind, arrival, item, device_id or "", element, hashed, moment, reasons)
        event_time = arrival.receive_time if moment is None else moment.time
        message_id, id_kind = self._message_id(item, arrival, device_id, element, moment)
        maybe_duplicate = arrival.maybe_duplicate and id_kind is IdKind.BRIDGE
        text = None if extra is MISSING else json_text(extra)
        row = (device_id, event_time, arrival.receive_time, message_id, hashed, maybe_duplicate, *values, text)
        return Accepted(row, id_kind, element or 0, moment is not None and moment.zone_assumed)

    def _careful_values(
        self,
        item: object,
        moment: Moment | None,
        blamed: set[str],
        left: dict[str, object],
        reasons: list[Reason],
    ) -> list[object]:
        """Convert the columns one by one; what does not fit adds a reason."""
        converters = dict(self._converters)
        values: list[object] = []
        for index, spec in enumerate(self.spec.fields):
            value: object = resolve(item, self._tokens[index])
            if value is MISSING and spec.has_default:
                value = self._default(index, spec.default)
            elif index == self._event_column:
                value = None if moment is None else moment.time
            elif self._pointers[index] in blamed or value is MISSING:
                value = None
            elif value is not None and (convert := converters.get(index)) is not None:
                try:
                    value = convert(value)
                except UnfitError as problem:
                    if self.spec.fields_from_schema and problem.rule == "timestamp":
                        # In a JSON Schema "format" only annotates: the schema accepts the text, so it is kept as it is.
                        left[self._tokens[index][0]] = value
                    else:
                        text = f"the value does not fit its column: {problem.expected}"
                        reasons.append(reason(self._tokens[index], problem.rule, problem.expected, value, text))
                    value = None
            values.append(value)
        return values

    def _careful_extra(self, item: object, left: dict[str, object], reasons: list[Reason]) -> object:
        """Give what goes into `extra`, or `MISSING`; a value that is no object is kept there whole."""
        if reasons:
            return MISSING
        if not isinstance(item, dict):
            return item
        if self._keeps_unknown:
            left = {**self._unknown.of(item), **left}
        return left or MISSING

    def _unstorable(self, item: object, extra: object) -> list[Reason]:
        """Name the strings that would be stored and cannot be. Ignored members may hold anything."""
        places = [(*tokens, *below) for tokens in self._tokens for below in unstorable_strings(resolve(item, tokens))]
        places += unstorable_strings(extra)
        return [
            reason(
                place,
                "storable",
                "text without NUL and lone surrogates",
                _at(item, place),
                "Postgres cannot store this text",
            )
            for place in dict.fromkeys(places)
        ]

    def _refusal(
        self,
        kind: RefusalKind,
        arrival: Arrival,
        item: object,
        device_id: str,
        element: int | None,
        hashed: int,
        moment: Moment | None,
        reasons: Sequence[Reason],
    ) -> Refused:
        message_id, id_kind = self._message_id(item, arrival, device_id, element, moment)
        event_time: datetime | None = None if moment is None else moment.time
        return Refused(
            kind, device_id, message_id, id_kind, element or 0, hashed, event_time, root_cause_first(reasons)
        )

    def _message_id(
        self, item: object, arrival: Arrival, device_id: str, element: int | None, moment: Moment | None
    ) -> tuple[UUID, IdKind]:
        """Make the message id in the first way that there is enough for."""
        if self._has_identity and device_id:
            values = self._identity_values(item, moment)
            if values is not None:
                return self._ids.from_identity(device_id, values), IdKind.IDENTITY
        if arrival.message_id:
            return self._ids.from_sender(device_id, arrival.message_id, element), IdKind.SENDER
        if self._event_tokens is not None:
            return self._ids.from_content(device_id, arrival.topic, arrival.payload, element), IdKind.CONTENT
        return self._ids.from_bridge(arrival.batch_id, arrival.position, element), IdKind.BRIDGE

    def _identity_values(self, item: object, moment: Moment | None) -> list[object] | None:
        """Give the typed values of the identity fields; `None` where one is missing or no scalar."""
        values: list[object] = []
        for tokens, is_timestamp, is_event_time in self._identity:
            value = resolve(item, tokens)
            if is_event_time:
                value = MISSING if moment is None else _exact_moment(moment)
            elif is_timestamp and value is not None and value is not MISSING:
                other = _read_timestamp(value)
                value = MISSING if other is None else _exact_moment(other)
            if value is MISSING or isinstance(value, dict | list):
                return None
            values.append(value)
        return values


_read_timestamp: Final = compile_reader(EventTimeFormat.AUTO)


def _exact_moment(moment: Moment) -> object:
    """Keep what a time column cannot: two moments that differ only below a microsecond are two identities."""
    return f"{moment.time.isoformat()}+{moment.finer}" if moment.finer else moment.time


def _or_null(value: object) -> object:
    return None if value is MISSING else value


def _at(item: object, place: tuple[str | int, ...]) -> object:
    value = resolve(item, [str(token) for token in place])
    return value if isinstance(value, str) else place[-1]


def _device_reason(rule: DeviceRule, found: object) -> Reason:
    expected = f"a device id of 1 to {MAX_DEVICE_ID_BYTES} bytes of text"
    if rule.source is DeviceSource.PAYLOAD:
        if found is MISSING:
            return reason(rule.tokens, "required", expected, MISSING, "the route takes the device id from here")
        return reason(rule.tokens, "device", expected, found, "this is not usable as a device id")
    where = f"level {rule.level} of the topic" if rule.source is DeviceSource.TOPIC else "the sender's identity"
    return reason((), "device", expected, found, f"{where} gives no device id")
