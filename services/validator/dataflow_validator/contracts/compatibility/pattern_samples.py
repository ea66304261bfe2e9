"""Texts that a regular expression is found in: for the ordinary part of the language, the rest gives nothing."""

from random import Random
from typing import Final

_CLASSES: Final = {"d": "0123456789", "w": "abcXYZ019_", "s": " \t", "D": "aZ-", "W": "-. ", "S": "aZ9"}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_MAX_REPEAT: Final = 4


class _UnreadError(Exception):
    """The expression uses what this reader does not know."""


def sample_pattern(pattern: str, random: Random) -> str | None:
    """Make up a text for a pattern.

    Args:
        pattern: A regular expression (ECMA 262).
        random: Where the choices come from.

    Returns:
        A text that probably matches; `None` where the expression is beyond this reader.
    """
    try:
        reader = _Reader(pattern, random)
        made = reader.alternatives()
    except (_UnreadError, IndexError, ValueError):
        return None
    return made if reader.is_done else None


class _Reader:
    def __init__(self, pattern: str, random: Random) -> None:
        self._left = list(pattern)[::-1]
        self._random = random

    @property
    def is_done(self) -> bool:
        return not self._left

    def alternatives(self) -> str:
        options = [self._sequence()]
        while self._left and self._left[-1] == "|":
            self._left.pop()
            options.append(self._sequence())
        return self._random.choice(options)

    def _sequence(self) -> str:
        made = ""
        while self._left and self._left[-1] not in "|)":
            before = self._left.copy()
            piece = self._atom()
            after = self._left
            low, high = self._quantifier()
            if (low, high) == (1, 1):
                made += piece
                continue
            rest = self._left
            for _ in range(self._random.randint(low, high)):
                # Read again for each repeat, so that classes give other characters.
                self._left = before.copy()
                made += self._atom()
            del after
            self._left = rest
        return made

    def _atom(self) -> str:
        char = self._left.pop()
        if char in "^$":
            return ""
        if char == ".":
            return self._random.choice("ax7 -")
        if char == "(":
            return self._group()
        if char == "[":
            return self._random.choice(self._set())
        if char == "\\":
            return self._escape()
        if char in "*+?{":
            raise _UnreadError
        return char

    def _group(self) -> str:
        if self._left[-1] == "?":
            self._left.pop()
            if self._left.pop() != ":":
                raise _UnreadError
        made = self.alternatives()
        if self._left.pop() != ")":
            raise _UnreadError
        return made

    def _escape(self) -> str:
        char = self._left.pop()
        if char in _CLASSES:
            return self._random.choice(_CLASSES[char])
        if char in "bBkpPux0123456789":
            if char == "b":
                return ""
            raise _UnreadError
        return _ESCAPES.get(char, char)

    def _set(self) -> str:
        is_negated = self._left[-1] == "^"
        if is_negated:
            self._left.pop()
        members = ""
        while (char := self._left.pop()) != "]":
            if char == "\\":
                inner = self._left.pop()
                members += _CLASSES.get(inner, _ESCAPES.get(inner, inner))
            elif self._left[-1] == "-" and self._left[-2] != "]":
                self._left.pop()
                last = self._left.pop()
                members += "".join(map(chr, range(ord(char), min(ord(last), ord(char) + 200) + 1)))
            else:
                members += char
        if is_negated:
            members = "".join(option for option in "abcxyzABC0189-_ .é" if option not in members)
        if not members:
            raise _UnreadError
        return members

    def _quantifier(self) -> tuple[int, int]:
        if not self._left or self._left[-1] not in "*+?{":
            return 1, 1
        char = self._left.pop()
        if char == "{":
            inside = ""
            while (digit := self._left.pop()) != "}":
                inside += digit
            least, comma, most = inside.partition(",")
            low = int(least)
            high = (int(most) if most else low + _MAX_REPEAT) if comma else low
        else:
            low = 1 if char == "+" else 0
            high = 1 if char == "?" else _MAX_REPEAT
        if self._left and self._left[-1] in "?+":
            self._left.pop()
        return low, high
