"""What can be asked about: contracts, fields, devices, and the time that the data cover."""
