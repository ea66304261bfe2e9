"""The time zone of a request."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dataflow_mesh.errors import InvalidRequestError


def zone_named(name: str) -> ZoneInfo:
    """Returns a time zone; UTC for an empty name.

    Raises:
        InvalidRequestError: There is none of this name.
    """
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise InvalidRequestError(
            f"time_zone: there is no time zone {name!r}; use an IANA name such as Europe/Berlin"
        ) from error
