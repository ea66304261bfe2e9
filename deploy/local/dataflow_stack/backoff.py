"""How long a child that died waits for its next life."""

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Nothing after a life that was worth something; a pause that doubles for one that dies again and again.

    Attributes:
        first_seconds: The first wait of one that hardly served, or never did.
        longest_seconds: No wait is longer.
        forget_seconds: Who served for so long is started again at once, and counted anew.
    """

    first_seconds: float = 0.1
    longest_seconds: float = 5.0
    forget_seconds: float = 2.0
    _early_deaths: int = 0

    def after(self, served_seconds: float) -> float:
        """Returns the seconds to wait after a life that served for so long; 0 for one that never did."""
        if served_seconds >= self.forget_seconds:
            self._early_deaths = 0
            return 0.0
        wait = min(self.longest_seconds, self.first_seconds * float(2 ** min(self._early_deaths, 16)))
        self._early_deaths += 1
        return wait
