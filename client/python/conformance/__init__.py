"""Runs the table of tests/conformance through the generated Python stubs."""
