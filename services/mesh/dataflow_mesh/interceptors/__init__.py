"""What happens around every RPC, one file for each concern, for all four shapes of RPC."""

from dataflow_mesh.interceptors.access import AccessStep
from dataflow_mesh.interceptors.call import Call, Chain, Step, remaining_deadline
from dataflow_mesh.interceptors.deadline import DeadlineStep
from dataflow_mesh.interceptors.drain import DrainStep
from dataflow_mesh.interceptors.errors import ErrorStep
from dataflow_mesh.interceptors.request_log import RequestLogStep
from dataflow_mesh.interceptors.validation import ValidationStep

__all__ = [
    "AccessStep",
    "Call",
    "Chain",
    "DeadlineStep",
    "DrainStep",
    "ErrorStep",
    "RequestLogStep",
    "Step",
    "ValidationStep",
    "remaining_deadline",
]
