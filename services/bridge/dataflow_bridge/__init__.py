"""The bridge: messages in by MQTT and gRPC, batches on the ring out, acknowledgements last."""
