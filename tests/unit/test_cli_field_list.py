"""Reading field lists and schemas from files."""

import json
import os
from pathlib import Path

import pytest
from dataflow.validator.v1 import contract_pb2
from dataflow_cli.field_list import FieldListError, fields_of, schema_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_CASES = Path(os.environ.get("DATAFLOW_CASES", Path(__file__).parents[3] / "shared" / "cases"))


def test_every_key_of_a_field_is_read() -> None:
    """Nothing that a field list can say is lost."""
    entry = {
        "name": "/a/b",
        "type": "integer",
        "required": False,
        "nullable": True,
        "default": 3,
        "unit": "°C",
        "min": -1,
        "max": 2.5,
        "enum": [1, "x", None],
        "pattern": "^a",
        "min_length": 0,
        "max_length": 9,
        "description": "d",
    }
    (field,) = fields_of(json.dumps([entry]))
    assert (field.name, field.type, field.required, field.nullable) == (
        "/a/b",
        contract_pb2.FIELD_TYPE_INTEGER,
        False,
        True,
    )
    assert (field.min, field.max, field.min_length, field.max_length) == (-1, 2.5, 0, 9)
    assert (field.unit, field.pattern, field.description) == ("°C", "^a", "d")
    assert field.default.number_value == 3
    assert [value.WhichOneof("kind") for value in field.enum] == ["number_value", "string_value", "null_value"]


def test_what_is_not_said_stays_unset() -> None:
    """Defaults are the service's business: absent is not zero."""
    (field,) = fields_of('{"fields": [{"name": "a", "type": "number"}]}')
    assert not any(field.HasField(name) for name in ("required", "min", "max", "min_length", "max_length", "default"))


def test_all_problems_are_named_at_once() -> None:
    """One run shows all that is wrong, each with its place."""
    entries = [
        3,
        {"name": "a", "type": "number", "min": "0"},
        {"name": "a", "type": "number", "max": True},
        {"name": "b", "type": "text", "maximum": 1},
        {"name": "c", "type": "string", "max_length": -1, "required": 1, "enum": {}},
    ]
    with pytest.raises(FieldListError) as caught:
        fields_of(json.dumps(entries))
    assert caught.value.problems == [
        "fields[0]: a field is an object, not a number",
        "fields[1] ('a'): min is a string, not a finite number",
        "fields[2] ('a'): max is a boolean, not a finite number",
        "fields[3] ('b'): type is 'text', not one of string, integer, number, boolean, timestamp, object, array, binary, json",
        "fields[3] ('b'): unknown key 'maximum'",
        "fields[4] ('c'): max_length is a number, not a whole number from 0",
        "fields[4] ('c'): required is a number, not true or false",
        "fields[4] ('c'): enum is an object, not a list",
        "the name 'a' stands twice",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"fields": {}}', "[" * 100_000])
def test_what_is_no_field_list_is_refused(text: str) -> None:
    """Empty, foreign and hostile files are one clear error."""
    with pytest.raises(FieldListError):
        fields_of(text)


_JSON = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([[1], {"a": None}])
)
_KEYS = ("name", "type", "min", "max_length", "required", "enum", "default", "x")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_JSON | st.dictionaries(st.sampled_from(_KEYS), _JSON | st.sampled_from(["string", "number"])))
def test_any_json_is_read_or_refused(value: object) -> None:
    """No document raises anything but the documented error."""
    try:
        fields_of(json.dumps([value]))
    except FieldListError as error:
        assert error.problems  # noqa: PT017  # either outcome is right


def test_contract_file_is_unwrapped_and_a_schema_is_not() -> None:
    """A schema is passed on byte for byte; only a contract file has its schema inside."""
    schema = '{"type":"object",  "properties": {"json_schema": {"maximum": 1E400}}}'
    assert schema_of(schema) == schema
    assert json.loads(schema_of('{"name": "c", "fields": [], "json_schema": {"type": "object"}}')) == {"type": "object"}
    assert schema_of("true") == "true"


@pytest.mark.parametrize("text", ["", "3", "[]", '{"name": "c", "json_schema": 3}'])
def test_what_is_no_schema_is_refused(text: str) -> None:
    """A wrong file is found before it is sent."""
    with pytest.raises(FieldListError):
        schema_of(text)


@pytest.mark.skipif(not _CASES.is_dir(), reason="the full case data is not here: set DATAFLOW_CASES")
@pytest.mark.parametrize("name", ["beijing_2014-01_first_3days", "beijing_2014-01_injected_defects", "occupancy_room"])
def test_contract_files_of_the_cases_are_read(name: str) -> None:
    """The recorded streams' contracts are read in both forms."""
    text = (_CASES / "replay" / f"{name}.contract.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert [field.name for field in fields_of(text)] == [entry["name"] for entry in document["fields"]]
    assert json.loads(schema_of(text)) == document["json_schema"]
