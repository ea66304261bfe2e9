"""Long work, in parts that any validator's worker process goes on with."""
