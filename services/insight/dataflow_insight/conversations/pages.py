"""Lists of conversations and turns: keyset pages, bound to their caller."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from dataflow.insight.v1 import ask_service_pb2
from dataflow_mesh import paging

from dataflow_insight.conversations.store import ConversationStore

_LIST: Final = "dataflow.insight.v1.AskService/ListConversations"
_GET: Final = "dataflow.insight.v1.AskService/GetConversation"
_MAX_PAGE_BYTES: Final = 1024 * 1024


async def list_conversations(
    store: ConversationStore, caller: str, request: ask_service_pb2.ListConversationsRequest
) -> ask_service_pb2.ListConversationsResponse:
    """Returns a page of the caller's conversations.

    Raises:
        PageTokenInvalidError: The token belongs to another caller or list.
    """
    bound = f"{_LIST}/{caller}"
    key = paging.decode(request.page_token, bound)
    after = None if key is None else (datetime.fromisoformat(str(key[0])), UUID(str(key[1])))
    size = paging.page_size(request.page_size)
    found = await store.list(caller, after=after, limit=size + 1)
    token = ""
    if len(found) > size:
        last = found[size - 1]
        token = paging.encode([last.update_time.isoformat(), str(last.conversation_id)], bound)
    days = store.limits.days
    return ask_service_pb2.ListConversationsResponse(
        conversations=[item.to_proto(days) for item in found[:size]], next_page_token=token
    )


async def get_conversation(
    store: ConversationStore, caller: str, request: ask_service_pb2.GetConversationRequest
) -> ask_service_pb2.GetConversationResponse:
    """Returns a conversation with a page of its turns.

    Raises:
        ConversationNotFoundError: The caller has none of that id.
        PageTokenInvalidError: The token belongs to another caller or conversation.
    """
    conversation_id = UUID(request.conversation_id)
    bound = f"{_GET}/{conversation_id}/{caller}"
    key = paging.decode(request.page_token, bound)
    conversation = await store.get(conversation_id, caller)
    size = paging.page_size(request.page_size)
    found = await store.turns(conversation_id, after=0 if key is None else int(str(key[0])), limit=size + 1)
    turns = _within([turn.to_proto() for turn in found[:size]])
    token = paging.encode([turns[-1].number], bound) if turns and len(turns) < len(found) else ""
    return ask_service_pb2.GetConversationResponse(
        conversation=conversation.to_proto(store.limits.days), turns=turns, next_page_token=token
    )


def _within(turns: Sequence[ask_service_pb2.ConversationTurn]) -> Sequence[ask_service_pb2.ConversationTurn]:
    """Returns as many of the first turns as a response may hold, at least one."""
    size = 0
    for number, turn in enumerate(turns):
        size += turn.ByteSize()
        if number and size > _MAX_PAGE_BYTES:
            return turns[:number]
    return turns
