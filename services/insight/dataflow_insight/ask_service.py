"""AskService; its parts are in the package `asking`."""

from dataflow_insight.asking.service import AskService, zone_named

__all__ = ["AskService", "zone_named"]
