"""Membership of the ring: kept, shown, led."""
