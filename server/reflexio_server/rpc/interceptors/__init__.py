"""What every call passes through, each part in a file of its own."""
