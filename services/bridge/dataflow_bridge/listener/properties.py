"""MQTT 5 properties, read by hand: for the PUBLISH hot path, and to guard the codec.

`mqtt5` 0.8 panics on a string that is not UTF-8 (a `PanicException` is no `Exception`, and it prints a backtrace), so no
packet goes to it whose strings were not walked here before.
"""

from __future__ import annotations

from typing import Final

from dataflow_bridge.listener.violation import malformed, protocol_error
from dataflow_bridge.listener.wire import read_binary, read_size, read_string, read_u16

PAYLOAD_FORMAT: Final = 0x01
CONTENT_TYPE: Final = 0x03
RESPONSE_TOPIC: Final = 0x08
TOPIC_ALIAS: Final = 0x23
USER_PROPERTY: Final = 0x26
SUBSCRIPTION_ID: Final = 0x0B

_KIND: Final[dict[int, str]] = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), "byte"),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), "u16"),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), "u32"),
    **dict.fromkeys((0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F), "string"),
    **dict.fromkeys((0x09, 0x16), "binary"),
    0x0B: "size",
    0x26: "pair",
}
"""How each property is written."""

PUBLISH_PROPERTIES: Final = frozenset({0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26})
"""What a client may put on a PUBLISH: all but a subscription identifier."""


def read_properties(
    data: bytes, start: int, end: int, allowed: frozenset[int] | None = None
) -> tuple[dict[int, int | str | bytes], list[tuple[str, str]], int]:
    """Read a property block; return its values by identifier, its user properties, and the offset behind it.

    Args:
        data: The bytes that hold the packet.
        start: Where the property length begins.
        end: Where the packet ends.
        allowed: Identifiers that may occur; None leaves this to the codec.

    Raises:
        Violation: Cut, unknown, not allowed here, or given twice.
    """
    size = read_size(data, start, end)
    if size is None or size[1] + size[0] > end:
        text = "properties are longer than their packet"
        raise malformed(text)
    at = size[1]
    stop = at + size[0]
    values: dict[int, int | str | bytes] = {}
    pairs: list[tuple[str, str]] = []
    while at < stop:
        identifier = data[at]
        at += 1
        if allowed is not None and identifier not in allowed:
            text = f"property 0x{identifier:02x} is not allowed here"
            raise protocol_error(text)
        if identifier == USER_PROPERTY:
            name, at = read_string(data, at, stop)
            value, at = read_string(data, at, stop)
            pairs.append((name, value))
            continue
        if identifier in values and identifier != SUBSCRIPTION_ID:
            text = f"property 0x{identifier:02x} is given twice"
            raise protocol_error(text)
        values[identifier], at = _read_value(data, at, stop, identifier)
    return values, pairs, stop


def _read_value(data: bytes, at: int, stop: int, identifier: int) -> tuple[int | str | bytes, int]:
    """Read the value of one property that is not a user property."""
    kind = _KIND.get(identifier)
    if kind == "string":
        return read_string(data, at, stop)
    if kind == "binary":
        return read_binary(data, at, stop)
    if kind == "u16":
        return read_u16(data, at, stop)
    if kind == "size":
        size = read_size(data, at, stop)
        if size is not None:
            return size
    elif kind is not None:
        width = 1 if kind == "byte" else 4
        if at + width <= stop:
            return int.from_bytes(data[at : at + width], "big"), at + width
    text = f"property 0x{identifier:02x} is unknown or cut"
    raise malformed(text)
