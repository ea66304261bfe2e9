"""From a result to sentences, and the gate that every sentence passes."""
