"""In whose time a question speaks: the asker's, unless it names another."""

import re
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from dataflow_insight.english.moments import TimeError
from dataflow_insight.english.sheet import Sheet

UTC_ZONE: Final = ZoneInfo("UTC")

_OWN: Final = r",?\s*\(?\s*\b(?:in\s+)?(?:(?:my|our|the)\s+(?:own\s+)?(?:local\s+)?time\s?zone|(?:my\s+|our\s+)?local\s+time|(?:my|our)\s+(?:own\s+)?time)\b\s*\)?"
_UTC: Final = r"\(?\s*\b(?:(?:all\s+)?(?:times?\s+)?in\s+)?(?:utc|gmt|(?:coordinated\s+)?universal\s+time)(?:\s+times?)?\b(?!\s*[+-]\s*\d)\s*\)?"
_ZULU: Final = r"(?<![-\d]\d[t\s])\b(?:\d\d?:\d\d(?::\d\d)?)\s?(?P<zone>z)\b"
_OFFSET: Final = r"\b(?:utc|gmt)\s*[+-]\s*\d"
_LETTERS: Final = r"\b(?:cet|cest|eet|eest|est|edt|cdt|mst|mdt|pst|pdt|bst|ist|jst|aest|msk|(?:eastern|central|pacific|mountain)\s+(?:standard\s+|daylight\s+)?time)\b"
_PLACE: Final = r"\(?\s*\b(?:in\s+)?(?P<name>[a-z]+(?:[/_\s][a-z]+){0,%d})\s+(?:local\s+)?time(?:\s?zone)?\b\s*\)?"
_SLASHED: Final = r"\(?\s*\b(?:in\s+)?(?P<name>[a-z]+/[a-z]+(?:[/_][a-z]+){0,2})\b\s*\)?"
_OTHER_CITIES: Final = {"beijing": "Asia/Shanghai", "munich": "Europe/Berlin", "delhi": "Asia/Kolkata"}


def read_zone(sheet: Sheet, zone: ZoneInfo, assumptions: list[str]) -> ZoneInfo:
    """Covers words about the zone of times and returns it: one that the question names wins over the asker's.

    Raises:
        TimeError: It is named in a way that several zones share.
    """
    if sheet.find(_OFFSET) or sheet.find(_LETTERS):
        raise TimeError('Please name the time zone as "Europe/Berlin" does, or write times in UTC.')
    named = bool(sheet.take_all(_UTC))
    while sheet.take(_ZULU, "zone") is not None:
        named = True
    own = bool(sheet.take_all(_OWN))
    if named and own:
        # "When (UTC) was the peak on 23 January, my time?": days are the asker's, answers are in UTC anyway.
        assumptions.append(f"days and hours are those of {zone.key}, times of the answer are in UTC")
        return zone
    if named:
        if zone.key != UTC_ZONE.key:
            assumptions.append("times are in UTC, as the question says")
        return UTC_ZONE
    for pattern in (_SLASHED, *(_PLACE % more for more in (2, 1, 0))):
        found = next(
            (item for item in re.finditer(rf"(?={pattern})", sheet.visible) if _zone(item["name"]) is not None), None
        )
        found = re.compile(pattern).match(sheet.visible, found.start()) if found is not None else None
        key = _zone(found["name"]) if found is not None else None
        if found is not None and key is not None:
            sheet.cover(found.start(), found.end())
            assumptions.append(f"times are those of {key}, as the question says")
            return ZoneInfo(key)
    return zone


def _zone(name: str) -> str | None:
    return _zones().get("_".join(name.split()))


@cache
def _zones() -> dict[str, str]:
    """Returns zones by their whole name and by the place in it, in lower case."""
    names = [
        name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/", "right/"))
    ]
    found = {name.rsplit("/", 1)[-1].lower(): name for name in sorted(names)}
    return found | {name.lower(): name for name in names} | _OTHER_CITIES
