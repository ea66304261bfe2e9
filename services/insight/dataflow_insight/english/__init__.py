"""From English to a plan or an honest refusal: deterministic, and strict about every word."""
