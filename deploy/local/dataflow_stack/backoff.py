"""How long a child that died waits for its next life."""

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Doubles with every early death, and forgets after a long life.

    Attributes:
        first_seconds: The first wait.
        longest_seconds: No wait is longer.
        forget_seconds: A life of this length starts the count anew.
    """

    first_seconds: float = 0.1
    longest_seconds: float = 5.0
    forget_seconds: float = 30.0
    _early_deaths: int = 0

    def after(self, lived_seconds: float) -> float:
        """Returns the seconds to wait after a life of this length."""
        if lived_seconds >= self.forget_seconds:
            self._early_deaths = 0
        wait = min(self.longest_seconds, self.first_seconds * float(2 ** min(self._early_deaths, 16)))
        self._early_deaths += 1
        return wait
