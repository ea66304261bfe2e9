"""Contracts as people read them."""

from collections.abc import Mapping

import click
from dataflow.validator.v1 import contract_pb2

from dataflow_cli.contract_rules import COERCIONS, CONFLICT_POLICIES, UNKNOWN_FIELDS
from dataflow_cli.output import as_document, moment, print_fields, print_json, print_table, word


def show_contract(entry: contract_pb2.Contract, *, as_json: bool) -> None:
    """Prints a contract with its rules and options."""
    if as_json:
        print_json(as_document(entry))
        return
    spec = entry.spec
    print_fields(
        {
            "contract": entry.name,
            "revision": f"{entry.active_revision} active, {entry.latest_revision} latest"
            if entry.active_revision
            else f"none active, {entry.latest_revision} latest: `dataflow contract activate {entry.name}`",
            "identity": ", ".join(spec.identity),
            "event time": spec.event_time_field or "receive time",
            "unknown fields": _word_of(UNKNOWN_FIELDS, spec.unknown_fields, "ignore"),
            "coercion": _word_of(COERCIONS, spec.coercion, "strict"),
            "conflict": _word_of(CONFLICT_POLICIES, spec.conflict_policy, "first"),
            "compatibility": word(
                contract_pb2.CompatibilityMode.DESCRIPTOR, entry.compatibility, "COMPATIBILITY_MODE_"
            ).lower(),
            "redrive": word(contract_pb2.Redrive.DESCRIPTOR, entry.redrive, "REDRIVE_").lower(),
            "kept": f"readings {_days(entry, 'readings_days')}, rollups {_days(entry, 'rollup_days')}",
            "created": moment(entry.create_time),
            "etag": entry.etag,
            "description": entry.description or spec.description,
            "JSON Schema": f"{len(spec.json_schema.encode())} bytes (--json shows it)" if spec.json_schema else "",
        }
    )
    print_rules(spec)


def print_rules(spec: contract_pb2.ContractSpec) -> None:
    """Prints the fields of a contract's rules as a table."""
    if spec.fields:
        click.echo()
        print_table(
            ("field", "type", "required", "rules", "unit", "column"), [_field_row(field) for field in spec.fields]
        )


def _word_of(words: Mapping[str, int], value: int, otherwise: str) -> str:
    return next((name for name, meaning in words.items() if meaning == value), otherwise)


def _field_row(field: contract_pb2.Field) -> tuple[object, ...]:
    rules: list[str] = []
    if field.time_unit:
        rules.append(f"as {field.time_unit}")
    if field.encoding == contract_pb2.BINARY_ENCODING_HEX:
        rules.append("as hex")
    if field.HasField("exclusive_min"):
        rules.append(f"> {field.exclusive_min:.10g}")
    if field.HasField("exclusive_max"):
        rules.append(f"< {field.exclusive_max:.10g}")
    if field.HasField("multiple_of"):
        rules.append(f"multiple of {field.multiple_of:.10g}")
    if field.HasField("items"):
        rules.append(f"of {word(contract_pb2.FieldType.DESCRIPTOR, field.items.type, 'FIELD_TYPE_').lower()}")
    if field.members:
        rules.append(f"{len(field.members)} members")
    if field.HasField("min"):
        rules.append(f">= {field.min:.10g}")
    if field.HasField("max"):
        rules.append(f"<= {field.max:.10g}")
    if field.enum:
        rules.append(f"one of {len(field.enum)}")
    if field.pattern:
        rules.append(f"like {field.pattern}")
    if field.HasField("min_length") or field.HasField("max_length"):
        longest = str(field.max_length) if field.HasField("max_length") else ""
        rules.append(f"{field.min_length}..{longest} characters")
    if field.nullable:
        rules.append("or null")
    required = field.required if field.HasField("required") else True
    kind = word(contract_pb2.FieldType.DESCRIPTOR, field.type, "FIELD_TYPE_").lower()
    column = f"{field.column_name} {field.column_type}".strip()
    return (field.name, kind, required, ", ".join(rules), field.unit, column)


def _days(entry: contract_pb2.Contract, name: str) -> str:
    return f"{getattr(entry, name)} days" if entry.HasField(name) else "for ever"  # type: ignore[arg-type]
