"""What every DataFlow process needs and no business word: lifecycle, server, channels, access, errors, telemetry, settings, migrations."""
