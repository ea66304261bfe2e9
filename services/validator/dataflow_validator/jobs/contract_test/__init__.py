"""TestContract: what a contract would say of all that was logged, without changing anything."""
