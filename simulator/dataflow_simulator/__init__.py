"""Simulated fleet, replay of recorded data and load generator."""
