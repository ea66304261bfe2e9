"""The time zone of this machine, by its IANA name: what "yesterday" means to whoever sits at it."""

import os
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UTC: Final = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu"})
"""Names of one zone; answers are simpler where it is called by the first."""


def machine_zone(localtime: Path = Path("/etc/localtime"), timezone: Path = Path("/etc/timezone")) -> str:
    """Returns the name of $TZ, else of the system's setting; UTC where neither names a zone.

    Args:
        localtime: A link into a folder of zones.
        timezone: A file that holds a name.
    """
    for name in (os.environ.get("TZ", ""), _linked(localtime), _written(timezone)):
        if _is_zone(name):
            return "UTC" if name in _UTC else name
    return "UTC"


def _linked(localtime: Path) -> str:
    try:
        path = str(localtime.readlink())
    except OSError:
        return ""
    _, _, name = path.partition("zoneinfo/")
    return name


def _written(timezone: Path) -> str:
    try:
        return timezone.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False
    return bool(name)
