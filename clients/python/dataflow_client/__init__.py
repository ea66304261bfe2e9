"""Python SDK of DataFlow, synchronous and asyncio: publish, read, define, watch and ask over gRPC.

`Client` and `AsyncClient` have one attribute for each service; errors are in `dataflow_client.errors`, and what calls
return are the messages of `dataflow.*`::

    with Client.from_env() as client:
        client.publish([OutgoingMessage("sensors/room-b/telemetry", {"device_id": "room-b", "co2": 749.2})])
        print(client.ask_text("What was the highest co2 in room-b?"))

The environment names the services: `eval "$(dataflow status --env)"`.
"""

from dataflow_client.answers import Answer, Evidence
from dataflow_client.calls import CallOptions
from dataflow_client.client import AsyncClient, Client
from dataflow_client.codes import DataflowError, Violation
from dataflow_client.conversations import AsyncConversation, Conversation
from dataflow_client.messages import OutgoingMessage, PublishResult, Rejected
from dataflow_client.outbox import StreamLimits
from dataflow_client.readings import reading_filter
from dataflow_client.retry import RetryPolicy
from dataflow_client.targets import Connection, Targets, Tls
from dataflow_client.tokens import read_token

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncConversation",
    "CallOptions",
    "Client",
    "Connection",
    "Conversation",
    "DataflowError",
    "Evidence",
    "OutgoingMessage",
    "PublishResult",
    "Rejected",
    "RetryPolicy",
    "StreamLimits",
    "Targets",
    "Tls",
    "Violation",
    "read_token",
    "reading_filter",
]
