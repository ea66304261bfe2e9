"""What is wrong with a contract or a route, said all at once and with the way out."""

from collections.abc import Iterable
from typing import Self


class Problem(str):
    """One mistake in a contract, as a sentence that knows where it stands.

    Attributes:
        path: In the words of the `ContractSpec` message: "fields[3].min", "identity[0]", "json_schema"; "" for the whole.
    """

    __slots__ = ("path",)

    path: str

    def __new__(cls, text: str, path: str = "") -> Self:
        """Keep the sentence and its place.

        Args:
            text: The sentence.
            path: Where the mistake is.
        """
        made = super().__new__(cls, text)
        made.path = path
        return made


class ContractError(ValueError):
    """A contract that cannot be made as written.

    Every mistake is reported in one go, because whoever writes a contract wants to mend it once.

    Attributes:
        problems: One sentence for each mistake; each names the thing and says what to do instead.
    """

    problems: tuple[Problem, ...]

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep all problems; the exception's text lists them.

        Args:
            problems: The mistakes, in the order in which they stand in the document.
        """
        self.problems = tuple(item if isinstance(item, Problem) else Problem(item) for item in problems)
        super().__init__("; ".join(self.problems))


class RouteError(ValueError):
    """A route, topic filter or device rule that cannot be made as written; the text says why and what to do."""
