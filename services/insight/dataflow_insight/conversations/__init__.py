"""Questions and answers that a caller keeps, so that a question can lean on those before it."""
