"""Files of readings and quarantined items: their formats, and the jobs that write them."""
