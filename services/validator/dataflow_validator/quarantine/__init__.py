"""Items that became no row: stored with all reasons, shown."""
