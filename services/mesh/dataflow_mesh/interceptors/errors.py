"""Turns what servicers raise into a status: their own errors as they are, Postgres's by meaning, all else INTERNAL."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_status import rpc_status  # type: ignore[import-untyped]

from dataflow_mesh.errors import DataflowError, InternalError, to_status
from dataflow_mesh.interceptors.call import Call
from dataflow_mesh.interceptors.request_log import REQUEST_ID_KEY
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import translate

_log = logging.getLogger(__name__)


class ErrorStep:
    """Answers errors; stands right inside the request log."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Translates what comes out of the call."""
        try:
            yield
        except grpc.aio.AbortError:
            call.code = _aborted_with(call)
            raise
        except DataflowError as error:
            await _answer(call, error)
        except Exception as error:  # noqa: BLE001 - the outermost place of a request
            meaning = translate(error)
            if meaning is None:
                # The trace stays here: the caller gets the request id, never SQL or a stack.
                _log.exception("request failed", extra=fields("request_failed", method=call.method))
                meaning = InternalError()
            else:
                _log.warning(
                    "Postgres failed a request",
                    extra=fields("request_unavailable", method=call.method, error=type(error).__name__),
                )
            await _answer(call, meaning)

    def check(self, request: Message) -> None:
        """Requests are the validation step's."""


async def _answer(call: Call, error: DataflowError) -> None:
    call.code = error.code
    status = rpc_status.to_status(to_status(error, call.request_id))
    # `abort_with_status` would drop the request id: it replaces the trailing metadata.
    trailing = (*status.trailing_metadata, (REQUEST_ID_KEY, call.request_id))
    await call.context.abort(status.code, status.details, trailing)


def _aborted_with(call: Call) -> grpc.StatusCode:
    code = call.context.code()
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN
