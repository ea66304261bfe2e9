"""Column names and types."""

import pytest
from dataflow_validator.contracts.names import RESERVED_COLUMNS, column_name, quote_identifier, sql_type
from dataflow_validator.contracts.pointer import pointer_of
from dataflow_validator.contracts.spec import FieldSpec, FieldType
from hypothesis import given
from hypothesis import strategies as st

tokens = st.one_of(
    st.sampled_from(
        ["a", "A", "a.b", "field_a", "field__a", "device_id", "field_device_id", "xmin", "", "é" * 40, "x" * 64]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
paths = st.lists(tokens, min_size=1, max_size=3).map(tuple)


def name_of(path: tuple[str, ...]) -> str:
    return column_name(FieldSpec(pointer_of(path), FieldType.STRING))


@given(paths, paths)
def test_two_fields_never_share_a_column(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Columns are equal exactly where the fields are."""
    assert (name_of(one) == name_of(other)) == (one == other)


@given(paths)
def test_every_column_name_is_a_valid_identifier(path: tuple[str, ...]) -> None:
    """At most 63 bytes, no NUL, not reserved, not empty."""
    name = name_of(path)
    assert 0 < len(name.encode()) <= 63
    assert "\0" not in name
    assert name not in RESERVED_COLUMNS


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("temp", "temp"),
        ("relativeHumidity", "relativeHumidity"),
        ("Temp °C", "Temp °C"),
        ("device_id", "field_device_id"),
        ("xmin", "field_xmin"),
        ("field_device_id", "field_field_device_id"),
        ("/ENERGY/Power", "ENERGY.Power"),
        ("/temp", "temp"),
    ],
)
def test_readable_names_stay_readable(field: str, column: str) -> None:
    """The documented rules, one by one."""
    assert column_name(FieldSpec(field, FieldType.STRING)) == column


def test_names_that_postgres_would_cut_get_a_hash() -> None:
    """Two long names with the same first 63 bytes get two columns."""
    one, other = "x" * 63 + "a", "x" * 63 + "b"
    assert name_of((one,)) != name_of((other,))
    assert name_of((one,)).startswith("field__x")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (FieldSpec("a", FieldType.STRING), "text"),
        (FieldSpec("a", FieldType.INTEGER), "bigint"),
        (FieldSpec("a", FieldType.INTEGER, min=0, max=2**63 - 1), "bigint"),
        (FieldSpec("a", FieldType.INTEGER, max=2**63), "numeric"),
        (FieldSpec("a", FieldType.INTEGER, min=-1e30), "numeric"),
        (FieldSpec("a", FieldType.INTEGER, enum=(1, 10**30)), "numeric"),
        (FieldSpec("a", FieldType.NUMBER), "double precision"),
        (FieldSpec("a", FieldType.BOOLEAN), "boolean"),
        (FieldSpec("a", FieldType.TIMESTAMP), "timestamptz"),
        (FieldSpec("a", FieldType.OBJECT), "jsonb"),
        (FieldSpec("a", FieldType.ARRAY), "jsonb"),
        (FieldSpec("a", FieldType.JSON), "jsonb"),
        (FieldSpec("a", FieldType.BINARY), "bytea"),
    ],
)
def test_types_hold_every_value_within_bounds(field: FieldSpec, expected: str) -> None:
    """An integer is numeric exactly where a bound lies outside of bigint."""
    assert sql_type(field) == expected


def test_quotes_are_doubled() -> None:
    """An identifier cannot end its own quotes."""
    assert quote_identifier('a"b') == '"a""b"'
