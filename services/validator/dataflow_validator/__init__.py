"""The validator: judges batches by contract and stores each item once."""
