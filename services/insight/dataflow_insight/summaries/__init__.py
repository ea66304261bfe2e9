"""Summaries of stored readings: what a stretch of time amounts to, as fields and as text whose numbers stand on cells."""
