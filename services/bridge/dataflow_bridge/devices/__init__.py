"""What devices are sent: commands and configuration."""
