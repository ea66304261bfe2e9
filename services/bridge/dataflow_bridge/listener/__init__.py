"""The MQTT endpoint of the bridge: MQTT 3.1.1 and 5 on TCP and WebSocket, a PUBACK only for what is durable."""
