"""What can be wrong with a conversation."""

import grpc
from dataflow.error.v1 import error_reason_pb2
from dataflow_mesh.errors import DataflowError


class ConversationNotFoundError(DataflowError):
    """You have no conversation of that id; those that nobody goes on with are deleted after some days."""

    code = grpc.StatusCode.NOT_FOUND
    reason = error_reason_pb2.ERROR_REASON_CONVERSATION_NOT_FOUND


class ConversationBusyError(DataflowError):
    """Another question of this conversation is being answered; wait for its end, or cancel it."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_CONVERSATION_BUSY


class ConversationFullError(DataflowError):
    """The conversation has as many turns or characters as it may; begin another."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_CONVERSATION_FULL


class ConversationsOffError(DataflowError):
    """This server keeps no conversations: its postgres_dsn is missing or may not write."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = error_reason_pb2.ERROR_REASON_CONVERSATIONS_OFF
