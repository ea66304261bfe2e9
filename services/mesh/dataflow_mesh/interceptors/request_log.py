"""Request ids, the access log and the metrics of every RPC."""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
from google.protobuf.message import Message

from dataflow_mesh.interceptors.call import Call
from dataflow_mesh.logs import fields, set_current_request_id
from dataflow_mesh.names import GRPC_DURATION, GRPC_REQUESTS, Attribute
from dataflow_mesh.telemetry import counter, histogram

_log = logging.getLogger(__name__)

REQUEST_ID_KEY = "x-request-id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLogStep:
    """Gives each RPC an id (the caller's own, if it is a sane one), answers it as trailing metadata, logs the end.

    Args:
        quiet: Methods that are logged at debug level only.
    """

    def __init__(self, quiet: frozenset[str] = frozenset()) -> None:
        self._quiet = quiet
        self._requests = counter(GRPC_REQUESTS)
        self._duration = histogram(GRPC_DURATION)

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Names the call before it and logs it after it."""
        given = call.metadata(REQUEST_ID_KEY)
        call.request_id = given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        set_current_request_id(call.request_id)
        call.context.set_trailing_metadata(((REQUEST_ID_KEY, call.request_id),))
        try:
            yield
        except asyncio.CancelledError:
            call.code = grpc.StatusCode.CANCELLED
            raise
        finally:
            self._finish(call)

    def check(self, request: Message) -> None:
        """Payloads are nobody's business here."""

    def _finish(self, call: Call) -> None:
        code = call.code or grpc.StatusCode.OK
        seconds = time.perf_counter() - call.started_at
        self._requests.add(1, {Attribute.METHOD: call.method, Attribute.CODE: code.name})
        self._duration.record(seconds, {Attribute.METHOD: call.method})
        level = logging.DEBUG if call.method in self._quiet else logging.INFO
        if _log.isEnabledFor(level):
            _log.log(
                level,
                "request served",
                extra=fields(
                    "request_served",
                    method=call.method,
                    code=code.name,
                    seconds=round(seconds, 6),
                    caller=call.caller.name,
                    peer=call.context.peer(),
                ),
            )
