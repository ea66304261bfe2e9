"""How much one answer, and one caller, may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLimits:
    """Bounds of an answer; an engine that goes beyond them is ended, and the local one answers.

    Attributes:
        queries: Queries that an engine may run for one answer.
        steps: Plans that an engine may ask for in one answer, those that were refused included.
        characters: Characters that a model may write; the text of the local engine is bounded by its tables.
        pieces: Pieces in which a model may write them.
        answer_seconds: From the question to the last event, over all engines.
        reserved_seconds: Of these, kept for the local engine in case the first one fails.
        asks_per_caller: Answers that a caller may have in the making at a time.
    """

    queries: int = 12
    steps: int = 24
    characters: int = 20_000
    pieces: int = 2_000
    answer_seconds: float = 60.0
    reserved_seconds: float = 15.0
    asks_per_caller: int = 64
