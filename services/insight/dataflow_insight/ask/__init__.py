"""From a question to a checked answer: plan, SQL, result, sentences, verification. Nothing here does I/O but `survey`."""
