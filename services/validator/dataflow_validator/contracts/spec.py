"""The contract as its author means it: fields, identity, event time and the rules around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Self, TypeAlias

from dataflow_validator.contracts.pointer import tokens_of

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
"""Any parsed JSON value."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The earliest event time that any contract accepts."""

DEFAULT_DEDUPE_WINDOW: Final = timedelta(days=7)
"""How long ids are remembered where the contract has no event-time field."""


class FieldType(StrEnum):
    """What a field holds. `JSON` is any value; it is what a union in a JSON Schema becomes."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    OBJECT = "object"
    ARRAY = "array"
    BINARY = "binary"
    JSON = "json"


class UnknownFields(StrEnum):
    """What happens to members that no field names: dropped, kept in `extra`, or a reason to refuse."""

    IGNORE = "ignore"
    KEEP = "keep"
    REJECT = "reject"


class Coercion(StrEnum):
    """Whether a value of another type may be read as the field's type when nothing is lost by it."""

    STRICT = "strict"
    LOSSLESS = "lossless"


class ConflictRule(StrEnum):
    """What happens to a second item of the same key and other content: quarantined, or a row as well."""

    FIRST = "first"
    BOTH = "both"


class EventTimeFormat(StrEnum):
    """How a moment is written. `AUTO` reads ISO 8601 text, and epoch numbers by magnitude; `RFC3339` nothing else."""

    AUTO = "auto"
    RFC3339 = "rfc3339"
    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"
    EPOCH_US = "epoch_us"
    EPOCH_NS = "epoch_ns"


class BinaryEncoding(StrEnum):
    """How bytes are written as text. `BASE64` takes both alphabets of RFC 4648, padded or not; `HEX` either case."""

    BASE64 = "base64"
    HEX = "hex"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a contract and the rules for its value.

    Attributes:
        name: A member of the item ("temp"), or a JSON Pointer ("/ENERGY/Power"). Inside of another field: of a member the
            plain member name, of an array's `items` "".
        type: What the field holds.
        required: Whether the member must be present. A field with a `default` may be absent all the same.
        nullable: Whether JSON null is accepted; it is stored as SQL NULL.
        has_default: Whether `default` counts (a default of null is a default).
        default: Stored where the member is absent.
        unit: Unit of measurement, as text ("°C").
        min: Least number accepted, inclusive.
        max: Greatest number accepted, inclusive.
        exclusive_min: Numbers must be greater than this.
        exclusive_max: Numbers must be less than this.
        multiple_of: Numbers must be a whole multiple of this.
        enum: The only values accepted; empty means any.
        pattern: Regular expression (ECMA 262) that must be found in a string.
        min_length: Least number of characters (string), elements (array) or bytes (binary).
        max_length: Greatest number of the same.
        format: How a timestamp is written. Of the event-time field the contract's own `event_time_format` counts.
        encoding: How binary is written.
        items: The rules for each element of an array; `None` for none. They make no columns.
        members: The rules for members of an object. They make no columns: a pointer field does.
        description: For people.
    """

    name: str
    type: FieldType
    required: bool = True
    nullable: bool = False
    has_default: bool = False
    default: Json = None
    unit: str = ""
    min: int | float | None = None
    max: int | float | None = None
    exclusive_min: int | float | None = None
    exclusive_max: int | float | None = None
    multiple_of: int | float | None = None
    enum: tuple[Json, ...] = ()
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    format: EventTimeFormat = EventTimeFormat.AUTO
    encoding: BinaryEncoding = BinaryEncoding.BASE64
    items: "FieldSpec | None" = None
    members: "tuple[FieldSpec, ...]" = ()
    description: str = ""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The members that lead from the item to the value."""
        return tokens_of(self.name)

    def to_dict(self) -> dict[str, Json]:
        """Write the field as JSON; what equals its default is left out."""
        written: dict[str, Json] = {"name": self.name, "type": self.type.value}
        for item in fields(self)[2:]:
            value = getattr(self, item.name)
            if item.name != "has_default" and (value != item.default or type(value) is not type(item.default)):
                written[item.name] = _written(value)
        if self.has_default:
            written["default"] = self.default
        return written

    @classmethod
    def from_dict(cls, written: Mapping[str, object]) -> Self:
        """Read what `to_dict` wrote. Documents written by people go through `from_fields_document`."""
        values: dict[str, object] = dict(written)
        values["type"] = FieldType(str(written["type"]))
        values["has_default"] = "default" in written
        if isinstance(enum := written.get("enum"), list):
            values["enum"] = tuple(enum)
        if "format" in written:
            values["format"] = EventTimeFormat(str(written["format"]))
        if "encoding" in written:
            values["encoding"] = BinaryEncoding(str(written["encoding"]))
        if isinstance(items := written.get("items"), dict):
            values["items"] = cls.from_dict(items)
        if isinstance(members := written.get("members"), list):
            values["members"] = tuple(cls.from_dict(member) for member in members)
        return cls(**values)  # type: ignore[arg-type]


def _written(value: object) -> Json:
    if isinstance(value, FieldSpec):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_written(item) if isinstance(item, FieldSpec) else item for item in value]
    return value.value if isinstance(value, StrEnum) else value  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """Named rules for a kind of item. `check_spec` says whether they hold together.

    Attributes:
        name: `[a-z][a-z0-9_]{0,47}`; names the table as well.
        fields: What becomes columns, in column order.
        json_schema: A raw JSON Schema 2020-12 that every item must also satisfy; `None` for none.
        fields_from_schema: The fields were derived from `json_schema`: they name columns and add no rule.
        identity: Fields whose values, with contract and device, say which reading this is.
        event_time: The field that says when the reading was taken; `None` takes the receive time.
        event_time_format: How that field is written.
        event_time_min: Earliest event time accepted, inclusive.
        event_time_max: Latest event time accepted, inclusive; `None` for no fixed end.
        event_time_ahead: How far the event time may lie after the receive time.
        unknown: What happens to members that no field names.
        coerce: Whether values of another type may be read without loss.
        conflict: What happens to the same key with other content.
        dedupe_window: How long ids are remembered where there is no event-time field.
        description: For people.
    """

    name: str
    fields: tuple[FieldSpec, ...] = ()
    json_schema: dict[str, Json] | bool | None = None
    fields_from_schema: bool = False
    identity: tuple[str, ...] = ()
    event_time: str | None = None
    event_time_format: EventTimeFormat = EventTimeFormat.AUTO
    event_time_min: datetime = EPOCH
    event_time_max: datetime | None = None
    event_time_ahead: timedelta = timedelta(days=1)
    unknown: UnknownFields = UnknownFields.IGNORE
    coerce: Coercion = Coercion.STRICT
    conflict: ConflictRule = ConflictRule.FIRST
    dedupe_window: timedelta = field(default=DEFAULT_DEDUPE_WINDOW)
    description: str = ""

    def to_dict(self) -> dict[str, Json]:
        """Write the contract as JSON for a jsonb column; `from_dict` gives back an equal contract."""
        return {
            "name": self.name,
            "fields": [item.to_dict() for item in self.fields],
            "json_schema": self.json_schema,
            "fields_from_schema": self.fields_from_schema,
            "identity": list(self.identity),
            "event_time": self.event_time,
            "event_time_format": self.event_time_format.value,
            "event_time_min": self.event_time_min.isoformat(),
            "event_time_max": None if self.event_time_max is None else self.event_time_max.isoformat(),
            "event_time_ahead_us": self.event_time_ahead // timedelta(microseconds=1),
            "unknown": self.unknown.value,
            "coerce": self.coerce.value,
            "conflict": self.conflict.value,
            "dedupe_window_us": self.dedupe_window // timedelta(microseconds=1),
            "description": self.description,
        }

    @classmethod
    def from_dict(cls, written: Mapping[str, object]) -> Self:
        """Read what `to_dict` wrote; members that an older version did not write take their defaults."""
        values: dict[str, object] = dict(written)
        values["fields"] = tuple(FieldSpec.from_dict(item) for item in _sequence(written.get("fields")))
        values["identity"] = tuple(str(item) for item in _sequence(written.get("identity")))
        for key, closed_set in _CLOSED_SETS.items():
            if key in written:
                values[key] = closed_set(str(written[key]))
        for key in ("event_time_min", "event_time_max"):
            if isinstance(moment := written.get(key), str):
                values[key] = datetime.fromisoformat(moment)
        for key in ("event_time_ahead", "dedupe_window"):
            if isinstance(length := values.pop(f"{key}_us", None), int):
                values[key] = timedelta(microseconds=length)
        return cls(**values)  # type: ignore[arg-type]


_CLOSED_SETS: Final[Mapping[str, type[StrEnum]]] = {
    "event_time_format": EventTimeFormat,
    "unknown": UnknownFields,
    "coerce": Coercion,
    "conflict": ConflictRule,
}


def _sequence(value: object) -> Sequence[Mapping[str, object]]:
    return value if isinstance(value, list) else ()
