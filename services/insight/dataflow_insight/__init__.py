"""Insight: answers in plain language whose every number comes from a query."""
