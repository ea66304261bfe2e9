"""Everything of one device: deleted, or written to files, as a job."""
