"""What the survey makes of the validator's contracts and columns."""

from collections.abc import Sequence
from typing import Any

from dataflow_insight.catalogue.catalogue import Field, Kind
from dataflow_insight.catalogue.survey import fields_of
from dataflow_insight.catalogue.values import MAX_STATES, ValueSamples
from dataflow_validator.contracts.names import column_of
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType


def columns_of(spec: ContractSpec) -> list[tuple[str, ...]]:
    """Returns the rows that the validator notes for a contract."""
    columns = [column_of(item) for item in spec.fields]
    return [(item.field, item.name, item.sql_type, item.unit, item.description) for item in columns]


def test_fields_are_found_under_the_columns_that_the_validator_gives_them() -> None:
    """Plain, nested, reserved and hashed names lead to the validator's columns; device and event time are left out."""
    names = ["temp", "/ENERGY/Power", "revision", "field_x", "a.b", 'say "x"', "ts", "device_id", "ünïcode"]
    spec = ContractSpec(
        name="c",
        fields=tuple(FieldSpec(name, FieldType.NUMBER, unit="u", description="d") for name in names),
        event_time="ts",
    )
    found = fields_of(spec.to_dict(), sorted(columns_of(spec)))
    wanted = [item for item in spec.fields if item.name not in {"ts", "device_id"}]
    assert [(item.name, item.column) for item in found] == [(item.name, column_of(item).name) for item in wanted]
    assert {(item.kind, item.unit, item.description) for item in found} == {(Kind.NUMBER, "u", "d")}


def test_every_type_of_the_validator_has_a_kind() -> None:
    """What a column holds follows from its SQL type; an object holds no single value."""
    wanted = {
        FieldType.NUMBER: Kind.NUMBER,
        FieldType.INTEGER: Kind.INTEGER,
        FieldType.BOOLEAN: Kind.BOOLEAN,
        FieldType.STRING: Kind.TEXT,
        FieldType.TIMESTAMP: Kind.TIME,
        FieldType.OBJECT: Kind.OTHER,
    }
    spec = ContractSpec(name="c", fields=tuple(FieldSpec(kind.name.lower(), kind) for kind in wanted))
    found = fields_of(spec.to_dict(), columns_of(spec))
    assert {item.name: item.kind for item in found} == {kind.name.lower(): value for kind, value in wanted.items()}


def test_fields_of_older_revisions_can_still_be_asked_about() -> None:
    """A column that the contract of today does not name any more comes after those that it names."""
    spec = ContractSpec(name="c", fields=(FieldSpec("new", FieldType.NUMBER),))
    found = fields_of(spec.to_dict(), [("old", "old", "text", "", ""), *columns_of(spec)])
    assert [item.name for item in found] == ["new", "old"]


class Readings:
    """Answers every query with the same values, and counts the queries."""

    def __init__(self, *values: str) -> None:
        self.values = values
        self.queries: list[str] = []

    async def fetch(self, sql: str, *parameters: object) -> Sequence[Sequence[Any]]:
        """Returns the values as rows."""
        assert "$1" in sql
        assert parameters[0] == ["a", "b"]
        self.queries.append(sql)
        return [(value,) for value in self.values]


async def test_values_of_texts_and_states_are_sampled_once() -> None:
    """Texts and whole numbers get their values, numbers do not, and a second look within a minute asks nothing."""
    readings = Readings("NW", "N")
    samples = ValueSamples(readings)
    fields = (Field("wd", "wd", Kind.TEXT), Field("on", "on", Kind.INTEGER), Field("temp", "temp", Kind.NUMBER))
    for _ in range(2):
        found = await samples.with_values("air", fields, ["a", "b"])
        assert [item.values for item in found] == [("NW", "N"), ("NW", "N"), ()]
    assert len(readings.queries) == 2
    assert 'readings."air"' in readings.queries[0]


async def test_a_whole_number_with_many_values_is_no_state() -> None:
    """A counter has no list of values."""
    readings = Readings(*(str(number) for number in range(MAX_STATES + 1)))
    (found,) = await ValueSamples(readings).with_values("air", (Field("n", "n", Kind.INTEGER),), ["a", "b"])
    assert found.values == ()
