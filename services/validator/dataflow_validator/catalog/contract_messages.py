"""Contracts between their protos and the engine's own words."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from dataflow.validator.v1 import contract_pb2

from dataflow_validator.catalog.contract_records import ContractRecord, invalid_contract
from dataflow_validator.contracts import from_json_schema_document
from dataflow_validator.contracts.columns import json_text
from dataflow_validator.contracts.errors import ContractError, Problem
from dataflow_validator.contracts.names import column_of
from dataflow_validator.contracts.parse import read_document
from dataflow_validator.contracts.spec import (
    BinaryEncoding,
    Coercion,
    ConflictRule,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    UnknownFields,
)
from dataflow_validator.json_messages import from_value, to_value
from dataflow_validator.time_messages import from_duration, from_timestamp, to_duration, to_timestamp

DEFAULT_DEDUPE_WINDOW: Final = timedelta(days=7)
"""What an unset `dedupe_window` means, by contract.proto."""

_TYPES: Final[Mapping[contract_pb2.FieldType.ValueType, FieldType]] = {
    contract_pb2.FIELD_TYPE_STRING: FieldType.STRING,
    contract_pb2.FIELD_TYPE_INTEGER: FieldType.INTEGER,
    contract_pb2.FIELD_TYPE_NUMBER: FieldType.NUMBER,
    contract_pb2.FIELD_TYPE_BOOLEAN: FieldType.BOOLEAN,
    contract_pb2.FIELD_TYPE_TIMESTAMP: FieldType.TIMESTAMP,
    contract_pb2.FIELD_TYPE_OBJECT: FieldType.OBJECT,
    contract_pb2.FIELD_TYPE_ARRAY: FieldType.ARRAY,
    contract_pb2.FIELD_TYPE_BINARY: FieldType.BINARY,
    contract_pb2.FIELD_TYPE_JSON: FieldType.JSON,
}
_TYPES_OUT: Final = {value: key for key, value in _TYPES.items()}
_UNKNOWN: Final[Mapping[contract_pb2.UnknownFields.ValueType, UnknownFields]] = {
    contract_pb2.UNKNOWN_FIELDS_KEEP: UnknownFields.KEEP,
    contract_pb2.UNKNOWN_FIELDS_IGNORE: UnknownFields.IGNORE,
    contract_pb2.UNKNOWN_FIELDS_REJECT: UnknownFields.REJECT,
}
_COERCIONS: Final[Mapping[contract_pb2.Coercion.ValueType, Coercion]] = {
    contract_pb2.COERCION_STRICT: Coercion.STRICT,
    contract_pb2.COERCION_LOSSLESS: Coercion.LOSSLESS,
}
_CONFLICTS: Final[Mapping[contract_pb2.ConflictPolicy.ValueType, ConflictRule]] = {
    contract_pb2.CONFLICT_POLICY_FIRST: ConflictRule.FIRST,
    contract_pb2.CONFLICT_POLICY_BOTH: ConflictRule.BOTH,
}
_UNKNOWN_OUT: Final = {value: key for key, value in _UNKNOWN.items()}
_COERCIONS_OUT: Final = {value: key for key, value in _COERCIONS.items()}
_CONFLICTS_OUT: Final = {value: key for key, value in _CONFLICTS.items()}
_ENCODINGS: Final[Mapping[contract_pb2.BinaryEncoding.ValueType, BinaryEncoding]] = {
    contract_pb2.BINARY_ENCODING_BASE64: BinaryEncoding.BASE64,
    contract_pb2.BINARY_ENCODING_HEX: BinaryEncoding.HEX,
}
_ENCODINGS_OUT: Final = {value: key for key, value in _ENCODINGS.items()}
_UNITS: Final = {
    "": EventTimeFormat.AUTO,
    "rfc3339": EventTimeFormat.RFC3339,
    "s": EventTimeFormat.EPOCH_S,
    "ms": EventTimeFormat.EPOCH_MS,
    "us": EventTimeFormat.EPOCH_US,
    "ns": EventTimeFormat.EPOCH_NS,
}
_UNITS_OUT: Final = {value: key for key, value in _UNITS.items()}
_MAX_FIELD_LEVELS: Final = 40


def read_spec(name: str, message: contract_pb2.ContractSpec) -> ContractSpec:
    """Reads the rules of a new contract. Without fields they are derived from the JSON Schema; with both, both judge.

    Raises:
        ContractInvalidError: The JSON Schema is no JSON, or fields cannot be derived from it.
        InvalidRequestError: A time that cannot be stored.
    """
    try:
        spec = _rules(name, message)
    except ContractError as error:
        raise invalid_contract(name, error) from error
    if message.HasField("event_time_min"):
        spec = dataclasses.replace(spec, event_time_min=from_timestamp(message.event_time_min, "spec.event_time_min"))
    if message.HasField("event_time_max"):
        spec = dataclasses.replace(spec, event_time_max=from_timestamp(message.event_time_max, "spec.event_time_max"))
    if message.HasField("event_time_max_ahead"):
        ahead = from_duration(message.event_time_max_ahead, "spec.event_time_max_ahead")
        spec = dataclasses.replace(spec, event_time_ahead=ahead)
    window = DEFAULT_DEDUPE_WINDOW
    if message.HasField("dedupe_window"):
        window = from_duration(message.dedupe_window, "spec.dedupe_window")
    return dataclasses.replace(
        spec,
        identity=tuple(message.identity),
        event_time=message.event_time_field or None,
        event_time_format=_UNITS[message.event_time_unit],
        unknown=_UNKNOWN.get(message.unknown_fields, UnknownFields.IGNORE),
        coerce=_COERCIONS.get(message.coercion, Coercion.STRICT),
        conflict=_CONFLICTS.get(message.conflict_policy, ConflictRule.FIRST),
        dedupe_window=window,
        description=message.description,
    )


def _rules(name: str, message: contract_pb2.ContractSpec) -> ContractSpec:
    if not message.json_schema:
        return ContractSpec(name, tuple(_read_field(field) for field in message.fields))
    derived = from_json_schema_document(read_document(message.json_schema.encode(), "the JSON Schema"), name=name)
    if message.fields_from_schema or not message.fields:
        return derived
    fields = tuple(_read_field(field) for field in message.fields)
    return dataclasses.replace(derived, fields=fields, fields_from_schema=False)


def _read_field(message: contract_pb2.Field, levels: int = _MAX_FIELD_LEVELS) -> FieldSpec:
    if levels <= 0:
        raise ContractError([Problem(f"fields are declared more than {_MAX_FIELD_LEVELS} levels deep", "fields")])
    kind = _TYPES.get(message.type)
    if kind is None:
        raise ContractError([Problem(f"field {message.name!r} has no type", "fields")])

    def bound(name: str) -> float | None:
        return _bound(getattr(message, name), kind) if message.HasField(name) else None  # type: ignore[arg-type]

    return FieldSpec(
        name=message.name,
        type=kind,
        required=message.required if message.HasField("required") else True,
        nullable=message.nullable,
        has_default=message.HasField("default"),
        default=from_value(message.default) if message.HasField("default") else None,
        unit=message.unit,
        min=bound("min"),
        max=bound("max"),
        exclusive_min=bound("exclusive_min"),
        exclusive_max=bound("exclusive_max"),
        multiple_of=bound("multiple_of"),
        enum=tuple(from_value(value) for value in message.enum),
        pattern=message.pattern or None,
        min_length=message.min_length if message.HasField("min_length") else None,
        max_length=message.max_length if message.HasField("max_length") else None,
        format=_UNITS[message.time_unit],
        encoding=_ENCODINGS.get(message.encoding, BinaryEncoding.BASE64),
        items=_read_field(message.items, levels - 1) if message.HasField("items") else None,
        members=tuple(_read_field(member, levels - 1) for member in message.members),
        description=message.description,
    )


def _bound(bound: float, kind: FieldType) -> float:
    return int(bound) if kind is FieldType.INTEGER and bound.is_integer() else bound


def contract_message(record: ContractRecord) -> contract_pb2.Contract:
    """Writes a contract with the columns of its fields."""
    return contract_pb2.Contract(
        name=record.name,
        spec=spec_message(record.spec),
        active_revision=record.active_revision,
        latest_revision=record.latest_revision,
        create_time=to_timestamp(record.create_time),
        builtin=record.builtin,
        etag=record.etag,
        compatibility=contract_pb2.CompatibilityMode.Value(f"COMPATIBILITY_MODE_{record.options.compatibility}"),
        redrive=contract_pb2.Redrive.Value(f"REDRIVE_{record.options.redrive}"),
        readings_days=record.options.readings_days,
        rollup_days=record.options.rollup_days,
        description=record.options.description,
        update_time=to_timestamp(record.update_time),
    )


def spec_message(spec: ContractSpec) -> contract_pb2.ContractSpec:
    """Writes the rules of a contract; every choice is spelled out."""
    return contract_pb2.ContractSpec(
        fields=[_field_message(field) for field in spec.fields],
        json_schema="" if spec.json_schema is None else json_text(spec.json_schema),
        fields_from_schema=spec.fields_from_schema,
        identity=spec.identity,
        event_time_field=spec.event_time or "",
        event_time_unit=_UNITS_OUT[spec.event_time_format],
        event_time_min=to_timestamp(spec.event_time_min),
        event_time_max=None if spec.event_time_max is None else to_timestamp(spec.event_time_max),
        event_time_max_ahead=to_duration(spec.event_time_ahead),
        unknown_fields=_UNKNOWN_OUT[spec.unknown],
        coercion=_COERCIONS_OUT[spec.coerce],
        conflict_policy=_CONFLICTS_OUT[spec.conflict],
        dedupe_window=to_duration(spec.dedupe_window),
        description=spec.description,
    )


def _field_message(spec: FieldSpec) -> contract_pb2.Field:
    message = _rules_message(spec)
    column = column_of(spec)
    message.column_name, message.column_type = column.name, column.sql_type
    return message


def _rules_message(spec: FieldSpec) -> contract_pb2.Field:
    return contract_pb2.Field(
        name=spec.name,
        type=_TYPES_OUT[spec.type],
        required=spec.required,
        nullable=spec.nullable,
        default=to_value(spec.default) if spec.has_default else None,
        unit=spec.unit,
        min=spec.min,
        max=spec.max,
        exclusive_min=spec.exclusive_min,
        exclusive_max=spec.exclusive_max,
        multiple_of=spec.multiple_of,
        enum=[to_value(value) for value in spec.enum],
        pattern=spec.pattern or "",
        min_length=spec.min_length,
        max_length=spec.max_length,
        time_unit=_UNITS_OUT[spec.format],
        encoding=_ENCODINGS_OUT[spec.encoding] if spec.type is FieldType.BINARY else 0,  # type: ignore[arg-type]
        items=None if spec.items is None else _rules_message(spec.items),
        members=[_rules_message(member) for member in spec.members],
        description=spec.description,
    )
