"""A JSON Schema document of others, such as a Pydantic model's or a data model's, as a contract.

Where a field list says everything that the document says, the contract is that field list, which people can read and
edit. Where it does not, the document itself judges, whole, and gives rise to the columns: no rule is ever lost. Either way
the warnings say what a reader would not expect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from dataflow_validator.contracts.documents import from_json_schema_document
from dataflow_validator.contracts.errors import ContractError, Problem
from dataflow_validator.contracts.exchange_fields import InexpressibleError, read_fields
from dataflow_validator.contracts.exchange_out import BOTH, CONTRACT_MEMBER, PLAIN, RAW, export_json_schema
from dataflow_validator.contracts.names import column_of
from dataflow_validator.contracts.references import References
from dataflow_validator.contracts.schema import DIALECT, RAW_ID, compile_schema, schema_limits
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, Json, UnknownFields

MAX_WARNINGS: Final = 100

_SETTINGS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "name": str,
    "description": str,
    "identity": list,
    "event_time": str,
    "event_time_format": str,
    "event_time_min": str,
    "event_time_max": str,
    "event_time_ahead_us": int,
    "unknown": str,
    "coerce": str,
    "conflict": str,
    "dedupe_window_us": int,
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a document.

    Attributes:
        spec: The contract; its rules compile. Whether the whole does is for whoever makes it.
        warnings: What is not as the document's author may think, each with its JSON Pointer in the document.
    """

    spec: ContractSpec
    warnings: tuple[Problem, ...]


def import_json_schema(document: object, *, name: str = "") -> Imported:
    """Read a JSON Schema 2020-12 document.

    Args:
        document: The parsed document: plain, as published, or what `export_json_schema` wrote.
        name: The contract's name; "" takes the exported one.

    Raises:
        ContractError: It is no schema, refers to other documents, or its `x-dataflow-contract` is none.
    """
    whole = from_json_schema_document(document, name=name)
    if not isinstance(document, dict) or not isinstance(whole.json_schema, dict):
        compile_schema(whole)
        return Imported(whole, _notes(whole))
    member = document.get(CONTRACT_MEMBER, {})
    settings = _settings(member)
    form = member.get("form") if isinstance(member, dict) else None
    if name:
        settings["name"] = name
    if form == BOTH:
        return _checked(_both(whole.json_schema, member, settings))
    if form == RAW:
        return _checked(_raw(whole, member, settings))
    older: list[Problem] = []
    written_for = document.get("$schema")
    if isinstance(written_for, str) and written_for.rstrip("#") != DIALECT:
        older = [Problem(f"written for {written_for}, read as 2020-12: nothing in it differs", "/$schema")]
    compile_schema(whole)  # remote references and the like are told before anything is made of the document
    try:
        spec, warnings = _plain(whole.json_schema, settings, exported=form == PLAIN)
    except InexpressibleError as why:
        kept = Problem(f"kept as JSON Schema, since a field list cannot say this: {why}", why.path)
        spec = _with(whole, settings)
        return Imported(spec, (*older, kept, *_notes(spec))[:MAX_WARNINGS])
    return Imported(spec, (*older, *warnings)[:MAX_WARNINGS])


def _plain(
    document: dict[str, Json], settings: dict[str, object], *, exported: bool
) -> tuple[ContractSpec, list[Problem]]:
    found = read_fields(document, References(document))
    spec = ContractSpec(
        "",
        _in_order(found.fields, settings.pop("fields", None)),
        unknown=UnknownFields.REJECT if found.closed else UnknownFields.IGNORE,
        description=document["description"] if isinstance(document.get("description"), str) else "",  # type: ignore[arg-type]
    )
    spec = _with(spec, settings)
    if (spec.unknown is UnknownFields.REJECT) is not found.closed:
        raise InexpressibleError("additionalProperties, other than x-dataflow-contract has it", "")
    if exported or found.as_exported:
        same = {CONTRACT_MEMBER: None, "title": None}
        if {**export_json_schema(spec), **same} != {**document, **same}:
            raise InexpressibleError("what was changed since the document was exported", "")
    compile_schema(spec)
    return spec, found.warnings


def _raw(whole: ContractSpec, member: object, settings: dict[str, object]) -> ContractSpec:
    return _with(_ordered(whole, member), settings, _own_fields(member))


def _both(document: dict[str, Json], member: object, settings: dict[str, object]) -> ContractSpec:
    definitions = document.get("$defs")
    raw: Json = definitions.get("contract") if isinstance(definitions, dict) else None
    parts = document.get("allOf")
    if raw is None and isinstance(parts, list) and parts and isinstance(parts[0], bool):
        raw = parts[0]
    if isinstance(raw, dict) and raw.get("$id") == RAW_ID:
        raw = {key: value for key, value in raw.items() if key != "$id"}
    if not isinstance(raw, dict | bool):
        raise ContractError([Problem("the exported document has lost its $defs/contract", "json_schema")])
    return _with(_ordered(from_json_schema_document(raw), member), settings, _own_fields(member))


def _ordered(spec: ContractSpec, member: object) -> ContractSpec:
    order = member.get("order") if isinstance(member, dict) else None
    return replace(spec, fields=_in_order(spec.fields, order))


def _in_order(fields: tuple[FieldSpec, ...], order: object) -> tuple[FieldSpec, ...]:
    """Give fields in the order of their names in a list; others follow."""
    names = order if isinstance(order, list) else []
    place = {name: index for index, name in enumerate(names) if isinstance(name, str)}
    return tuple(sorted(fields, key=lambda field: place.get(field.name, len(place))))


def _own_fields(member: object) -> list[object] | None:
    fields = member.get("fields") if isinstance(member, dict) else None
    return fields if isinstance(fields, list) else None


def _settings(member: object) -> dict[str, object]:
    if not isinstance(member, dict):
        raise ContractError([Problem(f"{CONTRACT_MEMBER} is no object", "json_schema")])
    wrong = [key for key, value in member.items() if key in _SETTINGS and not isinstance(value, _SETTINGS[key])]
    if wrong:
        problem = f"{CONTRACT_MEMBER}: {', '.join(wrong)} of another type than an export has"
        raise ContractError([Problem(problem, "json_schema")])
    return {key: value for key, value in member.items() if key in _SETTINGS or key == "fields"}


def _with(spec: ContractSpec, settings: dict[str, object], fields: list[object] | None = None) -> ContractSpec:
    """Put the settings of an export, and for a schema with fields of its own these, over what was read."""
    written: dict[str, object] = {
        **spec.to_dict(),
        **{key: value for key, value in settings.items() if key != "fields"},
    }
    if fields is not None:
        written |= {"fields": fields, "fields_from_schema": False}
    try:
        return ContractSpec.from_dict(written)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as problem:
        raise ContractError([Problem(f"{CONTRACT_MEMBER} cannot be read: {problem}", "json_schema")]) from problem


def _checked(spec: ContractSpec) -> Imported:
    if problems := schema_limits(spec.json_schema):
        raise ContractError(problems)
    compile_schema(spec)
    return Imported(spec, _notes(spec))


def _notes(spec: ContractSpec) -> tuple[Problem, ...]:
    """Say what a raw schema's columns do that its author may not expect."""
    notes: list[Problem] = []
    for field in spec.fields if spec.fields_from_schema else ():
        column = column_of(field)
        if column.sql_type == "jsonb":
            text = f"becomes one jsonb column, {column.name!r}: it is no single scalar type and no object of declared properties"
            notes.append(Problem(text, field.name if field.name.startswith("/") else f"/{field.name}"))
    if not spec.fields and spec.json_schema is not None:
        notes.append(Problem("declares no properties, so that there are no columns: set unknown_fields to keep", ""))
    return tuple(notes)


__all__ = ["Imported", "import_json_schema"]
