"""What the service is about, without I/O and without a framework."""
