"""What is wrong with a contract or a route, said all at once and with the way out."""

from collections.abc import Iterable


class ContractError(ValueError):
    """A contract that cannot be made as written.

    Every mistake is reported in one go, because whoever writes a contract wants to mend it once.

    Attributes:
        problems: One sentence for each mistake; each names the thing and says what to do instead.
    """

    problems: tuple[str, ...]

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep all problems; the exception's text lists them.

        Args:
            problems: The mistakes, in the order in which they stand in the document.
        """
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class RouteError(ValueError):
    """A route, topic filter or device rule that cannot be made as written; the text says why and what to do."""
