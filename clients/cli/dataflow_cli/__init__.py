"""The dataflow command."""
