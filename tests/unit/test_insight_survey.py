"""What the survey makes of the validator's specs and columns."""

from dataflow_insight.catalogue.catalogue import Kind
from dataflow_insight.catalogue.survey import fields_of
from dataflow_validator.contracts.names import column_name
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType


def test_fields_are_found_under_the_columns_that_the_validator_gives_them() -> None:
    """Plain, nested, reserved and hashed names lead to the validator's columns; device and event time are left out."""
    names = ["temp", "/ENERGY/Power", "revision", "field_x", "a.b", 'say "x"', "ts", "device_id", "ünïcode"]
    spec = ContractSpec(
        name="c",
        fields=tuple(FieldSpec(name, FieldType.NUMBER, unit="u", description="d") for name in names),
        event_time="ts",
    )
    columns = dict.fromkeys((column_name(field) for field in spec.fields), Kind.NUMBER) | {"device_id": Kind.TEXT}
    found = {field.name: field.column for field in fields_of(spec.to_dict(), columns)}
    wanted = {field.name: column_name(field) for field in spec.fields if field.name not in {"ts", "device_id"}}
    assert found == wanted


def test_fields_without_a_column_are_left_out() -> None:
    """A field that the table does not have yet cannot be asked about."""
    spec = ContractSpec(name="c", fields=(FieldSpec("new", FieldType.NUMBER),))
    assert fields_of(spec.to_dict(), {"device_id": Kind.TEXT, "old": Kind.NUMBER})[0].name == "old"
