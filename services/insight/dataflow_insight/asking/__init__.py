"""One question from its arrival to its last event: admission, engines, desk, gate, stream."""
