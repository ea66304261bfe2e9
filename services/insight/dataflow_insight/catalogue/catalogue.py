"""What can be asked about: contracts, their fields and devices, and the time that the data cover."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from dataflow_insight.catalogue.concepts import concept_of_name
from dataflow_insight.catalogue.units import unit_named


class Kind(StrEnum):
    """What a column holds, as far as a question cares."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"
    TIME = "time"
    OTHER = "other"

    @property
    def numeric(self) -> bool:
        """Whether it can be added, averaged and compared with a number."""
        return self in {Kind.NUMBER, Kind.INTEGER}


@dataclass(frozen=True, slots=True)
class Field:
    """One measured field.

    Attributes:
        name: As the contract calls it ("temp" or "/ENERGY/Power").
        column: Its column in `readings."<contract>"`, unquoted.
        kind: What the column holds.
        unit: As the contract's author wrote it; empty if not said.
        description: For people; a short one also works as a name in questions.
        values: Of a text or of a whole number with few values: what it holds, the most frequent first; empty if not known.
        values_complete: False when there are more than the survey keeps, or the survey saw only some readings.
    """

    name: str
    column: str
    kind: Kind
    unit: str = ""
    description: str = ""
    values: tuple[str, ...] = ()
    values_complete: bool = False

    @property
    def source_unit(self) -> str:
        """What its values are in: the unit of the contract, or the usual one of such a quantity; empty if not known.

        The usual one serves to convert limits and answers, which then say so; it is never shown beside a value.
        """
        if self.unit or not self.kind.numeric:
            return self.unit
        concept = concept_of_name(self.name)
        usual = concept.units[0] if concept is not None and concept.units else ""
        known = unit_named(usual)
        return known.symbol if known is not None else usual


@dataclass(frozen=True, slots=True)
class Rollup:
    """That a contract's readings are rolled up by hours and days.

    Attributes:
        rows_from: Before it readings were removed by retention, and rollups are what is left of them; `None`: none were.
        rollups_from: Before it rollups were removed; `None`: none were.
    """

    rows_from: datetime | None = None
    rollups_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract with readings.

    Attributes:
        name: Of the contract and of its table.
        fields: What is measured, without device and event time.
        devices: Ids of known devices, sorted.
        devices_complete: False when there are more than the survey reads.
        first_time: Earliest event time seen by the survey; `None` without readings.
        last_time: Latest event time seen by the survey.
        cadence: How far apart readings of one device usually are; `None` if that varies.
        builtin: Made by DataFlow itself, about connections rather than measurements.
        description: For people.
        rows: How many readings there are, as Postgres last estimated; `None` if it never did.
        rollup: How far its rollups reach; `None` while there are none.
        device_keys: Spelling-insensitive key to the ids that have it.
    """

    name: str
    fields: tuple[Field, ...]
    devices: tuple[str, ...] = ()
    devices_complete: bool = True
    first_time: datetime | None = None
    last_time: datetime | None = None
    cadence: timedelta | None = None
    builtin: bool = False
    description: str = ""
    rows: int | None = None
    rollup: Rollup | None = None
    device_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.device_keys:
            object.__setattr__(self, "device_keys", keys_of(self.devices))

    def field_named(self, name: str) -> Field | None:
        """Returns the field of exactly this name."""
        return next((item for item in self.fields if item.name == name), None)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All contracts that can be asked about."""

    contracts: tuple[Contract, ...] = ()

    def contract_named(self, name: str) -> Contract | None:
        """Returns the contract of exactly this name."""
        return next((item for item in self.contracts if item.name == name), None)


class Catalogues(Protocol):
    """Knows what can be asked about, now."""

    async def catalogue(self, question: str, *, fresh: bool = False) -> Catalogue:
        """Returns it, with what the question may name.

        Args:
            question: May be empty.
            fresh: Before somebody is told that there is no such thing.
        """
        ...


@lru_cache(maxsize=16_384)
def key_of(text: str) -> str:
    """Returns what is left of a name when case, spaces and punctuation do not count ("PM2.5" -> "pm25")."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if letter.isalnum()) or "".join(folded.split())


def keys_of(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Returns names by their key; several names may share one.

    A name is also found without leading zeros ("sensor 1" is sensor-01) and by its last part ("room 7" is floor-2/room-7),
    where no other name has that key by itself.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        key = key_of(name)
        found[key] = (*found.get(key, ()), name)
    others: dict[str, tuple[str, ...]] = {}
    for name in names:
        last = re.split(r"[/:]", name)[-1]
        for spelling in dict.fromkeys((_without_zeros(name), last, _without_zeros(last))):
            key = key_of(spelling)
            if key not in found and len(key) > 2 and not key.isdigit():
                others[key] = (*others.get(key, ()), name)
    return others | found


def _without_zeros(name: str) -> str:
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)
