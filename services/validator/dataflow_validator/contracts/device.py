"""How a route finds out which device an item comes from."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from dataflow_validator.contracts.errors import RouteError
from dataflow_validator.contracts.parse import is_storable
from dataflow_validator.contracts.pointer import MISSING, resolve, tokens_of

MAX_DEVICE_ID_BYTES: Final = 512
"""In UTF-8. Part of every row's key, and Postgres limits what an index entry holds."""


class DeviceSource(StrEnum):
    """Where the device id stands."""

    TOPIC = "topic"
    PAYLOAD = "payload"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """Where to find the device id of an item.

    Attributes:
        source: In the topic, in the item, or the identity that the sender was authenticated as.
        level: The topic level, counted from 1; 0 for other sources.
        tokens: The members that lead to it in the item; empty for other sources.
    """

    source: DeviceSource
    level: int = 0
    tokens: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `topic:N`, `payload:/pointer` or `identity`.

        Raises:
            RouteError: It is none of these.
        """
        source, _, rest = text.partition(":")
        if source == DeviceSource.TOPIC and rest.isascii() and rest.isdigit() and 1 <= len(rest) <= 4 and int(rest) > 0:
            return cls(DeviceSource.TOPIC, level=int(rest))
        if source == DeviceSource.PAYLOAD and rest.startswith("/"):
            try:
                return cls(DeviceSource.PAYLOAD, tokens=tokens_of(rest))
            except ValueError as problem:
                raise RouteError(f"device rule {text!r}: {problem}") from problem
        if text == DeviceSource.IDENTITY:
            return cls(DeviceSource.IDENTITY)
        raise RouteError(
            f"device rule {text!r}: write 'topic:N' (levels count from 1), 'payload:/pointer' or 'identity'"
        )

    def __str__(self) -> str:
        """Write the rule as `parse` reads it."""
        if self.source is DeviceSource.TOPIC:
            return f"topic:{self.level}"
        if self.source is DeviceSource.PAYLOAD:
            return "payload:" + "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in self.tokens)
        return "identity"

    def find(self, topic: str, identity: str | None, item: object) -> object:
        """Look the device id up.

        Args:
            topic: The message's topic.
            identity: What the sender was authenticated as; `None` where it was not.
            item: The parsed item, or `MISSING` where there is none.

        Returns:
            What stands there, or `MISSING`; `device_id_of` says whether it can be a device id.
        """
        if self.source is DeviceSource.TOPIC:
            levels = topic.split("/")
            return levels[self.level - 1] if self.level <= len(levels) else MISSING
        if self.source is DeviceSource.PAYLOAD:
            return resolve(item, self.tokens)
        return MISSING if identity is None else identity


def device_id_of(found: object) -> str | None:
    """Make a device id of what a rule found.

    Device ids are compared exactly. An integer is taken in decimal digits, since many devices number themselves.

    Returns:
        The id; `None` where it cannot be one: another type, empty, longer than `MAX_DEVICE_ID_BYTES`, or not storable.
    """
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found) if found.bit_length() <= 64 else ""
    if not isinstance(found, str) or not found or not is_storable(found):
        return None
    return found if len(found) * 4 <= MAX_DEVICE_ID_BYTES or len(found.encode()) <= MAX_DEVICE_ID_BYTES else None
