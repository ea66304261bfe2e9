"""SQL columns of a contract: one fixed name for each field, and a type that can hold its values.

The column's name depends on the field's name alone, so it never changes when a contract gains fields, and two fields
never share a column:

1. The field's own name, case and all, where it is printable, at most 63 bytes of UTF-8, has no dot and no double
   quote, is not reserved and does not start with `field_`. Columns are always quoted in SQL.
2. A pointer to a nested member is its members joined by dots, `/ENERGY/Power` → `ENERGY.Power`, under the same rules
   for every member.
3. A reserved name, or one that starts with `field_`, gets `field_` in front: `device_id` → `field_device_id`.
4. All else becomes `field__<readable part>_<24 hex digits of a hash over the exact name>`.

Types: string → text, integer → bigint (numeric where a declared bound lies outside of bigint), number → double
precision, boolean → boolean, timestamp → timestamptz, binary → bytea, object, array and json → jsonb.
"""

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from dataflow_validator.contracts.spec import FieldSpec, FieldType

MAX_COLUMN_BYTES: Final = 63
"""Postgres truncates longer identifiers in silence."""

BIGINT_MIN: Final = -(2**63)
BIGINT_MAX: Final = 2**63 - 1

ENVELOPE_COLUMNS: Final = (
    "device_id",
    "event_time",
    "receive_time",
    "message_id",
    "content_hash",
    "revision",
    "stored_xid",
    "maybe_duplicate",
    "extra",
)
"""The columns that every reading has, whatever its contract."""

RESERVED_COLUMNS: Final = frozenset(ENVELOPE_COLUMNS) | {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
"""`ENVELOPE_COLUMNS` and the names that Postgres keeps for itself in every table."""

_PREFIX: Final = "field_"
_HASH_BYTES: Final = 12

_SQL_TYPES: Final = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "bigint",
    FieldType.NUMBER: "double precision",
    FieldType.BOOLEAN: "boolean",
    FieldType.TIMESTAMP: "timestamptz",
    FieldType.OBJECT: "jsonb",
    FieldType.ARRAY: "jsonb",
    FieldType.BINARY: "bytea",
    FieldType.JSON: "jsonb",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One typed column of a reading.

    Attributes:
        name: The SQL identifier, unquoted; always quote it in SQL.
        sql_type: Its Postgres type.
        field: The field of the contract that it holds.
        type: What the field holds.
        unit: Unit of measurement, "" where unknown.
        description: For people.
    """

    name: str
    sql_type: str
    field: str
    type: FieldType
    unit: str = ""
    description: str = ""


def column_of(spec: FieldSpec) -> Column:
    """Name and type the column of a field."""
    return Column(column_name(spec), sql_type(spec), spec.name, spec.type, spec.unit, spec.description)


def column_name(spec: FieldSpec) -> str:
    """Give the one column name of a field, by the rules at the top of this module."""
    tokens = spec.tokens
    if all(_is_plain(token) for token in tokens):
        joined = ".".join(tokens)
        if joined in RESERVED_COLUMNS or joined.startswith(_PREFIX):
            joined = _PREFIX + joined
        if len(joined.encode()) <= MAX_COLUMN_BYTES:
            return joined
    # A length in front of each member: ("a", "b/c") and ("a/b", "c") are two fields.
    exact = b"".join(len(token.encode()).to_bytes(4, "big") + token.encode() for token in tokens)
    readable = re.sub(r"[^a-z0-9]+", "_", "_".join(tokens).lower()).strip("_")[:24].rstrip("_")
    return f"{_PREFIX}_{readable}_{blake2b(exact, digest_size=_HASH_BYTES).hexdigest()}"


def sql_type(spec: FieldSpec) -> str:
    """Give the Postgres type that holds every value that a field's own bounds allow.

    An integer without bounds is a bigint: what does not fit is refused as UNSTORABLE and kept in quarantine.
    """
    if spec.type is FieldType.INTEGER:
        bounds = (spec.min, spec.max, spec.exclusive_min, spec.exclusive_max)
        numbers = [bound for bound in (*bounds, *spec.enum) if isinstance(bound, int | float)]
        if any(not BIGINT_MIN <= number <= BIGINT_MAX for number in numbers):
            return "numeric"
    return _SQL_TYPES[spec.type]


def quote_identifier(name: str) -> str:
    """Quote an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _is_plain(token: str) -> bool:
    return bool(token) and token.isprintable() and "." not in token and '"' not in token
