"""Schemas written for an older draft, read as 2020-12 where nothing in them means something else there."""

from typing import Final

from dataflow_validator.contracts.schema import DIALECT
from dataflow_validator.contracts.spec import Json

_OLDER: Final = frozenset(
    f"{scheme}://json-schema.org/{draft}"
    for scheme in ("http", "https")
    for draft in ("schema", "draft-06/schema", "draft-07/schema", "draft/2019-09/schema")
)
"""Also the address without a draft, which stands for whichever is the newest."""

_DIFFERING: Final = frozenset({"additionalItems", "dependencies", "$recursiveRef", "$recursiveAnchor", "id"})
_MAPS: Final = frozenset({"properties", "patternProperties", "definitions", "$defs"})
_ANNOTATIONS: Final = frozenset(
    {"$ref", "$comment", "title", "description", "examples", "default", "readOnly", "writeOnly"}
)


def as_current(document: dict[str, Json]) -> dict[str, Json]:
    """Give a schema of an older draft as one of 2020-12.

    Args:
        document: Any schema.

    Returns:
        The document itself where it is of 2020-12 or says nothing of it; where it is of an older draft and uses what has
        another meaning now (lists in `items`, rules beside `$ref` and the like); and where it is of an unknown draft: it
        is then refused with its own words.
    """
    if _named(document) not in _OLDER or _differs(document):
        return document
    return {**_renamed(document), "$schema": DIALECT}


def _named(value: dict[str, Json]) -> str:
    name = value.get("$schema")
    return name.rstrip("#") if isinstance(name, str) else ""


def _differs(document: Json) -> bool:
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            beside = value.keys() - _ANNOTATIONS
            older_id = isinstance(own := value.get("$id"), str) and own.startswith("#")
            if _DIFFERING & value.keys() or isinstance(value.get("items"), list) or older_id:
                return True
            if isinstance(value.get("$ref"), str) and any(not key.startswith(("$", "x-")) for key in beside):
                return True
            for key, inner in value.items():
                # What stands below these are names, and "id" is a common one.
                pending.extend(inner.values() if key in _MAPS and isinstance(inner, dict) else [inner])
        elif isinstance(value, list):
            pending.extend(value)
    return False


def _renamed(document: dict[str, Json]) -> dict[str, Json]:
    """Drop the draft's name from embedded resources, so that all are of one."""
    return {
        key: _renamed_inside(value) if key in {"$defs", "definitions"} and isinstance(value, dict) else value
        for key, value in document.items()
    }


def _renamed_inside(definitions: dict[str, Json]) -> dict[str, Json]:
    return {
        name: {key: inner for key, inner in value.items() if key != "$schema" or _named(value) not in _OLDER}
        if isinstance(value, dict)
        else value
        for name, value in definitions.items()
    }
