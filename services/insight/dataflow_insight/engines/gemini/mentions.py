"""Which devices a text names: exactly, or but for case, spaces and punctuation."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, key_of

_WORD: Final = re.compile(r"\w+", re.UNICODE)
_LONGEST: Final = 6
_MOST_WORDS: Final = 4000


@dataclass(frozen=True, slots=True)
class Mention:
    """A piece of a text that names a device."""

    start: int
    end: int
    device: str


def devices_in(text: str, contracts: Collection[Contract]) -> list[Mention]:
    """Returns the devices that a text names, longest names first where they overlap, in the order of the text."""
    found: list[Mention] = []
    taken = 0
    for start, ends in _starts(text):
        if start < taken:
            continue
        for end in ends:
            device = _device(text[start:end], contracts)
            if device is not None:
                found.append(Mention(start, end, device))
                taken = end
                break
    return found


def keys_in(text: str) -> set[str]:
    """Returns the spelling-insensitive keys of all names that a text may hold: of each word and of some words in a row."""
    return {key_of(text[start:end]) for start, ends in _starts(text) for end in ends}


def _starts(text: str) -> Iterator[tuple[int, list[int]]]:
    """Yields where a name may begin, and where it may then end, the longest first."""
    words = [match.span() for match in _WORD.finditer(text)][:_MOST_WORDS]
    for index, (start, _) in enumerate(words):
        yield start, [end for _, end in reversed(words[index : index + _LONGEST])]


def _device(piece: str, contracts: Collection[Contract]) -> str | None:
    key = key_of(piece)
    for contract in contracts:
        devices = contract.device_keys.get(key)
        if devices:
            return piece if piece in devices else devices[0]
    return None
