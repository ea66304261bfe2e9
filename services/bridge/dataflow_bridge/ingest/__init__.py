"""Messages over gRPC: single batches and streams."""
