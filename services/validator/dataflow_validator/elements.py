"""A message that is many items: the bytes that each of them was sent as, split once for all."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha1
from json import JSONDecoder


class SplitMessage:
    """An array message; split when somebody first asks for one of its elements.

    Anew for each of 10,000 bad elements would hold the event loop for 20 s.

    Args:
        payload: The message's bytes.
        digest: SHA-1 of what they were before elements of them were deleted; `None` where none was.
    """

    __slots__ = ("_digest", "_pieces", "payload")

    def __init__(self, payload: bytes, digest: bytes | None = None) -> None:
        self.payload = payload
        self._pieces: list[bytes] | None = None
        self._digest = digest

    @property
    def digest(self) -> bytes:
        """SHA-1 of the whole message, from which the ids of kind c of its elements are made."""
        if self._digest is None:
            self._digest = sha1(self.payload, usedforsecurity=False).digest()
        return self._digest

    def element(self, index: int) -> bytes | None:
        """Return the bytes of one element exactly as they were sent; `None` where they cannot be told apart."""
        if self._pieces is None:
            text = self.payload.decode("utf-8", "surrogatepass")
            self._pieces = [piece.encode("utf-8", "surrogatepass") for piece in _elements(text)]
        return self._pieces[index] if index < len(self._pieces) else None


def _elements(text: str) -> Iterator[str]:
    decoder = JSONDecoder()
    at = text.index("[") + 1
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        if at >= len(text) or text[at] == "]":
            return
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield text[at:end]
        at = end
