"""From a checked plan to SQL, and from records to a table."""
