"""What the fields of one contract may be called: by their names, by the quantity they measure, by their descriptions."""

import re
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field, Kind, key_of
from dataflow_insight.catalogue.concepts import CONCEPTS, Concept, canonical_unit, concept_of_name

_MOST_DESCRIBING_WORDS: Final = 4
_STATES: Final = frozenset({"on", "off", "open", "closed", "running", "active", "enabled", "state", "status", "flag"})
"""Last words of fields that say yes or no of what stands before."""

_VALUES: Final = frozenset({"level", "value", "reading"})
"""Last words of fields that say nothing beyond what stands before."""

GROUPS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (
        ("dust", "particles", "particulates", "particulate matter", "fine and coarse dust"),
        ("pm25", "pm10", "pm1"),
    ),
    (
        (
            "pollution",
            "air pollution",
            "air quality",
            "smog",
            "haze",
            "pollutants",
            "pollutant",
        ),
        ("aqi", "pm25", "pm10", "so2", "no2", "co", "o3"),
    ),
)
"""Words for several quantities, and names of these: meant is the one that a contract has, or that the question also names."""


def aliases_of(contract: Contract) -> dict[str, tuple[Field, ...]]:
    """Returns the fields of a contract by the keys of all their names; several fields may share one."""
    strong: dict[str, list[Field]] = {}
    exact = {key_of(item.name): item for item in contract.fields}
    for item in contract.fields:
        keys = set(_own_keys(item))
        concept = concept_of(item)
        if concept is not None:
            keys |= {key_of(phrase) for phrase in concept.phrases}
        if item.description and len(item.description.split()) <= _MOST_DESCRIBING_WORDS:
            keys.add(key_of(item.description))
        for key in keys:
            if key and exact.get(key, item) is item:
                strong.setdefault(key, []).append(item)
    for weak in (
        _by_state(contract),
        _by_last_word(contract),
        _by_description(contract, strong),
        _by_unit(contract, strong),
    ):
        for key, items in weak.items():
            strong.setdefault(key, list(dict.fromkeys(items)))
    return {key: tuple(items) for key, items in strong.items()}


def groups_of(contract: Contract) -> dict[str, tuple[Field, ...]]:
    """Returns the fields that a word for several quantities ("pollution") can mean; without words that mean nothing here."""
    found: dict[str, tuple[Field, ...]] = {}
    for phrases, names in GROUPS:
        wanted = [concept_of_name(name) for name in names]
        fields = tuple(
            item for item in contract.fields if (concept := concept_of(item)) is not None and concept in wanted
        )
        for phrase in phrases:
            if fields and phrase != contract.name:
                found[key_of(phrase)] = fields
    return found


def concept_of(item: Field) -> Concept | None:
    """Returns the quantity that a field measures, as far as its name says."""
    return concept_of_name(item.name)


def adds_up(item: Field) -> bool:
    """Returns whether a sum of this field over time means something."""
    concept = concept_of(item)
    return concept is not None and concept.adds_up


def is_concept(key: str) -> bool:
    """Returns whether a key is the name of a quantity, so that it is not an ordinary word."""
    return any(key == key_of(phrase) for concept in CONCEPTS for phrase in concept.phrases)


def _by_state(contract: Contract) -> dict[str, list[Field]]:
    """Calls "engine_on" the "engine" and "fuel_level" the "fuel", where nothing else is measured of it.

    What says yes of the engine stands in the question.
    """
    found: dict[str, list[Field]] = {}
    for item in contract.fields:
        *thing, state = _words(item.name.rsplit("/", 1)[-1]) or [""]
        known = _STATES if item.kind is Kind.BOOLEAN else _VALUES
        if state not in known or not thing or thing[0] in {"is", "has"}:
            continue
        others = {word for other in contract.fields if other is not item for word in _words(other.name)}
        if others.isdisjoint(thing):
            found.setdefault("".join(thing), []).append(item)
    return found


def _by_last_word(contract: Contract) -> dict[str, list[Field]]:
    """Calls "outdoor_temp" "temp", and whatever else a "temp" is called."""
    found: dict[str, list[Field]] = {}
    for item in contract.fields:
        for word in _words(item.name)[-1:]:
            if len(word) > 2:
                found.setdefault(word, []).append(item)
                for concept in CONCEPTS:
                    if word in concept.names:
                        for phrase in concept.phrases:
                            found.setdefault(key_of(phrase), []).append(item)
    return found


def _by_description(contract: Contract, known: dict[str, list[Field]]) -> dict[str, list[Field]]:
    """Calls a field without a telling name ("t1") by the quantity that its description speaks of, if it is just one."""
    found: dict[str, list[Field]] = {}
    for item in contract.fields:
        if (
            not item.description
            or concept_of(item) is not None
            or any(word in known for word in _words(item.name) if len(word) > 3)
        ):
            continue
        words = re.findall(r"[^\W_]+(?:[.][0-9]+)?", item.description.casefold())
        text = f" {' '.join(words)} "
        spoken = [
            (max(len(phrase) for phrase in concept.phrases if f" {phrase} " in text), concept)
            for concept in CONCEPTS
            if any(f" {phrase} " in text for phrase in concept.phrases)
        ]
        longest = max((length for length, _ in spoken), default=0)
        best = [concept for length, concept in spoken if length == longest]
        for concept in best if len(best) == 1 else ():
            for phrase in concept.phrases:
                found.setdefault(key_of(phrase), []).append(item)
    return found


def _by_unit(contract: Contract, known: dict[str, list[Field]]) -> dict[str, list[Field]]:
    """Calls the only field in °C the temperature, where no other field is one."""
    found: dict[str, list[Field]] = {}
    for concept in CONCEPTS:
        if concept.units[:1] not in {("°c",), ("lux",), ("db",), ("hpa",)} or key_of(concept.phrases[0]) in known:
            continue
        if concept.names[0] == "dewp":
            continue
        fitting = [
            item
            for item in contract.fields
            if item.kind is Kind.NUMBER and canonical_unit(item.unit) in concept.units and concept_of(item) is None
        ]
        if len(fitting) == 1:
            found |= {key_of(phrase): fitting for phrase in concept.phrases}
    return found


def _own_keys(item: Field) -> list[str]:
    last = item.name.rsplit("/", 1)[-1]
    return [key_of(item.name), key_of(last)]


def _words(name: str) -> list[str]:
    return [word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name)]
