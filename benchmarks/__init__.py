"""How fast the service is, beside what it stands on: `python -m benchmarks`."""
