"""The senders' side of the account, on disk: memory stays the same however long a campaign is.

Four files of tab-separated lines, which the checker copies into Postgres as they are:

- `item.tsv`: a number that stands in a payload, and what must become of it;
- `sending.tsv`: a message that was handed to a client, and when;
- `carried.tsv`: which items a sending has: one, or several in an array;
- `event.tsv`: when a sending was acknowledged, or sent again by its client.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self, TextIO

FILES: Final = ("item", "sending", "carried", "event")
_BUFFER_BYTES: Final = 1 << 20


class Fate(StrEnum):
    """What must become of an item."""

    ROW = "row"
    REFUSED = "refused"
    UNROUTED = "unrouted"
    CONTESTED = "contested"
    """One item of its group becomes the row, the others are kept as CONFLICT; which one is not said."""


@dataclass(slots=True)
class Totals:
    """How much stands in the journal."""

    items: int = 0
    sendings: int = 0
    acknowledged: int = 0
    again: int = 0
    """Packets that a client sent again by itself."""


class Journal:
    """An append-only log of what was sent and acknowledged.

    Args:
        directory: Where its files are made; must exist.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.totals = Totals()
        self.began = time.monotonic()
        self._files: dict[str, TextIO] = {
            name: (directory / f"{name}.tsv").open("w", encoding="utf-8", buffering=_BUFFER_BYTES) for name in FILES
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    @property
    def now(self) -> float:
        """Seconds since the campaign began."""
        return time.monotonic() - self.began

    def path(self, name: str) -> Path:
        """Returns one of the files; `flush` first."""
        return self.directory / f"{name}.tsv"

    def flush(self) -> None:
        """Hands everything to the operating system, for whoever reads the files."""
        for file in self._files.values():
            if not file.closed:
                file.flush()

    def add_item(self, contract: str, kind: str, fate: Fate, group: int | None = None) -> int:
        """Numbers an item.

        Args:
            contract: Which contract judges it.
            kind: Of the message id that it must get: a, b, c or d.
            fate: What must become of it, unless a later one contests it.
            group: The number of the item whose key it has; None: its own.
        """
        self.totals.items += 1
        number = self.totals.items
        self._files["item"].write(f"{number}\t{contract}\t{kind}\t{fate}\t{group or number}\n")
        return number

    def add_sending(self, publisher: str, topic: str, numbers: Sequence[int], *, counted: bool) -> int:
        """Numbers a message that is handed to a client now.

        Args:
            publisher: Who sends it.
            topic: Where to.
            numbers: Of its items.
            counted: Whether `sent_again` tells of every time that it goes out; a broker, say, does not.
        """
        self.totals.sendings += 1
        sending = self.totals.sendings
        self._files["sending"].write(f"{sending}\t{publisher}\t{topic}\t{self.now:.3f}\t{'t' if counted else 'f'}\n")
        self._files["carried"].writelines(f"{sending}\t{number}\n" for number in numbers)
        return sending

    def acknowledged(self, sending: int) -> None:
        """Notes that a sending was acknowledged; at most once for each."""
        self.totals.acknowledged += 1
        self._files["event"].write(f"{sending}\tack\t{self.now:.3f}\n")

    def sent_again(self, sending: int) -> None:
        """Notes that the client sent it once more."""
        self.totals.again += 1
        self._files["event"].write(f"{sending}\tagain\t{self.now:.3f}\n")
