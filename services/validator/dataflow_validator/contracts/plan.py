"""What judging needs to know of a contract, worked out once when it is compiled."""

from itertools import islice
from typing import Final
from uuid import UUID

from dataflow_validator.contracts.coercion import Coercer
from dataflow_validator.contracts.columns import Convert, UnfitError, UnknownMembers, converter
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.event_time import Bounds, Moment, compile_reader
from dataflow_validator.contracts.identity import IdKind, MessageIds
from dataflow_validator.contracts.names import Column, column_of
from dataflow_validator.contracts.outcome import Arrival
from dataflow_validator.contracts.pointer import MISSING, pointer_of, resolve
from dataflow_validator.contracts.reasons import MAX_REASONS, storable_text
from dataflow_validator.contracts.schema import compile_schema, item_may_be_array
from dataflow_validator.contracts.spec import Coercion, ContractSpec, EventTimeFormat, FieldType, UnknownFields

_MAX_POINTER_CHARACTERS: Final = 512


class Plan:
    """A contract taken apart for judging. Immutable.

    Attributes:
        spec: The contract.
        columns: Its columns.
        validator: Its rules, compiled.
        coercer: Applied before judging; `None` for strict contracts.
        array_is_item: An array payload is one item.
        tokens: For each column, the members that lead to its value.
        pointers: The same as the pointers that reasons have.
        converters: By column index, the conversions of values that SQL does not take as they are.
        defaults: By column index, the converted value of an absent member.
        unknown: Finds the members without a field.
        keeps_unknown: They go into `extra`.
        event_tokens: The members that lead to the event time; `None` where the receive time stands in.
        event_column: The column that holds the event time itself; -1 where there is none.
        bounds: The event times accepted.
        read_moment: Reads the event time.
        reads_plain: Its common spelling needs no regard to a declared format.
        has_identity: Ids are of kind a where the values are there.
        plain_identity: Top-level members of text or truth values; `None` inside for the event time. `None` where the
            identity has other members, whose canonical form takes more.
    """

    def __init__(self, spec: ContractSpec) -> None:
        """Compile a checked contract.

        Args:
            spec: The contract.

        Raises:
            ContractError: Its schema cannot be run.
        """
        self.spec = spec
        self.columns: tuple[Column, ...] = tuple(column_of(item) for item in spec.fields)
        self.validator = compile_schema(spec)
        self.coercer = Coercer(spec.fields) if spec.coerce is Coercion.LOSSLESS else None
        self.array_is_item = item_may_be_array(spec)
        self._ids = MessageIds(spec.name)
        self.uuid_of = self._ids.from_encoded_identity
        self.tokens = [item.tokens for item in spec.fields]
        self._members = frozenset(tokens[0] for tokens in self.tokens)
        self.pointers = [storable_text(pointer_of(tokens), _MAX_POINTER_CHARACTERS) for tokens in self.tokens]
        self._plan_event_time()
        self.converters: dict[int, Convert] = {
            index: convert
            for index, (item, column) in enumerate(zip(spec.fields, self.columns, strict=True))
            if index != self.event_column and (convert := converter(item, column.sql_type)) is not None
        }
        self.defaults: dict[int, object] = {
            index: self._converted(index, item.default) for index, item in enumerate(spec.fields) if item.has_default
        }
        self.unknown = UnknownMembers(spec.fields)
        self.keeps_unknown = spec.unknown is UnknownFields.KEEP
        self._plan_identity()

    def _converted(self, index: int, value: object) -> object:
        convert = self.converters.get(index)
        try:
            return value if convert is None or value is None else convert(value)
        except UnfitError as problem:
            name = self.spec.fields[index].name
            raise ContractError(
                [f"field {name!r}: default {value!r} does not fit its column: {problem.expected}"]
            ) from problem

    def _plan_event_time(self) -> None:
        spec = self.spec
        self.event_tokens: tuple[str, ...] | None = None
        self.event_column = -1
        self.bounds = Bounds(spec.event_time_min, spec.event_time_max, spec.event_time_ahead)
        self.read_moment = compile_reader(spec.event_time_format)
        self.reads_plain = spec.event_time_format in {EventTimeFormat.AUTO, EventTimeFormat.RFC3339}
        for index, item in enumerate(spec.fields):
            if item.name == spec.event_time:
                self.event_tokens = item.tokens
                if item.type is FieldType.TIMESTAMP:
                    # Read once, by the declared format: the column takes the event time itself.
                    self.event_column = index

    def _plan_identity(self) -> None:
        spec = self.spec
        by_name = {item.name: item for item in spec.fields}
        members = [by_name[name] for name in spec.identity if name in by_name]
        self.has_identity = bool(spec.identity)
        self._identity = [
            (
                item.tokens,
                compile_reader(item.format) if item.type is FieldType.TIMESTAMP else None,
                item.name == spec.event_time,
            )
            for item in members
        ]
        # Nearly every identity is made of text and moments at the top level, which need no canonical form of numbers.
        plain = all(
            item.name == spec.event_time
            or (len(item.tokens) == 1 and item.type in {FieldType.STRING, FieldType.BOOLEAN} and not item.nullable)
            for item in members
        )
        self.plain_identity: list[str | None] | None = (
            [None if item.name == spec.event_time else item.tokens[0] for item in members] if plain else None
        )

    def judged_part(self, item: object) -> object:
        """Leave out members that cannot change the verdict, so that refusing a huge item stays cheap.

        Without a raw schema only the fields are judged; of members that are refused as unknown, `MAX_REASONS` are enough.
        """
        if (
            self.spec.json_schema is not None
            or not isinstance(item, dict)
            or len(item) <= len(self._members) + MAX_REASONS
        ):
            return item
        known = {name: item[name] for name in self._members if name in item}
        unknown = islice((name for name in item if name not in self._members), MAX_REASONS)
        return {**known, **{name: item[name] for name in unknown}}

    def message_id(
        self, item: object, arrival: Arrival, device_id: str, element: int | None, moment: Moment | None
    ) -> tuple[UUID, IdKind]:
        """Make the message id in the first way that there is enough for.

        Args:
            item: The item after coercion; `MISSING` where the payload could not be parsed.
            arrival: Its message.
            device_id: Its device, "" where unknown.
            element: Its index in an array message; `None` for other messages.
            moment: Its event time, where the contract names one and it could be read.
        """
        if self.has_identity and device_id:
            values = self._identity_values(item, moment)
            if values is not None:
                return self._ids.from_identity(device_id, values), IdKind.IDENTITY
        if arrival.message_id:
            return self._ids.from_sender(device_id, arrival.message_id, element), IdKind.SENDER
        if self.event_tokens is not None:
            message_id = self._ids.from_content(
                device_id, arrival.topic, arrival.payload, element, arrival.message_sha1
            )
            return message_id, IdKind.CONTENT
        return self._ids.from_bridge(arrival.batch_id, arrival.position, element), IdKind.BRIDGE

    def _identity_values(self, item: object, moment: Moment | None) -> list[object] | None:
        """Give the typed values of the identity fields; `None` where one is missing or no scalar."""
        values: list[object] = []
        for tokens, read, is_event_time in self._identity:
            value = resolve(item, tokens)
            if is_event_time:
                value = MISSING if moment is None else _exact_moment(moment)
            elif read is not None and value is not None and value is not MISSING:
                other = read(value)
                value = MISSING if other is None else _exact_moment(other)
            if value is MISSING or isinstance(value, dict | list):
                return None
            values.append(value)
        return values


def _exact_moment(moment: Moment) -> object:
    """Keep what a time column cannot: two moments that differ only below a microsecond are two identities."""
    return f"{moment.time.isoformat()}+{moment.finer}" if moment.finer else moment.time
