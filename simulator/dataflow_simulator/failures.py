"""What can go wrong between the simulator and a running system."""


class UnreachableError(Exception):
    """A part of the system does not answer."""
