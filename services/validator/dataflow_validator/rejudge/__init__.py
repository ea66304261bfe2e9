"""Judging history again: quarantined items, logged messages, and the rows and items that come and go by it."""
