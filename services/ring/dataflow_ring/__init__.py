"""The ring: batches on Redis Streams, each on `copies` of N nodes."""
