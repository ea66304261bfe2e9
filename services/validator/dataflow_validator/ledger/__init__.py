"""The ledger: folded into minutes, checked for what is missing, shown."""
