"""MQTT sessions: claimed in Postgres, kept in memory, followed, ended."""
