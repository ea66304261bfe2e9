"""What keeps the local stack from starting, in words for the person who typed the command."""


class StackError(Exception):
    """The stack cannot do what was asked; the message says why, and the way out."""


class AlreadyRunningError(StackError):
    """Another `dataflow up` holds the data directory."""


class NotRunningError(StackError):
    """No `dataflow up` holds the data directory."""
