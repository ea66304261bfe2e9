"""The bytes below packets, the same in both protocol versions: integers, strings, topic names and filters."""

from __future__ import annotations

from typing import Final

from dataflow_bridge.listener.violation import malformed

CONNECT: Final = 1
PUBLISH: Final = 3
PUBACK: Final = 4
PUBREC: Final = 5
PUBREL: Final = 6
PUBCOMP: Final = 7
SUBSCRIBE: Final = 8
UNSUBSCRIBE: Final = 10
PINGREQ: Final = 12
DISCONNECT: Final = 14
AUTH: Final = 15
"""Packet types that a client may send (the upper half of the first byte)."""

FLAGS: Final = {CONNECT: 0, PUBACK: 0, PUBREC: 0, PUBREL: 2, PUBCOMP: 0, SUBSCRIBE: 2, UNSUBSCRIBE: 2, PINGREQ: 0}
"""The only allowed lower half of the first byte, for the types where both versions agree on it."""


def read_size(data: bytes, start: int, end: int) -> tuple[int, int] | None:
    """Read a variable byte integer at `start`; return it with the offset behind it, or None if `end` cuts it.

    Raises:
        Violation: Longer than four bytes, or longer than needed.
    """
    value = 0
    for index in range(4):
        at = start + index
        if at >= end:
            return None
        byte = data[at]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if index and not byte:
                text = "remaining length or property length has more bytes than needed"
                raise malformed(text)
            return value, at + 1
    text = "remaining length or property length has more than four bytes"
    raise malformed(text)


def read_u16(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Read two bytes; return the number and the offset behind it.

    Raises:
        Violation: The packet ends before.
    """
    if start + 2 > end:
        text = "packet ends inside a number"
        raise malformed(text)
    return data[start] << 8 | data[start + 1], start + 2


def read_binary(data: bytes, start: int, end: int) -> tuple[bytes, int]:
    """Read bytes with a length before them; return them and the offset behind.

    Raises:
        Violation: The packet ends before.
    """
    size, start = read_u16(data, start, end)
    if start + size > end:
        text = "packet ends inside a string or binary field"
        raise malformed(text)
    return data[start : start + size], start + size


def read_string(data: bytes, start: int, end: int) -> tuple[str, int]:
    """Read a UTF-8 string; return it and the offset behind it.

    Raises:
        Violation: Cut, not UTF-8 (surrogates are not), or with the character NUL [MQTT-1.5.4-1, MQTT-1.5.4-2].
    """
    raw, end_of_string = read_binary(data, start, end)
    return text_of(raw), end_of_string


def text_of(raw: bytes) -> str:
    """Decode the bytes of a string.

    Raises:
        Violation: Not UTF-8, or with the character NUL.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        problem = "string is not valid UTF-8"
        raise malformed(problem) from error
    if "\0" in text:
        problem = "string holds the character U+0000"
        raise malformed(problem)
    return text


def is_topic_name(topic: str) -> bool:
    """Tell whether messages may be published on `topic`: not empty, no wildcards (NUL is refused by `text_of`)."""
    return bool(topic) and "+" not in topic and "#" not in topic


def is_topic_filter(pattern: str) -> bool:
    """Tell whether `pattern` is a well-formed topic filter: `+` fills a level, `#` fills the last one."""
    levels = pattern.split("/")
    return bool(pattern) and all(
        ("#" not in level or (level == "#" and index == len(levels) - 1)) and ("+" not in level or level == "+")
        for index, level in enumerate(levels)
    )


def write_size(value: int) -> bytes:
    """Write a variable byte integer."""
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        out.append(byte | 0x80 if value else byte)
        if not value:
            return bytes(out)
