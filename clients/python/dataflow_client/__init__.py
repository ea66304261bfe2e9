"""Python SDK of DataFlow."""
