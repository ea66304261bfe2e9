"""What is said between the engine and a model, in our own types: only `client.py` knows the provider's."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from dataflow_insight.engines.engine import Fallback


@dataclass(frozen=True, slots=True)
class Said:
    """Words of the model.

    Attributes:
        text: As written; untrusted.
        signature: What the provider wants back with it, unread.
    """

    text: str
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Called:
    """A call of a tool by the model.

    Attributes:
        name: Of the tool, as the model wrote it.
        arguments: JSON, untrusted.
        call_id: The provider's name of the call; may be empty.
        signature: What the provider wants back with it, unread.
    """

    name: str
    arguments: Mapping[str, Any]
    call_id: str = ""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Told:
    """What the engine tells the model, a text for each part."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spoke:
    """A whole turn of the model, given back as it came."""

    parts: tuple[Said | Called, ...]


@dataclass(frozen=True, slots=True)
class Returned:
    """What tools gave back, in the order of the calls."""

    results: tuple[tuple[Called, Mapping[str, Any]], ...]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `schema` is the JSON Schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]


class Calling(Enum):
    """Whether the model must, may or must not call a tool."""

    MUST = auto()
    MAY = auto()
    NEVER = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """One call to a model.

    Attributes:
        system: The instruction, made of our own words only.
        turns: What was said so far, oldest first.
        tools: What it may call.
        calling: Whether it must.
        max_output_tokens: Most tokens that it may write, thoughts included.
    """

    system: str
    turns: tuple[Told | Spoke | Returned, ...]
    tools: tuple[Tool, ...]
    calling: Calling
    max_output_tokens: int


class Stop(Enum):
    """Why the model stopped."""

    DONE = auto()
    TOO_LONG = auto()
    REFUSED = auto()
    MALFORMED = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call took, as the provider counts: `cached` is a part of `prompt`, `thoughts` are not in `written`."""

    prompt: int = 0
    cached: int = 0
    written: int = 0
    thoughts: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a streamed turn. `stop` comes with the last one; `tokens` counts the whole call so far."""

    parts: tuple[Said | Called, ...] = ()
    stop: Stop | None = None
    tokens: Tokens | None = None


class ModelError(Exception):
    """A call to a model failed.

    Attributes:
        reason: The kind of failure.
        passing: Whether the same call may succeed a little later.
        after_seconds: How long the provider asked to wait; `None` if it did not say.
    """

    def __init__(
        self, reason: Fallback, detail: str, *, passing: bool = False, after_seconds: float | None = None
    ) -> None:
        """Takes a text for people, without secrets and without anything that the provider wrote freely."""
        super().__init__(detail)
        self.reason = reason
        self.passing = passing
        self.after_seconds = after_seconds


class Model(Protocol):
    """Streams turns of a model."""

    def stream(self, request: Request, *, seconds: float) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Makes one call; leaving the context closes the connection, whatever has been read.

        Args:
            request: What is asked.
            seconds: After how long the call is given up.

        Raises:
            ModelError: On entering or while reading.
        """
        ...
