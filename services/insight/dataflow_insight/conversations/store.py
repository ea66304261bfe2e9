"""Conversations in Postgres: every statement names the caller, so that nobody reaches another's."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from dataflow.insight.v1 import plan_pb2
from dataflow_mesh.postgres import Pool
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from dataflow_insight.conversations.conversation import Conversation, ConversationLimits, KeptTurn, storable
from dataflow_insight.conversations.errors import (
    ConversationBusyError,
    ConversationFullError,
    ConversationNotFoundError,
)

_CLEAN_ROWS: Final = 500

_BEGIN: Final = """
INSERT INTO insight.conversation (conversation_id, caller, title, asking_id, asking_until)
VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
"""

# Those that rested longest make room.
_TRIM: Final = """
DELETE FROM insight.conversation WHERE conversation_id IN (
    SELECT conversation_id FROM insight.conversation WHERE caller = $1
    ORDER BY update_time DESC, conversation_id DESC OFFSET $2
)
"""

# One statement: of two questions at once only one gets the row, whichever processes they reach.
_CLAIM: Final = """
UPDATE insight.conversation SET asking_id = $3, asking_until = clock_timestamp() + make_interval(secs => $4)
WHERE conversation_id = $1 AND caller = $2 AND turn_count < $5 AND character_count < $6
    AND (asking_id IS NULL OR asking_until <= clock_timestamp())
RETURNING true
"""

_LOOK: Final = """
SELECT turn_count, character_count FROM insight.conversation WHERE conversation_id = $1 AND caller = $2
"""

_ADD: Final = """
WITH asked AS (
    UPDATE insight.conversation
    SET turn_count = turn_count + 1, character_count = character_count + $3, update_time = now(),
        asking_id = NULL, asking_until = NULL
    WHERE conversation_id = $1 AND asking_id = $2
    RETURNING conversation_id, turn_count
)
INSERT INTO insight.turn (conversation_id, number, ask_id, question, answer, plans, engine, decline)
SELECT conversation_id, turn_count, $2, $4, $5, $6, $7, $8 FROM asked
RETURNING number
"""

_RELEASE: Final = """
WITH empty AS (
    DELETE FROM insight.conversation WHERE conversation_id = $1 AND asking_id = $2 AND turn_count = 0
)
UPDATE insight.conversation SET asking_id = NULL, asking_until = NULL
WHERE conversation_id = $1 AND asking_id = $2 AND turn_count > 0
"""

_COLUMNS: Final = "conversation_id, title, turn_count, create_time, update_time"

_LIST: Final = f"""
SELECT {_COLUMNS} FROM insight.conversation
WHERE caller = $1 AND turn_count > 0
    AND ($2::timestamptz IS NULL OR (update_time, conversation_id) < ($2::timestamptz, $3::uuid))
ORDER BY update_time DESC, conversation_id DESC LIMIT $4
"""  # noqa: S608 - a constant of this module

_GET: Final = f"SELECT {_COLUMNS} FROM insight.conversation WHERE conversation_id = $1 AND caller = $2"  # noqa: S608

_TURNS: Final = """
SELECT number, ask_id, question, answer, plans, engine, decline, ask_time FROM insight.turn
WHERE conversation_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""

_LATEST_TURNS: Final = """
SELECT number, ask_id, question, answer, plans, engine, decline, ask_time FROM insight.turn
WHERE conversation_id = $1 ORDER BY number DESC LIMIT $2
"""

_DELETE: Final = "DELETE FROM insight.conversation WHERE conversation_id = $1 AND caller = $2 RETURNING true"

# Rows that another process is cleaning, or that somebody is asking in, are left for the next time.
_CLEAN: Final = """
DELETE FROM insight.conversation WHERE conversation_id IN (
    SELECT conversation_id FROM insight.conversation
    WHERE update_time < now() - make_interval(secs => $1) AND (asking_until IS NULL OR asking_until < clock_timestamp())
    ORDER BY update_time LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING true
"""


class ConversationStore:
    """Keeps conversations.

    Args:
        pool: Of the login that owns the schema `insight`.
        limits: Of what is kept.
    """

    def __init__(self, pool: Pool, limits: ConversationLimits) -> None:
        self.limits = limits
        self._pool = pool

    async def begin(self, conversation_id: UUID, caller: str, title: str, ask_id: UUID, seconds: float) -> None:
        """Makes a conversation in which a question is being answered.

        Args:
            conversation_id: Its new id.
            caller: Whose it is.
            title: What it is called.
            ask_id: The question that is being answered.
            seconds: After how long that is over, even if nobody says so.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_BEGIN, conversation_id, caller, title, ask_id, seconds)
            await connection.execute(_TRIM, caller, self.limits.per_caller)

    async def claim(self, conversation_id: UUID, caller: str, ask_id: UUID, seconds: float) -> None:
        """Has the next question of a conversation answered by nobody else.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
            ConversationFullError: It takes no more.
            ConversationBusyError: Another question of it is being answered.
        """
        limits = self.limits
        async with self._pool.acquire() as connection:
            claimed = await connection.fetchval(
                _CLAIM, conversation_id, caller, ask_id, seconds, limits.turns, limits.characters
            )
            if claimed:
                return
            row = await connection.fetchrow(_LOOK, conversation_id, caller)
        raise _refusal(conversation_id, row, limits)

    async def check(self, conversation_id: UUID, caller: str) -> None:
        """Looks whether the caller has the conversation, where nothing can be written.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
        """
        if await self._pool.fetchrow(_LOOK, conversation_id, caller) is None:
            raise _not_found(conversation_id)

    async def latest_turns(self, conversation_id: UUID) -> tuple[KeptTurn, ...]:
        """Returns the latest turns, oldest first; whose they are was checked before."""
        rows = await self._pool.fetch(_LATEST_TURNS, conversation_id, self.limits.context_turns)
        return tuple(_turn(row) for row in reversed(rows))

    async def add(self, conversation_id: UUID, turn: KeptTurn) -> int | None:
        """Adds the answer of the question that holds the conversation.

        Returns:
            The turn's number; None where the conversation is gone, or another question has taken it over.
        """
        plans = [MessageToDict(plan, preserving_proto_field_name=True) for plan in turn.plans]
        number: int | None = await self._pool.fetchval(
            _ADD,
            conversation_id,
            turn.ask_id,
            turn.character_count,
            storable(turn.question),
            storable(turn.answer),
            json.dumps(_storable(plans), ensure_ascii=False),
            turn.engine,
            turn.decline,
        )
        return number

    async def release(self, conversation_id: UUID, ask_id: UUID) -> None:
        """Lets go of a conversation whose question got no answer; one without any answer goes away."""
        await self._pool.execute(_RELEASE, conversation_id, ask_id)

    async def list(self, caller: str, *, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[Conversation]:
        """Returns conversations of a caller, the one with the latest answer first.

        Args:
            caller: Whose.
            after: The key of the last one before.
            limit: Most of them.
        """
        moment, last = after if after is not None else (None, None)
        return [_conversation(row) for row in await self._pool.fetch(_LIST, caller, moment, last, limit)]

    async def get(self, conversation_id: UUID, caller: str) -> Conversation:
        """Returns a conversation.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
        """
        row = await self._pool.fetchrow(_GET, conversation_id, caller)
        if row is None:
            raise _not_found(conversation_id)
        return _conversation(row)

    async def turns(self, conversation_id: UUID, *, after: int, limit: int) -> Sequence[KeptTurn]:
        """Returns turns with higher numbers, oldest first; whose they are was checked before."""
        return [_turn(row) for row in await self._pool.fetch(_TURNS, conversation_id, after, limit)]

    async def delete(self, conversation_id: UUID, caller: str) -> None:
        """Deletes a conversation with its turns.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
        """
        if not await self._pool.fetchval(_DELETE, conversation_id, caller):
            raise _not_found(conversation_id)

    async def clean(self) -> int:
        """Deletes conversations that nobody has gone on with, and returns how many; several processes may do so at once."""
        total = 0
        while True:
            gone = len(await self._pool.fetch(_CLEAN, self.limits.days * 86_400.0, _CLEAN_ROWS))
            total += gone
            if gone < _CLEAN_ROWS:
                return total


def _refusal(
    conversation_id: UUID, row: Any, limits: ConversationLimits
) -> ConversationNotFoundError | ConversationFullError | ConversationBusyError:
    if row is None:
        return _not_found(conversation_id)
    metadata = {"conversation_id": str(conversation_id)}
    if row["turn_count"] >= limits.turns:
        return ConversationFullError(metadata=metadata | {"limit": "turns"})
    if row["character_count"] >= limits.characters:
        return ConversationFullError(metadata=metadata | {"limit": "characters"})
    return ConversationBusyError(metadata=metadata)


def _not_found(conversation_id: UUID) -> ConversationNotFoundError:
    return ConversationNotFoundError(metadata={"conversation_id": str(conversation_id)})


def _conversation(row: Any) -> Conversation:
    return Conversation(row["conversation_id"], row["title"], row["turn_count"], row["create_time"], row["update_time"])


def _turn(row: Any) -> KeptTurn:
    plans = tuple(_plan(plan) for plan in json.loads(row["plans"]))
    return KeptTurn(
        row["number"],
        row["ask_id"],
        row["question"],
        row["answer"],
        tuple(plan for plan in plans if plan is not None),
        row["engine"],
        row["decline"],
        row["ask_time"],
    )


def _plan(document: dict[str, Any]) -> plan_pb2.QueryPlan | None:
    """Returns a plan; None where a newer version has written what this one cannot read."""
    try:
        return ParseDict(document, plan_pb2.QueryPlan(), ignore_unknown_fields=True)
    except ParseError:
        return None


def _storable(value: object) -> object:
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(item) for item in value]
        case dict():
            return {storable(name): _storable(item) for name, item in value.items()}
        case _:
            return value
