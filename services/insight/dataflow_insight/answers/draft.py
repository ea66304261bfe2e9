"""What passes between writers, verification and the asker: a text, what it claims to stand on, and what it does stand on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """What a writer says about a piece of its text.

    Attributes:
        start: Where the piece begins.
        end: Where it ends, exclusive.
        row: The cell's row.
        column: The cell's column.
        result: Number of the result (`Computed.index`).
    """

    start: int
    end: int
    row: int
    column: int
    result: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """A text and the claims about it."""

    text: str
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """A piece of the text that a cell supports.

    Attributes:
        text: As it stands in the answer; a difference that a word such as "lower" tells stands without its sign.
        row: The cell's row.
        column: The cell's column.
        digits: How many follow the point if it was rounded.
        result: Number of the result.
    """

    text: str
    row: int
    column: int
    digits: int | None = None
    result: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """A text that may be shown.

    Attributes:
        text: What is left of it: whole sentences.
        bindings: What stands on which cell.
        clean: Nothing had to be removed.
        removed: What was removed and why, for logs and tests; never for the asker.
    """

    text: str
    bindings: tuple[Bound, ...] = ()
    clean: bool = True
    removed: tuple[tuple[str, str], ...] = ()
