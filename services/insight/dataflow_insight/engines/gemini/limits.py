"""How much one answer may take of time, calls, tokens and characters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one answer.

    Attributes:
        seconds: For everything.
        first_seconds: Until the first piece of a call to the model.
        chunk_seconds: Between two pieces.
        attempts: Tries of one call, as long as nothing has come.
        model_calls: Calls to the model, tries not counted.
        plans: Plans that are computed.
        calls_per_turn: Tool calls in one turn of the model.
        mistakes: Calls that do not fit, repeated ones and turns without an answer, together.
        output_tokens: That the model may write in one call, thoughts included.
        output_characters: Of all that the model writes.
        stream_bytes: Of one HTTP response.
        stream_pieces: The same in events; reading each costs as much whether it says anything or not.
        context_characters: Of the catalogue in the prompt.
        result_characters: Of one result that goes back to the model.
        turns: Earlier questions of the conversation that the model sees.
        device_ids: Names of devices that the model sees for each contract, besides those in the question.
    """

    seconds: float = 30.0
    first_seconds: float = 15.0
    chunk_seconds: float = 10.0
    attempts: int = 3
    model_calls: int = 8
    plans: int = 6
    calls_per_turn: int = 8
    mistakes: int = 3
    output_tokens: int = 8192
    output_characters: int = 8000
    stream_bytes: int = 2 << 20
    stream_pieces: int = 4000
    context_characters: int = 60_000
    result_characters: int = 12_000
    turns: int = 6
    device_ids: int = 30
