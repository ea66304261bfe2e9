"""Rows: their tables and partitions, how they are inserted, how they are read."""
