"""A small table and one beside it for plans: nulls, equal values, repeated times, gaps, and the nights when clocks change."""

import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind, Rollup

MIX: Final = "mix"
SIDE: Final = "side"
DEVICES: Final = ("attic", "bath", "cellar")
STARTS: Final = (
    datetime(2024, 3, 29, 20, 0, tzinfo=UTC),
    datetime(2024, 10, 26, 10, 0, tzinfo=UTC),
)
"""Some hours before the clocks of Berlin go forward, and back."""

_FIELDS: Final = {
    MIX: (
        Field("temp", "temp", Kind.NUMBER, "°C"),
        Field("/box/level", "box.level", Kind.INTEGER, "hPa"),
        Field("on", "on", Kind.BOOLEAN),
        Field('mo"od {0}', "field__mood", Kind.TEXT),
    ),
    SIDE: (
        Field("wind", "wind", Kind.NUMBER, "m/s"),
        Field("rain", "rain", Kind.BOOLEAN),
        Field("sky", "sky", Kind.TEXT),
    ),
}
_TYPES: Final = {
    Kind.NUMBER: "double precision",
    Kind.INTEGER: "bigint",
    Kind.BOOLEAN: "boolean",
    Kind.TEXT: "text",
}
_STEP: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Reading:
    """A stored reading.

    Attributes:
        device: Its device.
        moment: Its event time.
        message: Its message id; it orders readings of one time.
        values: By field name.
    """

    device: str
    moment: datetime
    message: uuid.UUID
    values: Mapping[str, Any]


Readings = Mapping[str, Sequence[Reading]]
"""By contract."""


def random_readings(chance: random.Random, size: int = 120) -> Readings:
    """Returns readings of both contracts: `size` of each device around each change of clocks."""
    return {name: _readings(chance, name, size) for name in _FIELDS}


def catalogue_of(readings: Readings, rollup: Rollup | None = None) -> Catalogue:
    """Returns the catalogue that a survey of the readings would give."""
    return Catalogue(
        tuple(
            Contract(name, fields, tuple(sorted({reading.device for reading in readings[name]})), rollup=rollup)
            for name, fields in _FIELDS.items()
        )
    )


def _readings(chance: random.Random, contract: str, size: int) -> list[Reading]:
    found = []
    for device in DEVICES:
        for start in STARTS:
            moment = start + timedelta(minutes=chance.randrange(30)) * (chance.random() < 0.5)
            for _ in range(size):
                values = {item.name: _value(chance, item.kind) for item in _FIELDS[contract]}
                found.append(Reading(device, moment, uuid.UUID(int=chance.getrandbits(128)), values))
                # Now and then the same time again, or nothing for some hours.
                moment += chance.choices((_STEP, timedelta(), _STEP * 7, timedelta(seconds=95)), (90, 3, 3, 4))[0]
    chance.shuffle(found)
    return found


def _value(chance: random.Random, kind: Kind) -> Any:
    if chance.random() < 0.12:
        return None
    match kind:
        case Kind.NUMBER:
            return chance.choice((chance.randint(-6, 12) / 2, round(chance.gauss(3, 4), 3)))
        case Kind.INTEGER:
            return chance.randint(-3, 6)
        case Kind.BOOLEAN:
            return chance.random() < 0.6
        case _:
            return chance.choice(("calm", "Wild", "o'dd; --", "ümläut", "{x}"))


def create_statements(contract: str) -> list[str]:
    """Returns the statements that make a contract's table in the store's shape."""
    columns = ", ".join(f'"{item.column}" {_TYPES[item.kind]}' for item in _FIELDS[contract])
    return [
        f"""CREATE TABLE readings."{contract}" (
            device_id text COLLATE "C" NOT NULL, event_time timestamptz NOT NULL, receive_time timestamptz NOT NULL,
            message_id uuid NOT NULL, content_hash bigint NOT NULL, revision integer NOT NULL,
            stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id(), maybe_duplicate boolean NOT NULL DEFAULT false,
            {columns}, extra jsonb, PRIMARY KEY (device_id, event_time, message_id)) PARTITION BY RANGE (event_time)""",
        f'CREATE INDEX ON readings."{contract}" (event_time)',
        f"""CREATE TABLE readings."{contract}:2024-03" PARTITION OF readings."{contract}"
            FOR VALUES FROM ('2024-03-01 00:00Z') TO ('2024-04-01 00:00Z')""",
        f'CREATE TABLE readings."{contract}:default" PARTITION OF readings."{contract}" DEFAULT',
    ]


def record_columns(contract: str) -> list[str]:
    """Returns the columns that `records` fills."""
    envelope = ["device_id", "event_time", "receive_time", "message_id", "content_hash", "revision"]
    return [*envelope, *(item.column for item in _FIELDS[contract])]


def records(contract: str, readings: Sequence[Reading]) -> list[tuple[Any, ...]]:
    """Returns rows for the contract's table."""
    return [(item.device, item.moment, item.moment, item.message, 0, 1, *item.values.values()) for item in readings]
