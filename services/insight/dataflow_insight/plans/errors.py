"""What is wrong with a plan."""


class PlanError(Exception):
    """The plan names what does not exist, asks what a field cannot give, or leaves the bounds; the text says which."""
