"""Contracts and routes as Postgres has them, and as this process judges by them."""
