"""What a conversation is, and how much of it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from dataflow.insight.v1 import ask_service_pb2, conversation_pb2, plan_pb2

TITLE_CHARACTERS: Final = 80
"""Most of the first question that names a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationLimits:
    """Bounds of what is kept.

    Attributes:
        days: For how long a conversation is kept after its latest answer.
        per_caller: Conversations of one caller; the one that rested longest makes room for a new one.
        turns: Questions of one conversation.
        characters: Characters of all its questions and answers.
        context_turns: How many of the latest turns a question may lean on.
        context_characters: How many characters of them.
    """

    days: float = 30.0
    per_caller: int = 100
    turns: int = 100
    characters: int = 500_000
    context_turns: int = 10
    context_characters: int = 20_000


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its turns; the attributes are those of the proto."""

    conversation_id: UUID
    title: str
    turn_count: int
    create_time: datetime
    update_time: datetime

    def to_proto(self, days: float) -> conversation_pb2.Conversation:
        """Returns the conversation as its caller sees it.

        Args:
            days: For how long it is kept.
        """
        message = conversation_pb2.Conversation(
            conversation_id=str(self.conversation_id), title=self.title, turn_count=self.turn_count
        )
        message.create_time.FromDatetime(self.create_time)
        message.update_time.FromDatetime(self.update_time)
        message.expire_time.FromDatetime(self.update_time + timedelta(days=days))
        return message


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """A question and its answer as they are kept; the attributes are those of the proto."""

    number: int
    ask_id: UUID
    question: str
    answer: str
    plans: tuple[plan_pb2.QueryPlan, ...]
    engine: str
    decline: int
    ask_time: datetime | None = None

    @property
    def character_count(self) -> int:
        """What counts against the limit of characters."""
        return len(self.question) + len(self.answer)

    def to_proto(self) -> ask_service_pb2.ConversationTurn:
        """Returns the turn as its caller sees it."""
        message = ask_service_pb2.ConversationTurn(
            number=self.number,
            ask_id=str(self.ask_id),
            question=self.question,
            answer=self.answer,
            plans=self.plans,
            engine=self.engine,
        )
        # By number: a newer version may have kept a reason that this one does not know.
        message.decline = self.decline  # type: ignore[assignment]
        if self.ask_time is not None:
            message.ask_time.FromDatetime(self.ask_time)
        return message


def latest_within(turns: Sequence[KeptTurn], characters: int) -> tuple[KeptTurn, ...]:
    """Returns the latest turns that have no more characters together, oldest first; the last one always.

    Args:
        turns: Oldest first.
        characters: Most of them.
    """
    taken: list[KeptTurn] = []
    left = characters
    for turn in reversed(turns):
        left -= turn.character_count
        if taken and left < 0:
            break
        taken.append(turn)
    return tuple(reversed(taken))


def storable(text: str) -> str:
    """Returns a text as Postgres can keep it: it has no NUL."""
    return text.replace("\x00", "\ufffd")


def title_of(question: str) -> str:
    """Returns what a conversation is called that begins with this question."""
    words = " ".join(storable(question).split())
    return words if len(words) <= TITLE_CHARACTERS else words[: TITLE_CHARACTERS - 1] + "…"
