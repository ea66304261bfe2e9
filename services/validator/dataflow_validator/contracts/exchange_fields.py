"""The fields that a JSON Schema amounts to, where it amounts to fields: the inverse of `schema.contract_schema`."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from dataflow_validator.contracts.derived import field_name, moment_format
from dataflow_validator.contracts.errors import Problem
from dataflow_validator.contracts.exchange_out import FIELD_MEMBER
from dataflow_validator.contracts.pointer import pointer_of
from dataflow_validator.contracts.references import References
from dataflow_validator.contracts.schema import build_validator, field_schema
from dataflow_validator.contracts.spec import BinaryEncoding, FieldSpec, FieldType, Json

_MAX_DEPTH: Final = 16
_ASSERTIONS: Final = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"}
    | {
        "dependentRequired",
        "prefixItems",
        "items",
        "contains",
        "minContains",
        "maxContains",
        "uniqueItems",
        "properties",
    }
    | {"patternProperties", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"}
    | {"minProperties", "maxProperties", "required", "type", "enum", "const", "multipleOf", "maximum", "minimum"}
    | {"exclusiveMaximum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "format"}
    | {"contentEncoding"}
)
"""Keywords that may say something of a value; all others only annotate."""

_CONTAINER: Final = frozenset({"type", "properties", "required", "additionalProperties"})
_ANY: Final = frozenset({"type", "enum", "const"})
_BOUNDS: Final = {
    "minimum": "min",
    "maximum": "max",
    "exclusiveMinimum": "exclusive_min",
    "exclusiveMaximum": "exclusive_max",
    "multipleOf": "multiple_of",
}
_RULES: Final[Mapping[FieldType, Mapping[str, str]]] = {
    FieldType.STRING: {"minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"},
    FieldType.INTEGER: _BOUNDS,
    FieldType.NUMBER: _BOUNDS,
    FieldType.ARRAY: {"minItems": "min_length", "maxItems": "max_length"},
}
_JSON_TYPES: Final = {
    "string": FieldType.STRING,
    "integer": FieldType.INTEGER,
    "number": FieldType.NUMBER,
    "boolean": FieldType.BOOLEAN,
    "object": FieldType.OBJECT,
    "array": FieldType.ARRAY,
}
_ENCODINGS: Final = {"base64": BinaryEncoding.BASE64, "base16": BinaryEncoding.HEX}


class InexpressibleError(Exception):
    """A document says what no field list says.

    Attributes:
        path: JSON Pointer of the place in the document.
    """

    def __init__(self, what: str, path: str) -> None:
        """Keep both.

        Args:
            what: What cannot be said.
            path: Where in the document.
        """
        super().__init__(f"{what} (at {path or 'the top'})")
        self.path = path


@dataclass(slots=True)
class Found:
    """The fields of a document.

    Attributes:
        fields: In the document's order.
        closed: It refuses members that it does not name.
        as_exported: Parts of it have a form that only an export has, and which is compared as a whole.
        warnings: What a reader may not expect.
    """

    fields: tuple[FieldSpec, ...] = ()
    closed: bool = False
    as_exported: bool = False
    warnings: list[Problem] = field(default_factory=list)


def read_fields(document: dict[str, Json], references: References) -> Found:
    """Read the fields of a schema.

    Args:
        document: The whole schema.
        references: Of the same document.

    Raises:
        InexpressibleError: It says what fields cannot say.
    """
    reader = _Reader(references, closed=document.get("additionalProperties") is False)
    fields = reader.container(document, (), "", reachable=True)
    if not fields:
        raise InexpressibleError("a schema without properties", "")
    return Found(tuple(fields), reader.closed, reader.as_exported, reader.warnings)


class _Reader:
    def __init__(self, references: References, *, closed: bool) -> None:
        self._references = references
        self.closed = closed
        self.as_exported = False
        self.warnings: list[Problem] = []

    def container(
        self, schema: Mapping[str, Json], tokens: tuple[str, ...], at: str, *, reachable: bool
    ) -> list[FieldSpec]:
        """Read an object whose properties are fields of their own, by pointer."""
        if len(tokens) > _MAX_DEPTH:
            raise InexpressibleError("a model inside of itself", at)
        indexed = schema.get("type") == ["object", "array"]
        self.as_exported |= indexed
        allowed = _CONTAINER | {"prefixItems", "minItems"} if indexed else _CONTAINER
        if not indexed and schema.get("type") != "object":
            raise InexpressibleError("an item that need not be an object", at)
        self._only(schema, allowed, at)
        self._same_openness(schema, at)
        properties, required = self._members(schema, at)
        if required and not reachable:
            raise InexpressibleError("members that are required only where the object around them is there", at)
        fields: list[FieldSpec] = []
        for key, value in properties.items():
            place, path = f"{at}{pointer_of(['properties', key])}", (*tokens, key)
            below, nullable = self._inlined(value, place)
            if "properties" in below and FIELD_MEMBER not in below:
                if nullable:
                    raise InexpressibleError("an object of members that may be null", place)
                if "default" in below:
                    self._warn("its default is not applied: only fields have defaults", path)
                inner = self.container(below, path, place, reachable=reachable and key in required)
                if (key in required) is not bool(below.get("required")):
                    raise InexpressibleError("an object that must be there though no member must", place)
                fields += inner
            else:
                fields += self._field(below, path, place, required=key in required, nullable=nullable)
        return fields

    def _field(
        self, schema: Mapping[str, Json], tokens: tuple[str, ...], at: str, *, required: bool, nullable: bool
    ) -> list[FieldSpec]:
        """Read a property that is one field; an exported object field may have others beside its members."""
        hint = _hint(schema)
        pointers: list[FieldSpec] = []
        if isinstance(properties := schema.get("properties"), dict):
            inside = {key: value for key, value in properties.items() if _is_member(value)}
            if len(inside) < len(properties):
                self.as_exported = True
                others = {key: value for key, value in properties.items() if key not in inside}
                listed: list[Json] = [name for name in _list(schema.get("required")) if name in others]
                around: dict[str, Json] = {"type": "object", "properties": others, "required": listed}
                if schema.get("additionalProperties") is False:
                    around["additionalProperties"] = False
                pointers = self.container(around, tokens, at, reachable=required)
                kept = [name for name in _list(schema.get("required")) if name not in others]
                schema = {**schema, "properties": inside, "required": kept}
        name = hint.get("name")
        made = self.value(schema, tokens, at, required=required, nullable=nullable)
        return [replace(made, name=name if isinstance(name, str) else field_name(tokens)), *pointers]

    def value(
        self, schema: Mapping[str, Json], path: tuple[str, ...], at: str, *, required: bool, nullable: bool
    ) -> FieldSpec:
        """Read the rules of one value; the field that is given back has no name yet."""
        hint = _hint(schema)
        kind, null_in_type = self._kind(schema, hint, at)
        nullable |= null_in_type or (kind is FieldType.JSON and hint.get("nullable") is True)
        rules = _RULES.get(kind, {})
        self._only(schema, _ANY | rules.keys() | _OF_TYPE.get(kind, frozenset()), at)
        given: dict[str, Json] = {ours: schema[theirs] for theirs, ours in rules.items() if theirs in schema}
        for ours in ("min_length", "max_length"):
            source = hint.get(ours) if kind is FieldType.BINARY else given.get(ours)
            if isinstance(source, int | float) and not isinstance(source, bool):
                given[ours] = int(source)
        values = [schema["const"]] if "const" in schema else _list(schema.get("enum"))
        if nullable and values and values[-1] is None:
            values = values[:-1]
        if isinstance(as_given := hint.get("enum"), list):
            values = as_given
        field = FieldSpec(
            "",
            kind,
            required=hint["required"] if isinstance(hint.get("required"), bool) else required,  # type: ignore[arg-type]
            nullable=nullable,
            unit=str(hint.get("unit") or (schema["unit"] if isinstance(schema.get("unit"), str) else "")),
            enum=tuple(values),
            encoding=_ENCODINGS.get(str(schema.get("contentEncoding")), BinaryEncoding.BASE64),
            format=moment_format(hint),
            description=str(schema["description"]) if isinstance(schema.get("description"), str) else "",
            **given,  # type: ignore[arg-type]
        )
        if "items" in schema:
            below, null = self._inlined(schema["items"], f"{at}/items")
            inner = self.value(below, (*path, "*"), f"{at}/items", required=True, nullable=null)
            field = replace(field, items=inner)
        if kind is FieldType.OBJECT and "properties" in schema:
            field = replace(field, members=self._object_members(schema, path, at))
        return self._with_default(field, schema, hint, path, required=required)

    def _object_members(self, schema: Mapping[str, Json], path: tuple[str, ...], at: str) -> tuple[FieldSpec, ...]:
        if len(path) > _MAX_DEPTH:
            raise InexpressibleError("a model inside of itself", at)
        self._same_openness(schema, at)
        properties, required = self._members(schema, at)
        members: list[FieldSpec] = []
        for key, value in properties.items():
            place = f"{at}{pointer_of(['properties', key])}"
            below, null = self._inlined(value, place)
            made = self.value(below, (*path, key), place, required=key in required, nullable=null)
            members.append(replace(made, name=key, has_default=False, default=None))
        return tuple(members)

    def _with_default(
        self,
        field: FieldSpec,
        schema: Mapping[str, Json],
        hint: Mapping[str, Json],
        path: tuple[str, ...],
        *,
        required: bool,
    ) -> FieldSpec:
        if "default" not in schema or (required and not hint):
            return field
        default = schema["default"]
        if not hint and not build_validator(field_schema(field)).is_valid(default):
            self._warn(f"its default {default!r} breaks its own rules and is not applied", path)
            return field
        return replace(field, has_default=True, default=default)

    def _kind(self, schema: Mapping[str, Json], hint: Mapping[str, Json], at: str) -> tuple[FieldType, bool]:
        """Tell a value's type, and whether null is one."""
        written = schema.get("type")
        names = [] if written is None else _list(written) if isinstance(written, list) else [written]
        null = "null" in names
        names = [name for name in names if name != "null"]
        hinted = hint.get("type")
        if isinstance(hinted, str) and hinted in FieldType.__members__.values():
            kind = FieldType(hinted)
            as_written = field_schema(FieldSpec("", kind, format=moment_format(hint))).get("type", [])
            if names == (as_written if isinstance(as_written, list) else [as_written]):
                return kind, null
        if not names:
            if "enum" in schema or "const" in schema:
                raise InexpressibleError("values without a type", at)
            return FieldType.JSON, False
        only = _JSON_TYPES.get(str(names[0]))
        if len(names) > 1 or only is None:
            raise InexpressibleError("more than one type", at)
        return self._string_kind(schema, at) if only is FieldType.STRING else only, null

    def _string_kind(self, schema: Mapping[str, Json], at: str) -> FieldType:
        form = schema.get("format")
        path = (at,)
        narrowed = any(keyword in schema for keyword in ("pattern", "minLength", "maxLength", "enum", "const"))
        if form == "date-time" and not narrowed:
            self._warn("date-time becomes a timestamp: what is no moment is refused, epoch numbers are read too", path)
            return FieldType.TIMESTAMP
        if not narrowed and (schema.get("contentEncoding") in _ENCODINGS or form in {"base64", "base64url"}):
            self._warn("becomes binary: text that is not of this encoding is refused", path)
            return FieldType.BINARY
        if form is not None:
            self._warn(f"format {form!r} only annotates: it is not checked", path)
        return FieldType.STRING

    def _inlined(self, schema: Json, at: str) -> tuple[Mapping[str, Json], bool]:
        """Follow references and take "this or null" apart.

        Returns:
            The schema without them, under the annotations on the way, and whether null is accepted as well.
        """
        around: dict[str, Json] = {}
        nullable = False
        for _ in range(2 * _MAX_DEPTH):
            if schema is True:
                schema = {}
            if not isinstance(schema, dict):
                raise InexpressibleError("a member that may not be there", at)
            branches = next((schema[word] for word in ("anyOf", "oneOf") if word in schema), None)
            others = [branch for branch in _list(branches) if branch != {"type": "null"}]
            if "$ref" in schema:
                self._only(schema, frozenset({"$ref"}), at)
                inner = self._references.target(schema)
            elif branches is not None and len(others) == 1 < len(_list(branches)):
                self._only(schema, frozenset({"anyOf"}) if "anyOf" in schema else frozenset({"oneOf"}), at)
                inner, nullable = others[0], True
            else:
                return {**schema, **around}, nullable
            around = {**{key: value for key, value in schema.items() if key not in _ASSERTIONS}, **around}
            schema = inner
        raise InexpressibleError("a reference to itself", at)

    def _members(self, schema: Mapping[str, Json], at: str) -> tuple[dict[str, Json], list[str]]:
        properties = schema.get("properties", {})
        required = [str(name) for name in _list(schema.get("required"))]
        if not isinstance(properties, dict) or any(name not in properties for name in required):
            raise InexpressibleError("a required member of any type", at)
        return properties, required

    def _same_openness(self, schema: Mapping[str, Json], at: str) -> None:
        others = schema.get("additionalProperties", True)
        if not isinstance(others, bool):
            raise InexpressibleError("rules for members that have no name", at)
        if others is self.closed:
            raise InexpressibleError("unknown members that are refused in one place and accepted in another", at)

    def _only(self, schema: Mapping[str, Json], allowed: AbstractSet[str], at: str) -> None:
        for keyword in schema:
            if keyword in _ASSERTIONS and keyword not in allowed:
                raise InexpressibleError(f"{keyword!r}", at)

    def _warn(self, text: str, path: tuple[str, ...]) -> None:
        at = path[0] if len(path) == 1 and path[0].startswith("/") else pointer_of(path)
        self.warnings.append(Problem(text, at))


_OF_TYPE: Final[Mapping[FieldType, frozenset[str]]] = {
    FieldType.STRING: frozenset({"format"}),
    FieldType.INTEGER: frozenset({"format"}),
    FieldType.NUMBER: frozenset({"format"}),
    FieldType.TIMESTAMP: frozenset({"format"}),
    FieldType.BINARY: frozenset({"format", "contentEncoding"}),
    FieldType.ARRAY: frozenset({"items"}),
    FieldType.OBJECT: frozenset({"properties", "required", "additionalProperties"}),
}


def _is_member(schema: Json) -> bool:
    hint = schema.get(FIELD_MEMBER) if isinstance(schema, dict) else None
    return isinstance(hint, dict) and "name" not in hint


def _hint(schema: Mapping[str, Json]) -> Mapping[str, Json]:
    hint = schema.get(FIELD_MEMBER)
    return hint if isinstance(hint, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
