"""Brokers that are read: their records, the slots of their sessions, the client."""
