"""What a caller may be told instead of a summary."""

import grpc
from dataflow.error.v1 import error_reason_pb2
from dataflow_mesh.errors import DataflowError


class ContractNotFoundError(DataflowError):
    """No contract of that name has readings; `dataflow contract list` shows all contracts."""

    code = grpc.StatusCode.NOT_FOUND
    reason = error_reason_pb2.ERROR_REASON_CONTRACT_NOT_FOUND


class SummaryNotFoundError(DataflowError):
    """There is no summary of that id; `dataflow summary list` shows all."""

    code = grpc.StatusCode.NOT_FOUND
    reason = error_reason_pb2.ERROR_REASON_SUMMARY_NOT_FOUND


class RequestIdReusedError(DataflowError):
    """The request_id was used for another request."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = error_reason_pb2.ERROR_REASON_REQUEST_ID_REUSED
