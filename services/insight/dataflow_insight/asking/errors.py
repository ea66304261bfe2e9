"""What an asker may be told instead of an answer."""

import grpc
from dataflow.error.v1 import error_reason_pb2
from dataflow_mesh.errors import DataflowError


class AsksExhaustedError(DataflowError):
    """You have as many questions in the making as a caller may; wait for an answer."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = error_reason_pb2.ERROR_REASON_ASKS_EXHAUSTED
