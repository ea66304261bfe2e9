"""One question's part in a conversation: claims it, brings its turns, adds the answer, lets go of it."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import translate

from dataflow_insight.conversations.conversation import KeptTurn, latest_within, title_of
from dataflow_insight.conversations.errors import ConversationsOffError
from dataflow_insight.conversations.store import ConversationStore
from dataflow_insight.engines.engine import Turn
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.messages import plan_from_proto
from dataflow_insight.plans.plan import Plan
from dataflow_insight.postgres import cannot_write

_log = logging.getLogger(__name__)

_RELEASE_SECONDS: Final = 2.0
_SPARE_SECONDS: Final = 5.0
"""How much longer than its answer a question holds a conversation, should nobody let go of it."""

OFF: Final = "this server keeps no conversations"
_CANNOT_WRITE: Final = "nothing can be written at present"
_GONE: Final = "the conversation was deleted meanwhile, or another question has taken it over"


class Part:
    """What a question has of its conversation.

    Attributes:
        conversation_id: Empty where there is none.
        turns: Earlier turns, oldest first.
        problem: Why the answer will not be kept; empty where it will be, or where there is no conversation.
    """

    def __init__(
        self,
        store: ConversationStore | None = None,
        conversation_id: UUID | None = None,
        ask_id: UUID | None = None,
        *,
        turns: tuple[Turn, ...] = (),
        problem: str = "",
    ) -> None:
        self.turns = turns
        self.problem = problem
        self.kept = False
        self._store = store
        self._id = conversation_id
        self._ask_id = ask_id
        self._held = store is not None and conversation_id is not None and not problem

    @property
    def conversation_id(self) -> str:
        """The conversation's id; empty where there is none."""
        return str(self._id) if self._id is not None else ""

    async def keep(self, turn: KeptTurn) -> None:
        """Adds the answer; afterwards `kept` or `problem` says what came of it."""
        if not self._held:
            return
        assert self._store is not None
        assert self._id is not None
        try:
            number = await self._store.add(self._id, turn)
        except Exception as error:
            if not _is_lost(error):
                raise
            _log.warning("an answer was not kept", extra=fields("turn_not_kept", error=type(error).__name__))
            self.problem = _CANNOT_WRITE
            return
        self._held = False
        self.kept = number is not None
        self.problem = "" if self.kept else _GONE

    async def release(self) -> None:
        """Lets go of the conversation, where the question got no answer."""
        if not self._held:
            return
        self._held = False
        assert self._store is not None
        assert self._id is not None
        assert self._ask_id is not None
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._store.release(self._id, self._ask_id)
        except Exception as error:
            # The claim ends by itself after its time.
            if not isinstance(error, TimeoutError) and not _is_lost(error):
                raise


class Conversations:
    """Lets questions take part in conversations.

    Args:
        store: Where they are kept; None: nowhere.
    """

    def __init__(self, store: ConversationStore | None = None) -> None:
        self._store = store

    @property
    def store(self) -> ConversationStore:
        """Where conversations are kept.

        Raises:
            ConversationsOffError: Nowhere.
        """
        if self._store is None:
            raise ConversationsOffError
        return self._store

    @asynccontextmanager
    async def begun(self, caller: str, question: str, ask_id: UUID, seconds: float) -> AsyncIterator[Part]:
        """A question's part in a conversation that it begins; the context lets go of it.

        Where nothing can be written, the question stands alone, and the part says why.

        Args:
            caller: Whose conversation.
            question: Its first.
            ask_id: Names the answer.
            seconds: How long that may take.
        """
        if self._store is None:
            yield Part(problem=OFF)
            return
        conversation_id = uuid.uuid4()
        part = Part(self._store, conversation_id, ask_id)
        # From here on: whoever is cancelled while the row is made may have made it.
        try:
            try:
                await self._store.begin(conversation_id, caller, title_of(question), ask_id, seconds + _SPARE_SECONDS)
            except Exception as error:
                if not _is_lost(error):
                    raise
                yield Part(problem=_CANNOT_WRITE)
            else:
                yield part
        finally:
            await part.release()

    @asynccontextmanager
    async def continued(self, conversation_id: UUID, caller: str, ask_id: UUID, seconds: float) -> AsyncIterator[Part]:
        """A question's part in a conversation of the caller; the context lets go of it.

        Where it can be read and not written, the question is answered, and the part says why it is not kept.

        Args:
            conversation_id: Which one.
            caller: Who asks.
            ask_id: Names the answer.
            seconds: How long that may take.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
            ConversationFullError: It takes no more.
            ConversationBusyError: Another question of it is being answered.
            PostgresUnavailableError: It can not even be read.
        """
        store = self.store
        part = Part(store, conversation_id, ask_id)
        try:
            try:
                await store.claim(conversation_id, caller, ask_id, seconds + _SPARE_SECONDS)
            except Exception as error:
                if not cannot_write(error):
                    raise
                await store.check(conversation_id, caller)
                part = Part(store, conversation_id, ask_id, problem=_CANNOT_WRITE)
            part.turns = _turns(await store.latest_turns(conversation_id), store.limits.context_characters)
            yield part
        finally:
            await part.release()


def _turns(latest: Sequence[KeptTurn], characters: int) -> tuple[Turn, ...]:
    kept = latest_within(latest, characters)
    return tuple(Turn(turn.question, turn.answer, _plans(turn)) for turn in kept)


def _plans(turn: KeptTurn) -> tuple[Plan, ...]:
    plans: list[Plan] = []
    for message in turn.plans:
        # A plan of another version says less, not nothing.
        with contextlib.suppress(PlanError):
            plans.append(plan_from_proto(message))
    return tuple(plans)


def _is_lost(error: Exception) -> bool:
    """Returns whether an error means that nothing can be written now, rather than a defect."""
    return cannot_write(error) or translate(error) is not None
